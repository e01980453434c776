"""What was asked for and is not installed. Light: the command line names it before anything of HTTP is loaded."""

from __future__ import annotations


class TracingMissingError(Exception):
    """Spans were asked for, and what makes them is not installed."""
