"""OKX's API without a client library: signed requests and a WebSocket, to see what is really on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from exchanges.simulator.okx.auth import LOGIN_PATH, sign

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from exchanges.simulator.serve import RunningExchange

PATIENCE = 5.0


class Wire:
    """One HTTP session at a simulated exchange."""

    def __init__(self, exchange: RunningExchange, session: aiohttp.ClientSession) -> None:
        self.exchange = exchange
        self.session = session

    def headers(self, method: str, target: str, body: str, **changed: str) -> dict[str, str]:
        """Return a signed request's headers; `changed` ones replace them, after signing."""
        credentials = self.exchange.credentials
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "OK-ACCESS-KEY": credentials.api_key,
            "OK-ACCESS-PASSPHRASE": credentials.passphrase,
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-SIGN": sign(credentials.secret, f"{stamp}{method}{target}{body}"),
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in changed.items()},
        }

    async def send(
        self, method: str, target: str, body: Any = None, *, seconds: float = PATIENCE, **changed: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """Return status, bytes and headers of the answer."""
        text = "" if body is None else body if isinstance(body, str) else orjson.dumps(body).decode()
        async with self.session.request(
            method,
            self.exchange.rest + target,
            data=text or None,
            headers=self.headers(method, target, text, **changed),
            timeout=aiohttp.ClientTimeout(total=seconds),
        ) as response:
            return response.status, await response.read(), dict(response.headers)

    async def get(self, target: str) -> Any:
        """Return the answer to a signed GET."""
        return orjson.loads((await self.send("GET", target))[1])

    async def post(self, target: str, body: Any, **changed: str) -> Any:
        """Return the answer to a signed POST."""
        return orjson.loads((await self.send("POST", target, body, seconds=PATIENCE, **changed))[1])

    async def order(self, **fields: Any) -> Any:
        """Place one order and return its row."""
        base = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.01"}
        answer = await self.post("/api/v5/trade/order", base | fields)
        return answer["data"][0] if answer["data"] else {"sCode": answer["code"], "sMsg": answer["msg"]}


@contextlib.asynccontextmanager
async def wired(exchange: RunningExchange) -> AsyncIterator[Wire]:
    """Open an HTTP session for the length of a block."""
    async with aiohttp.ClientSession() as session:
        yield Wire(exchange, session)


class Socket:
    """A WebSocket whose messages are kept in the order they came."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, exchange: RunningExchange) -> None:
        self.socket = socket
        self.exchange = exchange

    async def next(self, seconds: float = PATIENCE) -> Any:
        """Return the next message, parsed where it is JSON; None at the end of the connection."""
        message = await self.socket.receive(seconds)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(message.data)
        return message.data

    async def until(self, condition: Callable[[Any], bool], seconds: float = PATIENCE) -> Any:
        """Return the next message that meets a condition."""
        async with asyncio.timeout(seconds):
            while True:
                message = await self.next(seconds)
                assert message is not None, "the connection ended"
                if condition(message):
                    return message

    async def silence(self, seconds: float, most: int = 100) -> bool:
        """Return whether the stream falls silent for so long, after what is still on its way."""
        for _ in range(most):
            try:
                await self.next(seconds)
            except TimeoutError:
                return True
        return False

    async def ask(self, **message: Any) -> Any:
        """Send a request and return the next answer that is no push."""
        await self.socket.send_str(orjson.dumps(message).decode())
        return await self.until(lambda m: isinstance(m, dict) and ("data" not in m or "op" in m))

    async def subscribe(self, **arg: str) -> Any:
        """Subscribe to one channel and return the acknowledgement."""
        return await self.ask(op="subscribe", args=[arg])

    async def login(self, **changed: str) -> Any:
        """Log in and return the answer."""
        credentials, stamp = self.exchange.credentials, str(int(time.time()))
        arg = {
            "apiKey": credentials.api_key,
            "passphrase": credentials.passphrase,
            "timestamp": stamp,
            "sign": sign(credentials.secret, f"{stamp}GET{LOGIN_PATH}"),
        }
        return await self.ask(op="login", args=[arg | changed])


@contextlib.asynccontextmanager
async def socket_to(exchange: RunningExchange, path: str, *, login: bool = False) -> AsyncIterator[Socket]:
    """Open a WebSocket to `public`, `private` or `business` for the length of a block."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{exchange.ws}/{path}") as connection,
    ):
        socket = Socket(connection, exchange)
        if login:
            assert (await socket.login())["code"] == "0"
        yield socket
