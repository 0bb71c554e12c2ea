"""A server that speaks just enough OKX to be misused: each test scripts what it answers, to the byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web

from exchanges.ccxt_client import Credentials
from exchanges.ccxt_venue import CcxtVenue

KEY = Credentials("key-of-the-test", "secret-of-the-test", "passphrase-of-the-test")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Socket = Callable[[web.WebSocketResponse, str], Awaitable[None]]


def instrument(inst_id: str) -> dict[str, str]:
    base, quote, *swap = inst_id.split("-")
    return {
        "instId": inst_id,
        "instType": "SWAP" if swap else "SPOT",
        "baseCcy": "" if swap else base,
        "quoteCcy": "" if swap else quote,
        "settleCcy": quote if swap else "",
        "uly": f"{base}-{quote}" if swap else "",
        "ctVal": "0.01" if swap else "",
        "lotSz": "0.01" if swap else "0.00001",
        "minSz": "0.01" if swap else "0.0001",
        "tickSz": "0.1",
        "state": "live",
        "lever": "10",
        "ctType": "linear" if swap else "",
    }


def answer(data: Any, code: str = "0") -> web.Response:
    return web.json_response({"code": code, "msg": "", "data": data})


def bbo(inst_id: str, bid: str, ask: str, time: int = 1_700_000_000_000) -> str:
    row = {"bids": [[bid, "2", "0", "1"]], "asks": [[ask, "3", "0", "1"]], "ts": str(time), "seqId": 1}
    return json.dumps({"arg": {"channel": "bbo-tbt", "instId": inst_id}, "data": [row]})


class ScriptedOkx:
    """Answers `load_markets` and the clock; everything else is what `rest` and `socket` are set to."""

    def __init__(self) -> None:
        self.rest: dict[str, Handler] = {}
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.sockets: list[web.WebSocketResponse] = []
        self.subscribed = asyncio.Event()
        self.on_text: Socket = self.confirm
        self.url = ""

    async def confirm(self, socket: web.WebSocketResponse, text: str) -> None:
        """Answer pings, logins and subscriptions as OKX does."""
        if text == "ping":
            await socket.send_str("pong")
            return
        message = json.loads(text)
        if message["op"] == "login":
            await socket.send_json({"event": "login", "code": "0", "msg": ""})
        else:
            for arg in message["args"]:
                await socket.send_json({"event": "subscribe", "arg": arg})
            self.subscribed.set()

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/api/v5/")
        if path == "public/instruments":
            swap = request.query["instType"] == "SWAP"
            ids = ["BTC-USDT-SWAP"] if swap else ["BTC-USDT", "ETH-USDT"]
            return answer([instrument(inst_id) for inst_id in ids])
        if path == "asset/currencies":
            return answer([])
        if path == "public/time":
            return answer([{"ts": str(round(asyncio.get_running_loop().time() * 1000))}])
        if request.can_read_body:
            self.bodies.append(await request.json())
            self.headers.append(dict(request.headers))
        return await self.rest[path](request)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self.sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self.on_text(socket, message.data)
        return socket

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[ScriptedOkx]:
        app = web.Application()
        app.router.add_get("/ws/v5/{tail}", self._socket)
        app.router.add_route("*", "/api/v5/{tail:.*}", self._rest)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            for socket in self.sockets:
                await socket.close()
            await runner.cleanup()

    @property
    def urls(self) -> dict[str, str]:
        """The addresses, as `CcxtVenue` takes them."""
        return {"rest": f"http://{self.url}", "ws": f"ws://{self.url}/ws/v5"}

    @contextlib.asynccontextmanager
    async def venue(self, **settings: Any) -> AsyncIterator[CcxtVenue]:
        venue = CcxtVenue("okx", KEY, urls=self.urls, **{"timeout": 1.0, **settings})
        try:
            await venue.load_markets()
            yield venue
        finally:
            await venue.close()
