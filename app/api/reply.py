"""An answer in its plainest form: status, media type, body, further headers. Cheaper than a Response object."""

from __future__ import annotations

from typing import Final, NamedTuple

from starlette.responses import Response

JSON: Final = b"application/json"


class Reply(NamedTuple):
    """What is sent back; the middleware adds the headers that every answer carries."""

    status: int
    media_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def response(self) -> Response:
        """Return the same answer as a Starlette response, for places that want one."""
        answer = Response(self.body, self.status, media_type=self.media_type.decode())
        answer.raw_headers.extend(self.headers)
        return answer
