"""What a command refuses."""

from __future__ import annotations


class CommandRefusedError(Exception):
    """A command cannot do what it was asked; the text is for whoever typed it."""
