"""The real web server on loopback, showing a view that a test can change while it runs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.metrics import Labels, Metrics
from daemon.view import Explanation, Health, StatusView
from daemon.web import WebServer, create_app
from tests.example_view import example, explanation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime


@dataclass
class Desk:
    """What the server shows, in a test's hands; its clock stands still unless told otherwise."""

    view: StatusView = field(default_factory=example)
    health: Health = field(default_factory=lambda: Health(live=True, ready=True))
    now: datetime | None = None

    def clock(self) -> datetime:
        return self.now or self.view.as_of

    async def explain(self, name: str) -> Explanation | None:
        told = explanation(self.view)
        return told if told.decision.id == name else None


@asynccontextmanager
async def serving(desk: Desk, *, port: int = 0, **options: Any) -> AsyncIterator[WebServer]:
    """Serve the desk until left, on a free port unless told which."""
    nothing = Labels(assets=(), symbols=(), outcomes=(), reasons=(), triggers=(), limits=(), order_ends=())
    metrics = Metrics(nothing, portfolio="core-ten", venue="okx", currency="USDT", version="0.1.0", config_hash="9f2c")
    app = create_app(lambda: desk.view, metrics, lambda: desk.health, desk.explain, clock=desk.clock, **options)
    server = WebServer(app, "127.0.0.1", port)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
