"""The live tests that ccxt ships in its own wheel, unmodified, against the simulated exchange.

Every file of `ccxt/test/exchange/async` and `ccxt/pro/test/Exchange` stands in exactly one of the tables below: it is
run, or ccxt's own `has` says that its OKX client does not support the method, or it is itself broken, with the reason.
A skipped property is ccxt's own means for what an exchange's client leaves out; its name is given with the reason.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ccxt
import ccxt.pro
import pytest
import pytest_asyncio

from tests.system.simulator import admin, connected, simulated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import ModuleType

    from exchanges.simulator.serve import RunningExchange

PACKAGE = Path(ccxt.__file__).parent
REST_TESTS = PACKAGE / "test" / "exchange" / "async"
STREAM_TESTS = PACKAGE / "pro" / "test" / "Exchange"
SYMBOLS = {"spot": "BTC/USDT", "swap": "BTC/USDT:USDT"}
BOTH = ("spot", "swap")
STREAMED = 40.0
"""Seconds that a stream's test may take; each watches for 15."""


@dataclass(frozen=True)
class Live:
    """A test that is run: for which markets, with which properties skipped, and for which client."""

    kinds: tuple[str, ...] = ("spot",)
    skipped: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


def only(kind: str) -> dict[str, Any]:
    """Return the configuration of a client that knows one kind of market."""
    return {"options": {"defaultType": kind, "fetchMarkets": {"types": [kind]}}}


MOVEMENTS = {"updated": "OKX tells one time of a deposit or a withdrawal"}

REST: Mapping[str, Live] = {
    "after_construct": Live(),
    "features": Live(),
    # The simulated exchange lists no dated futures and no options.
    "load_markets": Live(config={"has": {"future": False, "option": False}}),
    "fetch_accounts": Live(),
    "fetch_balance": Live(),
    "fetch_borrow_interest": Live(BOTH),
    "fetch_closed_orders": Live(BOTH),
    "fetch_currencies": Live(),
    "fetch_deposits": Live(skipped=MOVEMENTS),
    "fetch_withdrawals": Live(skipped=MOVEMENTS),
    "fetch_funding_rate_history": Live(("swap",)),
    "fetch_l2_order_book": Live(BOTH),
    "fetch_ledger": Live(
        skipped={
            "account": "ccxt's OKX parser leaves it empty",
            "amount": "ccxt's OKX parser gives it OKX's sign",
        }
    ),
    "fetch_market_leverage_tiers": Live(("swap",)),
    "fetch_my_trades": Live(BOTH),
    "fetch_ohlcv": Live(BOTH),
    "fetch_open_interest_history": Live(("swap",)),
    "fetch_open_orders": Live(BOTH),
    "fetch_order_book": Live(BOTH),
    "fetch_positions": Live(("swap",)),
    "fetch_status": Live(),
    "fetch_ticker": Live(BOTH),
    # Without symbols OKX's client asks for one kind of market, and the test wants a ticker of every market.
    "fetch_tickers": Live(config=only("spot")),
    "fetch_trades": Live(BOTH),
    "fetch_trading_fee": Live(BOTH),
    "fetch_transfers": Live(skipped={"status": "OKX's bills, which ccxt reads here, have no status"}),
}

STREAMS: Mapping[str, Live] = {
    "watch_balance": Live(),
    "watch_bids_asks": Live(BOTH),
    "watch_my_trades": Live(BOTH),
    "watch_ohlcv": Live(BOTH),
    "watch_ohlcv_for_symbols": Live(BOTH),
    "watch_order_book": Live(BOTH),
    "watch_order_book_for_symbols": Live(BOTH),
    "watch_orders": Live(BOTH),
    "watch_positions": Live(("swap",)),
    "watch_ticker": Live(BOTH),
    "watch_tickers": Live(BOTH),
    "watch_trades": Live(BOTH),
    "watch_trades_for_symbols": Live(BOTH),
}

# Not supported by ccxt's OKX client, by the method's name in its `has`.
UNSUPPORTED: Mapping[str, str] = {
    "fetch_deposit_withdrawals": "fetchDepositsWithdrawals",
    "fetch_last_prices": "fetchLastPrices",
    "fetch_ledger_entry": "fetchLedgerEntry",
    "fetch_leverage_tiers": "fetchLeverageTiers",
    "fetch_liquidations": "fetchLiquidations",
    "fetch_margin_mode": "fetchMarginMode",
    "fetch_margin_modes": "fetchMarginModes",
    "fetch_my_liquidations": "fetchMyLiquidations",
    "fetch_order_books": "fetchOrderBooks",
    "fetch_orders": "fetchOrders",
    "fetch_trading_fees": "fetchTradingFees",
    "fetch_transaction_fees": "fetchTransactionFees",
    "sign_in": "signIn",
    "un_watch_positions": "unWatchPositions",
    "watch_position": "watchPosition",
}

# Broken in ccxt 4.5.90 whatever the exchange: what is raised, and why.
BROKEN: Mapping[str, tuple[type[Exception], str]] = {
    "create_order": (TypeError, "concatenates a balance, which is a number, to text"),
    "fetch_markets": (AssertionError, "wants a dictionary, and fetch_markets returns a list by its own signature"),
    "watch_liquidations": (NameError, "uses the module time without importing it"),
    "watch_liquidations_for_symbols": (NameError, "uses the module time without importing it"),
}

# Not about an exchange at all.
ELSEWHERE: Mapping[str, str] = {"proxies": "talks to proxy servers on the internet"}


def files() -> dict[str, Path]:
    """Return every live test of the wheel by its name."""
    found = [*REST_TESTS.glob("test_*.py"), *STREAM_TESTS.glob("test_*.py")]
    return {path.stem.removeprefix("test_"): path for path in found}


def load(name: str) -> Any:
    """Return the test function of a file."""
    path = files()[name]
    spec = importlib.util.spec_from_file_location(f"ccxt_live_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, f"test_{name}")


async def run(name: str, client: Any, symbol: str, skipped: Mapping[str, str]) -> None:
    """Call a live test with the arguments that ccxt's own runner would give it."""
    function = load(name)
    known = {
        "exchange": client,
        "skipped_properties": dict(skipped),
        "symbol": symbol,
        "symbols": [symbol],
        "code": "USDT",
    }
    await function(*(known[parameter] for parameter in inspect.signature(function).parameters))


async def live_account(client: Any, exchange: RunningExchange) -> None:
    """Give the account something of everything: fills, an open order, a canceled one, money in and out."""
    for kind, symbol in SYMBOLS.items():
        sized = {"tgtCcy": "base_ccy"} if kind == "spot" else {}
        await client.create_order(symbol, "market", "buy", 0.01 if kind == "spot" else 1, None, sized)
        price = client.price_to_precision(symbol, (await client.fetch_ticker(symbol))["bid"] * 0.97)
        amount = 0.01 if kind == "spot" else 1
        await client.create_order(symbol, "limit", "buy", amount, price)
        canceled = await client.create_order(symbol, "limit", "buy", amount, price)
        await client.cancel_order(canceled["id"], symbol)
    await client.transfer("USDT", 100, "trading", "funding")
    await admin(exchange, "POST", "/deposit", {"currency": "USDT", "amount": "50"})
    await admin(exchange, "POST", "/withdraw", {"currency": "USDT", "amount": "20"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def busy() -> AsyncIterator[RunningExchange]:
    """Give one exchange, with an account that has lived, for all tests of this file."""
    async with (
        simulated(
            markets=("BTC", "ETH"), balances={"USDT": Decimal(100_000)}, trades_per_second=5.0, history=400
        ) as exchange,
        connected(exchange) as client,
    ):
        await live_account(client, exchange)
        yield exchange


def test_every_live_test_of_the_wheel_is_listed_once() -> None:
    tables = [REST, STREAMS, UNSUPPORTED, BROKEN, ELSEWHERE]
    listed = [name for table in tables for name in table]
    assert sorted(listed) == sorted(files())


@pytest.mark.parametrize(("name", "method"), UNSUPPORTED.items())
def test_what_is_not_run_is_unsupported_by_ccxt(name: str, method: str) -> None:
    assert name in files()
    assert not ccxt.pro.okx().has.get(method)


CASES = [(name, kind) for name, live in REST.items() for kind in live.kinds]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}-{kind}" for name, kind in CASES])
async def test_live_test(busy: RunningExchange, name: str, kind: str) -> None:
    live = REST[name]
    if name == "fetch_balance":
        await balance_of_round_numbers(live)
        return
    async with connected(busy, **live.config) as client:
        await run(name, client, SYMBOLS[kind], live.skipped)


async def balance_of_round_numbers(live: Live) -> None:
    """Run the test of balances where money has few decimals.

    It adds floating-point numbers up as if they were exact, so it fails on any margin with a dozen decimals.
    """
    async with simulated(markets=("BTC",), history=400) as exchange, connected(exchange) as client:
        price = client.price_to_precision("BTC/USDT", (await client.fetch_ticker("BTC/USDT"))["bid"] * 0.97)
        await client.create_order("BTC/USDT", "limit", "buy", 1, price)
        await run("fetch_balance", client, "BTC/USDT", live.skipped)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_live_test_is_broken_as_said(busy: RunningExchange, name: str) -> None:
    async with connected(busy) as client:
        with pytest.raises(BROKEN[name][0]):
            await run(name, client, SYMBOLS["swap"], {})


async def trade_on(client: Any, kinds: tuple[str, ...]) -> None:
    """Trade without end, so that private streams have something to tell; a position never closes."""
    number = 0
    while True:
        number += 1
        side = "buy" if number % 2 else "sell"
        if "spot" in kinds:
            await client.create_order("BTC/USDT", "market", side, 0.01, None, {"tgtCcy": "base_ccy"})
        if "swap" in kinds:
            await client.create_order("BTC/USDT:USDT", "market", side, 0.1 if side == "sell" else 0.2)
        await asyncio.sleep(0.4)


async def test_live_tests_of_streams() -> None:
    """All at once, each on a client of its own, as each takes 15 seconds."""
    failures: dict[str, str] = {}

    async def attempt(exchange: RunningExchange, name: str, kind: str) -> None:
        async with connected(exchange) as client:
            try:
                async with asyncio.timeout(STREAMED):
                    await run(name, client, SYMBOLS[kind], STREAMS[name].skipped)
            except Exception as error:  # noqa: BLE001 - every failure of a foreign test is gathered and shown
                failures[f"{name} {kind}"] = f"{type(error).__name__}: {error}"[:500]

    async def attempt_all(names: list[str], kinds: tuple[str, ...]) -> None:
        balances = {"USDT": Decimal(1_000_000), "BTC": Decimal(1)}
        async with (
            simulated(markets=("BTC", "ETH"), balances=balances, trades_per_second=5.0, history=400) as exchange,
            connected(exchange) as client,
        ):
            trading = asyncio.create_task(trade_on(client, kinds))
            cases = [(name, kind) for name in names for kind in STREAMS[name].kinds]
            await asyncio.gather(*(attempt(exchange, name, kind) for name, kind in cases))
            assert not trading.done(), trading.exception()
            trading.cancel()

    # A balance is looked at where money has few decimals: see `balance_of_round_numbers`.
    others = [name for name in STREAMS if name != "watch_balance"]
    await asyncio.gather(attempt_all(others, BOTH), attempt_all(["watch_balance"], ("spot",)))
    assert failures == {}
