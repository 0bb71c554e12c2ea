"""Server-sent events that keep open status pages new: what changed, once a second, to a few viewers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

from daemon.page.document import live_parts
from daemon.page.sections import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from daemon.page.html import Html
    from daemon.view import StatusView

PATIENCE: Final = 10.0  # seconds a viewer may take to receive what it was sent


@dataclass(frozen=True, slots=True)
class Drawn:
    """A view's sections as they looked in one second."""

    view: StatusView
    second: int
    sections: Mapping[str, Html]


class LiveParts:
    """Draws the page's sections, and sends each viewer those that changed since it was last sent any.

    Every viewer has a loop of its own and holds up no other: one that does not read is dropped, and nothing
    is queued for it.
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
        self._drawing = asyncio.Lock()
        self._last: Drawn | None = None

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

    async def drawn(self) -> Drawn:
        """Return the newest view with its sections, drawn once for all who ask in the same second."""
        async with self._drawing:
            view, now = self._view(), self._clock()
            second = int(now.timestamp())
            if self._last is None or self._last.view is not view or self._last.second != second:
                sections = {}
                for name, (_, draw) in SECTIONS.items():
                    sections[name] = draw(view, now)
                    await asyncio.sleep(0)  # whatever else is due goes first: a page must not hold up a trade
                self._last = Drawn(view, second, sections)
            return self._last

    async def _stream(self, response: web.StreamResponse) -> None:
        sent: Mapping[str, str] = {}
        while not self._closing.is_set():
            drawn = await self.drawn()
            parts = live_parts(drawn.view, drawn.sections)
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
