"""A simulated exchange in process, and clients that cannot but talk to it: fixtures for every test that needs one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import ccxt.pro
import pytest_asyncio

from exchanges.simulator.assembly import ServeOptions
from exchanges.simulator.serve import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from exchanges.simulator.serve import RunningExchange

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def leaves(value: Any) -> Iterator[str]:
    """Yield every text in nested dictionaries."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, str):
        yield value


def assert_loopback(client: Any) -> None:
    """Fail if a ccxt client knows an API address that is not on this machine."""
    addresses = list(leaves(client.urls["api"]))
    assert addresses
    assert {urlsplit(address).hostname for address in addresses} <= LOOPBACK


def ccxt_client(exchange: RunningExchange, **config: Any) -> Any:
    """Return an unmodified `ccxt.pro.okx` pointed at a simulated exchange."""
    credentials = exchange.credentials
    client = ccxt.pro.okx(
        {
            "apiKey": credentials.api_key,
            "secret": credentials.secret,
            "password": credentials.passphrase,
            "urls": {"api": {"rest": exchange.rest, "ws": exchange.ws}},
            "enableRateLimit": False,
            **config,
        }
    )
    assert_loopback(client)
    return client


@contextlib.asynccontextmanager
async def simulated(**options: Any) -> AsyncIterator[RunningExchange]:
    """Run a simulated exchange for the length of a block."""
    async with await serve(ServeOptions(**options)) as running:
        yield running


@contextlib.asynccontextmanager
async def connected(exchange: RunningExchange, **config: Any) -> AsyncIterator[Any]:
    """Give a ccxt client with markets loaded for the length of a block."""
    client = ccxt_client(exchange, **config)
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


async def admin(exchange: RunningExchange, method: str, path: str, body: Any = None) -> Any:
    """Send a command to the admin endpoint and return its answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, exchange.admin + path, json=body) as response,
    ):
        answer = await response.json()
        assert response.status == 200, answer
        return answer


@pytest_asyncio.fixture
async def exchange() -> AsyncIterator[RunningExchange]:
    """Give a simulated exchange with three coins and a little history."""
    async with simulated(markets=("BTC", "ETH", "SOL"), update_rate=50.0, history=300) as running:
        yield running


@pytest_asyncio.fixture
async def okx(exchange: RunningExchange) -> AsyncIterator[Any]:
    """Give a ccxt client of it with markets loaded."""
    async with connected(exchange) as client:
        yield client
