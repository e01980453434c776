"""How much one caller may ask for: a token bucket per caller, in the memory of this process.

Each replica counts for itself, so a caller of three replicas has three times the limit. A request costs one, a large
body one more for every 10 kB (a batch of 100,000 rows is not one dose), an analysis, a picture or an export ten. A
request is taken while anything is left; what it costs beyond that is owed, up to one full bucket, and waited for.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from math import ceil
from time import monotonic
from typing import Final, NamedTuple

from app.api.context import RequestContext, Scope
from app.api.kinds import RATE_LIMITED
from app.api.problems import ProblemError
from app.security.caller import LOCAL, NOBODY, UNSURE

WINDOW_SECONDS: Final = 60
_MOST_CALLERS: Final = 10_000
_BYTES_OF_ONE: Final = 10_000
_HEAVY: Final = 10
_HEAVY_PARTS: Final = ("/analysis", "/figures/", "/report", "/export", "/rederive")
_COHORTS: Final = "/v1/cohorts/"
# Asked by balancers and monitors, who must hear the truth however often they ask.
_FREE: Final = frozenset({"/livez", "/readyz", "/metrics", "/version"})
_OTHERS: Final = "others"
_IPV6_SITE: Final = 64


class Standing(NamedTuple):
    """What a caller has left after a request, and in how many seconds all of it is back."""

    left: int
    whole_in: int


# Callers that are no one in particular: told apart by where they call from.
_NOBODYS: Final = (LOCAL, UNSURE, NOBODY)


class RateLimit:
    """Counts what callers ask for. Used on the event loop alone."""

    def __init__(
        self, per_minute: int, *, most_callers: int = _MOST_CALLERS, clock: Callable[[], float] = monotonic
    ) -> None:
        self.refused = 0
        self._quota = float(per_minute)
        self._rate = per_minute / WINDOW_SECONDS
        self._most = most_callers
        self._clock = clock
        self._policy = (b"ratelimit-policy", b'"default";q=%d;w=%d' % (per_minute, WINDOW_SECONDS))
        # What is left, and when that was so; those who asked last stand last.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @property
    def callers(self) -> int:
        """How many callers are remembered."""
        return len(self._buckets)

    def admit(self, scope: Scope, context: RequestContext) -> list[tuple[bytes, bytes]]:
        """Count a request and return the headers that tell of it, or raise the 429 (which carries them, too)."""
        if context.path in _FREE:
            return []
        key = caller_of(scope, context)
        cost = cost_of(scope["method"], context)
        standing = self.spend(key, cost)
        if standing is None:
            self.refused += 1
            raise self._refusal(key)
        return [self._policy, (b"ratelimit", b'"default";r=%d;t=%d' % standing)]

    def spend(self, key: str, cost: float) -> Standing | None:
        """Take what a request costs; None when the caller has nothing left."""
        now = self._clock()
        key, left = self._found(key, now)
        if left < 1:
            return None
        left -= min(cost, self._quota)
        self._buckets[key] = left, now
        self._buckets.move_to_end(key)
        return Standing(max(int(left), 0), ceil((self._quota - left) / self._rate))

    def charge(self, scope: Scope, context: RequestContext, size: int) -> None:
        """Take what a body costs that had not said how large it is."""
        key, left = self._found(caller_of(scope, context), now := self._clock())
        self._buckets[key] = max(left - size / _BYTES_OF_ONE, -self._quota), now

    def _found(self, key: str, now: float) -> tuple[str, float]:
        """Return under which key a caller is counted, and what is left now."""
        bucket = self._buckets.get(key)
        if bucket is None and len(self._buckets) >= self._most and not self._forget(now):
            # Everybody who is remembered still owes something: newcomers share one bucket, and memory stays bounded.
            key, bucket = _OTHERS, self._buckets.get(_OTHERS)
        if bucket is None:
            return key, self._quota
        left, then = bucket
        return key, min(self._quota, left + (now - then) * self._rate)

    def _forget(self, now: float) -> bool:
        """Forget the caller who asked longest ago, if the bucket is whole again, so that nothing is forgiven."""
        key = next(iter(self._buckets))
        left, then = self._buckets[key]
        if left + (now - then) * self._rate < self._quota:
            return False
        del self._buckets[key]
        return True

    def _refusal(self, key: str) -> ProblemError:
        _, left = self._found(key, self._clock())
        wait = max(1, ceil((1 - left) / self._rate))
        headers = {
            "Retry-After": str(wait),
            "RateLimit-Policy": self._policy[1].decode(),
            "RateLimit": f'"default";r=0;t={ceil((self._quota - left) / self._rate)}',
        }
        detail = f"More was asked for than {self._quota:g} requests in {WINDOW_SECONDS} seconds. Nothing was begun."
        return ProblemError(RATE_LIMITED, detail, headers=headers)


def cost_of(method: str, context: RequestContext) -> float:
    """Return what a request costs, as far as its head tells."""
    length = context.headers.get(b"content-length")
    cost = 1.0 if length is None or not length.isdigit() else 1.0 + int(length) // _BYTES_OF_ONE
    path = context.path
    if path.startswith(_COHORTS) and method != "HEAD" and any(part in path for part in _HEAVY_PARTS):
        return cost + _HEAVY - 1
    return cost


def caller_of(scope: Scope, context: RequestContext) -> str:
    """Return who is counted: the authenticated caller, or else the client's address."""
    if context.caller not in _NOBODYS:
        return f"caller {context.caller.id}"
    client = scope.get("client")
    return _site(client[0]) if client else _OTHERS


@lru_cache(maxsize=4_096)
def _site(address: str) -> str:
    """Return an address; of IPv6 the network, because one site has as many addresses as it likes."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return _OTHERS
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, _IPV6_SITE), strict=False))  # noqa: PLR2004  # the version of IP
