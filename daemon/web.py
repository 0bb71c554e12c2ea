"""The daemon's web server: the status page, its JSON, metrics and health. It only ever reads.

=====================  ===================================================================
`/`                    the status page
`/events`              what keeps it new (server-sent events)
`/decisions/ID`        one decision explained
`/status.json`         the status view as JSON; Decimals are strings
`/metrics`             Prometheus
`/live`                200 while the loop runs, else 503
`/ready`               200 while the daemon could trade, else 503; the problems as JSON
=====================  ===================================================================

A request must name the server by address, as localhost or by one of `hosts`: so a foreign site whose name is
made to point here (DNS rebinding) is not answered from an operator's browser.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from daemon.live import LiveParts
from daemon.page.document import decision_page, missing_page, status_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from aiohttp.typedefs import Handler, Middleware

    from daemon.metrics import Metrics
    from daemon.page.html import Html
    from daemon.view import Explanation, Health, StatusView

    Explain = Callable[[str], Awaitable[Explanation | None]]

CONTENT_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
WORTH_COMPRESSING: Final = 1024  # bytes
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


def create_app(
    view: Callable[[], StatusView],
    metrics: Metrics,
    health: Callable[[], Health],
    explain: Explain,
    *,
    hosts: Collection[str] = (),
    clock: Callable[[], datetime] = utc_now,
    period: float = 1.0,
    most_viewers: int = 32,
) -> web.Application:
    """Return the application; the callables are asked at each request and must answer at once.

    Args:
        view: the newest status view.
        metrics: what `/metrics` exposes.
        health: whether the loop runs and could trade.
        explain: tells a decision by its id, or None where there is no such decision.
        hosts: names, besides addresses and localhost, by which the server may be asked.
        clock: the present time, UTC.
        period: seconds between two looks for what changed on an open page.
        most_viewers: how many pages are kept new at once.
    """
    live = LiveParts(view, clock, period=period, most_viewers=most_viewers)

    async def status(_: web.Request) -> web.Response:
        drawn = await live.drawn()
        return page(status_page(drawn.view, drawn.sections))

    async def decision(request: web.Request) -> web.Response:
        name = request.match_info["id"]
        told = await explain(name)
        if told is None:
            return page(missing_page(f"There is no decision {name}.", view().instance), 404)
        return page(decision_page(told, view().instance, clock()))

    async def status_json(_: web.Request) -> web.Response:
        return json(view())

    async def exposition(_: web.Request) -> web.Response:
        return compressed(web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}))

    async def is_live(_: web.Request) -> web.Response:
        now = health()
        return json({"live": now.live}, 200 if now.live else 503)

    async def is_ready(_: web.Request) -> web.Response:
        now = health()
        return json({"ready": now.ready, "problems": now.problems}, 200 if now.ready else 503)

    async def stop_streams(_: web.Application) -> None:
        live.close()

    app = web.Application(middlewares=[only_known_hosts(hosts)])
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(stop_streams)
    app.router.add_get("/", status)
    app.router.add_get("/events", live.serve, allow_head=False)
    app.router.add_get("/decisions/{id:[A-Za-z0-9_.:-]{1,64}}", decision)
    app.router.add_get("/status.json", status_json)
    app.router.add_get("/metrics", exposition)
    app.router.add_get("/live", is_live)
    app.router.add_get("/ready", is_ready)
    for name in ("page.css", "page.js", "icon.svg"):
        app.router.add_get(f"/static/{name}", static_file(name))
    return app


class WebServer:
    """Serves an application on one address until stopped."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        self._host = host
        self._port = port

    async def start(self) -> None:
        """Bind and serve; `OSError` where the address is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """End every stream and connection; idempotent."""
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port it listens on, also where port 0 was asked for."""
        return int(self._runner.addresses[0][1])

    @property
    def url(self) -> str:
        """The status page's address."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/"


def page(markup: Html, status: int = 200) -> web.Response:
    """Return a page."""
    return compressed(web.Response(text=str(markup), content_type="text/html", status=status))


def json(value: object, status: int = 200) -> web.Response:
    """Return a value, dataclasses and Decimals included, as JSON."""
    body = orjson.dumps(value, default=plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z)
    return compressed(web.Response(body=body, content_type="application/json", status=status))


def plain(value: object) -> str:
    """Return a Decimal as text, so that not a digit is lost; for nothing else."""
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def compressed(response: web.Response) -> web.Response:
    """Have a response compressed where it is worth it and the client takes it."""
    if isinstance(response.body, bytes) and len(response.body) >= WORTH_COMPRESSING:
        response.enable_compression()
    return response


def static_file(name: str) -> Handler:
    """Return the handler of one of the page's own files, read once."""
    content = files("daemon.page").joinpath("static", name).read_bytes()
    tag = hashlib.blake2b(content, digest_size=12).hexdigest()
    kind = CONTENT_TYPES[name[name.rindex(".") :]]

    async def handler(request: web.Request) -> web.StreamResponse:
        if any(known.value == tag for known in request.if_none_match or ()):
            response = web.Response(status=304)
        else:
            response = compressed(web.Response(body=content, content_type=kind, charset="utf-8"))
        response.etag = tag
        response.headers["Cache-Control"] = "no-cache"
        return response

    return handler


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers to every answer; an answer's own come first."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def only_known_hosts(names: Collection[str]) -> Middleware:
    """Return the middleware that refuses requests to a foreign name with 421."""
    known = {"localhost", *(name.lower() for name in names)}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = (request.url.host or "").lower()
        if host not in known and not is_address(host):
            raise web.HTTPMisdirectedRequest(text="This server is not known by that name.")
        return await handler(request)

    return check


def is_address(host: str) -> bool:
    """Return whether a host is an IP address and not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
