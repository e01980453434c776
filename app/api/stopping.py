"""How the service ends: what it still takes, and when it cuts short what is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

# Where the server finds it, among what the application's lifespan hands over.
STATE: Final = "stopping"


class Stopping:
    """The end of the service in two steps, each told once by the server: `begin`, and `give_up` when time is short."""

    def __init__(self) -> None:
        self.has_begun = False
        self.gives_up = False
        self._told: list[Callable[[], None]] = []

    def when_given_up(self, call: Callable[[], None]) -> None:
        """Have something called when what is under way is to be cut short."""
        self._told.append(call)

    def start(self) -> None:
        """Begin anew: the service starts."""
        self.has_begun = self.gives_up = False

    def begin(self) -> None:
        """Be ready no more. What comes is still answered for a while, so that balancers may look elsewhere."""
        self.has_begun = True

    def give_up(self) -> None:
        """Cut short what can be taken back: the time to finish it is over."""
        self.has_begun = self.gives_up = True
        for call in self._told:
            call()
