"""A hundred in a minute, the others counted."""

from app.security.audit.damper import Damper, Dampers


def test_a_hundred_in_a_minute_and_the_others_are_counted():
    damper = Damper()
    assert [damper.let_through(1000.0 + n / 10) for n in range(100)] == [0] * 100
    assert [damper.let_through(1010.0 + n) for n in range(7)] == [None] * 7
    assert damper.let_through(1060.0) == 7
    assert damper.let_through(1060.1) == 0


def test_each_name_has_its_own_hundred_and_its_own_count():
    dampers = Dampers()
    assert [dampers.let_through("a", 1000.0) for _ in range(107)] == [0] * 100 + [None] * 7
    assert dampers.let_through("b", 1000.0) == 0
    assert dampers.let_through("b", 1060.0) == 0
    assert dampers.let_through("a", 1060.0) == 7


def test_names_beyond_the_most_share_one_that_tells_no_count():
    dampers = Dampers(2)
    assert [dampers.let_through(name, 1000.0) for name in "ab"] == [0, 0]
    assert [dampers.let_through(name, 1001.0) for name in "cd" * 60] == [0] * 100 + [None] * 20
    assert dampers.let_through("a", 1002.0) == 0
    # The minutes of `b` and of what is shared are over: one comes into the place of `b`, and another tells no count.
    assert dampers.let_through("a", 1061.0) == 0
    assert [dampers.let_through(name, 1062.0) for name in "ce"] == [0, 0]
    assert list(dampers._by_name) == ["a", "c"]
