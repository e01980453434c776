"""Entries that come while one is being written go together with the next, and each learns what became of it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.database.errors import DatabaseUnavailableError
from app.security.audit.entry import Entry
from app.security.audit.grouping import Grouped


def entry(number: int) -> Entry:
    return Entry(tenant="default", caller=str(number), operation="x", event="read")


def test_each_is_written_once_and_those_that_wait_go_together():
    group = Group(lambda _: None)
    assert group.failed == {}
    assert group.tried[0] == ["0"]
    assert len(group.tried) == 2
    assert sorted(group.tried[1]) == [str(number) for number in range(1, 8)]


def test_what_keeps_a_group_from_being_written_is_raised_to_each():
    def write(_):
        raise OSError("full")

    grouped = Grouped(write)
    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(grouped, entry(number)) for number in range(4)]:
            with pytest.raises(OSError, match="full"):
                one.result(10)


class Group:
    """Entries 1 to 7, which come while entry 0 is being written; each with what became of it."""

    def __init__(self, write) -> None:
        self.tried: list[list[str]] = []
        first, go = threading.Event(), threading.Event()

        def written(entries):
            self.tried.append([one.caller for one in entries])
            first.set()
            go.wait(10)
            write(entries)

        grouped = Grouped(written)
        with ThreadPoolExecutor(8) as pool:
            begun = pool.submit(grouped, entry(0))
            first.wait(10)
            others = [pool.submit(grouped, entry(number)) for number in range(1, 8)]
            while len(grouped._queue) < 7:
                threading.Event().wait(0.005)
            go.set()
            begun.result(10)
            self.failed = {str(number): one.exception(10) for number, one in enumerate(others, 1)}
            self.failed = {number: exc for number, exc in self.failed.items() if exc is not None}


@pytest.mark.parametrize("error", [ValueError("bad"), DatabaseUnavailableError("trail")])
def test_an_entry_that_is_not_taken_fails_alone(error):
    def write(entries):
        if any(one.caller == "3" for one in entries):
            raise error

    group = Group(write)
    assert group.failed == {"3": error}
    assert sorted(one for (one,) in group.tried[2:]) == [str(number) for number in range(1, 8)]


@pytest.mark.parametrize("whole", [True, False])
def test_a_database_that_takes_nothing_is_not_asked_for_each(whole):
    gone = DatabaseUnavailableError("gone")

    def write(entries):
        if entries[0].caller != "0":
            raise ValueError("bad") if len(entries) > 1 and not whole else gone

    group = Group(write)
    assert list(group.failed.values()) == [gone] * 7
    assert len(group.tried) == (2 if whole else 3)


def test_after_a_failure_the_next_is_written():
    answers = iter([OSError("full"), None])

    def write(_):
        if (found := next(answers)) is not None:
            raise found

    grouped = Grouped(write)
    with pytest.raises(OSError, match="full"):
        grouped(entry(1))
    grouped(entry(2))
