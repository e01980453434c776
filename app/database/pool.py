"""The pool of connections, which knows how long was waited for one."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.database.database import Connections


class MeasuredPool(QueuePool):
    """A pool that counts. Several threads may count at once: a count that is lost now and then does no harm."""

    _handed_out = 0
    _waited = 0.0
    _timeouts = 0

    def told(self) -> Connections:
        """Tell of the connections."""
        return Connections(self.size(), self.checkedout(), self._handed_out, self._waited, self._timeouts)

    def _do_get(self) -> ConnectionPoolEntry:
        started = perf_counter()
        try:
            return super()._do_get()
        except NoConnectionError:
            self._timeouts += 1
            raise
        finally:
            self._handed_out += 1
            self._waited += perf_counter() - started

    def recreate(self) -> Any:  # noqa: ANN401  # QueuePool's signature, which says less
        """Make the pool that follows this one; it goes on counting."""
        following = super().recreate()
        if isinstance(following, MeasuredPool):
            following._handed_out, following._waited = self._handed_out, self._waited  # noqa: SLF001  # one of us
            following._timeouts = self._timeouts  # noqa: SLF001  # as above
        return following
