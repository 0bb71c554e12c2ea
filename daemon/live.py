"""Server-sent events that keep open status pages new: what changed, once a second, to a few viewers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

from daemon.page.document import live_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from daemon.view import StatusView

PATIENCE: Final = 10.0  # seconds a viewer may take to receive what it was sent


class LiveParts:
    """Sends each viewer the parts of the page that changed since it was last sent any.

    Every viewer has a loop of its own and holds up no other: one that does not read is dropped, and nothing
    is queued for it. The page is drawn once for all of them.
    """

    def __init__(
        self,
        view: Callable[[], StatusView],
        clock: Callable[[], datetime],
        *,
        period: float = 1.0,
        most_viewers: int = 32,
    ) -> None:
        self._view = view
        self._clock = clock
        self._period = period
        self._most_viewers = most_viewers
        self._viewers = 0
        self._closing = asyncio.Event()
        self._drawn: tuple[StatusView, int, Mapping[str, str]] | None = None

    @property
    def viewers(self) -> int:
        """How many pages are being kept new."""
        return self._viewers

    def close(self) -> None:
        """End every viewer's stream at once."""
        self._closing.set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Stream to one viewer until it leaves or the server stops; 503 when there are too many."""
        if self._viewers >= self._most_viewers:
            return web.Response(status=503, text="Too many viewers.", headers={"Retry-After": "10"})
        self._viewers += 1
        try:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
            await response.prepare(request)
            await self._stream(response)
        except ConnectionError:
            pass  # the viewer left: there is nobody to tell
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()  # or what it did not read would be kept for it
        finally:
            self._viewers -= 1
        return response

    async def _stream(self, response: web.StreamResponse) -> None:
        sent: Mapping[str, str] = {}
        while not self._closing.is_set():
            parts = self._parts()
            changed = {name: markup for name, markup in parts.items() if sent.get(name) != markup}
            event = b"parts" if changed else b"beat"
            async with asyncio.timeout(PATIENCE):
                await response.write(b"event: %b\ndata: %b\n\n" % (event, orjson.dumps(changed)))
            sent = parts
            try:
                async with asyncio.timeout(self._period):
                    await self._closing.wait()
            except TimeoutError:
                continue

    def _parts(self) -> Mapping[str, str]:
        view, now = self._view(), self._clock()
        second = int(now.timestamp())
        if self._drawn is None or self._drawn[0] is not view or self._drawn[1] != second:
            self._drawn = view, second, live_parts(view, now)
        return self._drawn[2]
