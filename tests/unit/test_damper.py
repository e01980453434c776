"""A hundred in a minute, the others counted."""

from app.security.audit.damper import Damper


def test_a_hundred_in_a_minute_and_the_others_are_counted():
    damper = Damper()
    assert [damper.let_through(1000.0 + n / 10) for n in range(100)] == [0] * 100
    assert [damper.let_through(1010.0 + n) for n in range(7)] == [None] * 7
    assert damper.let_through(1060.0) == 7
    assert damper.let_through(1060.1) == 0
