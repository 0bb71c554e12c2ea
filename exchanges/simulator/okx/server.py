"""The web application: every path of the REST API, and the three WebSocket endpoints."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiohttp import web

from exchanges.simulator.okx.hub import Hub
from exchanges.simulator.okx.rest import RestApi
from exchanges.simulator.okx.session import Session

if TYPE_CHECKING:
    from exchanges.simulator.okx.face import Face

SOCKETS = ("public", "private", "business")
MOST_BODY = 2**20


class OkxServer:
    """The face on a socket of its own."""

    def __init__(self, face: Face) -> None:
        self.hub = Hub(face)
        self._face = face
        self._closing = asyncio.Event()
        self._rest = RestApi(face, self.hub.settle, self._closing)
        self._sessions: set[Session] = set()

    def application(self) -> web.Application:
        """Return the application to be served."""
        app = web.Application(client_max_size=MOST_BODY)
        app.router.add_route("*", "/api/v5/{tail:.*}", self._rest.handle)
        for path in SOCKETS:
            app.router.add_get(f"/ws/v5/{path}", self._socket)
        app.on_shutdown.append(self._close)
        return app

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        session = Session(self._face, self.hub, request.path.rpartition("/")[2], self.hub.connection_id())
        self._sessions.add(session)
        try:
            return await session.run(request)
        finally:
            self._sessions.discard(session)

    async def _close(self, app: web.Application) -> None:
        del app
        self._closing.set()
        for session in list(self._sessions):
            with contextlib.suppress(ConnectionError, RuntimeError):
                await session.finish()
