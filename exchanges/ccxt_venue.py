"""`Venue` over any exchange that ccxt knows: spot and linear swaps of one account.

What differs from venue to venue stands in `venue_traits`; ccxt's structures become the port's in
`ccxt_convert`, its exceptions in `classify`, its lists whole in `ccxt_lists`, its streams events in
`ccxt_account`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from exchanges import ccxt_convert as convert
from exchanges import ccxt_create, ccxt_lists
from exchanges.ccxt_account import Confirmations, account_events
from exchanges.ccxt_client import Credentials, call, make_client
from exchanges.ccxt_guards import guard_loop
from exchanges.classify import Action, Trace
from exchanges.client_ids import encode
from exchanges.errors import Rejected, Unavailable, VenueError
from exchanges.port import (
    AccountEvent,
    Acknowledgement,
    Balance,
    Bar,
    Capability,
    CashFlow,
    ClockOffset,
    Fill,
    Funding,
    Market,
    OrderReport,
    OrderRequest,
    Position,
    Quote,
)
from exchanges.venue_traits import traits_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from decimal import Decimal

Result = TypeVar("Result")

_CLOCK_LOOKS = 3


def _utcnow() -> datetime:
    return datetime.now(UTC)


class CcxtVenue:
    """One account at one exchange. Implements `exchanges.port.Venue`."""

    def __init__(  # noqa: PLR0913  # settings by keyword, each with its default
        self,
        exchange_id: str,
        credentials: Credentials | None = None,
        *,
        name: str | None = None,
        symbols: Sequence[str] = (),
        urls: Mapping[str, Any] | None = None,
        timeout: float = 5.0,
        deadline: float = 5.0,
        keep_alive: float = 5.0,
        options: Mapping[str, Any] | None = None,
        utcnow: Callable[[], datetime] = _utcnow,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the client up; nothing is sent before `open`.

        Args:
            exchange_id: ccxt's id, e.g. "okx".
            credentials: None for public data alone.
            name: what the venue is called in fills and reports; the exchange id if None.
            symbols: the markets traded here, for venues that list orders and fills per market only.
            urls: replaces entries of ccxt's `urls["api"]`, to reach a simulated exchange.
            timeout: seconds until a request counts as unanswered.
            deadline: seconds after which the venue shall not accept an order any more, where it honours one.
            keep_alive: seconds between pings of a stream.
            options: ccxt options on top of ours.
            utcnow: the wall clock.
            monotonic: the clock of ages.
        """
        self.exchange_id = exchange_id
        self.name = name or exchange_id
        self.symbols = tuple(symbols)
        self.traits = traits_of(exchange_id)
        self.client = make_client(
            exchange_id,
            credentials,
            urls=urls,
            timeout=timeout,
            keep_alive=keep_alive,
            options=options,
        )
        self.capabilities = self._capabilities()
        self.confirmations = Confirmations(self.client)
        self.utcnow = utcnow
        self.monotonic = monotonic
        self._timeout = timeout
        self._deadline = deadline
        self._authenticated = credentials is not None
        self._markets: dict[str, Market] = {}
        self._offset = ClockOffset(0.0, float("inf"))
        self._unguard: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"CcxtVenue({self.exchange_id!r}, name={self.name!r})"

    @property
    def markets(self) -> Mapping[str, Market]:
        """The markets by unified symbol, as of the last `load_markets`."""
        return self._markets

    @property
    def batch_limit(self) -> int:
        """How many orders one `create_orders` may carry."""
        return self.traits.batch

    @property
    def request_lifetime(self) -> float:
        """Seconds after which a request that was sent can no longer be accepted by the venue."""
        if self.traits.deadline == "header" and self._offset.uncertainty < self._deadline:
            return self._deadline + self._offset.uncertainty + 1.0
        return max(self._timeout, self.traits.signed_window) + 1.0

    async def open(self) -> None:
        """Load markets and account configuration, and check the key.

        Raises:
            VenueError: the venue is not reachable, the key is refused, or the account holds longs and shorts
            apart.
        """
        if self._unguard is None:
            self._unguard = guard_loop(asyncio.get_running_loop(), self.client)
        await self.load_markets()
        await self.measure_clock()
        if self._authenticated:
            await self.fetch_balances()
            if self.exchange_id == "okx":
                mode = await self._read(
                    self.client.privateGetAccountConfig(),
                    lambda answer: answer["data"][0]["posMode"],
                )
                if mode != "net_mode":
                    raise Rejected("the account keeps longs and shorts apart: set it to net mode", venue=self.name)

    async def close(self) -> None:
        """Close every connection; idempotent."""
        await self.client.close()
        if self._unguard is not None:
            self._unguard()
            self._unguard = None

    async def load_markets(self) -> Mapping[str, Market]:
        """Fetch the markets and their rules anew; one that is listed no more stays known, as inactive."""
        listed = await self._read(
            self.client.load_markets(True), lambda raw: convert.markets(raw, self.client.precisionMode)
        )
        gone = {symbol: replace(market, active=False) for symbol, market in self._markets.items()}
        self._markets = {**gone, **listed}
        return self._markets

    async def measure_clock(self) -> ClockOffset:
        """Measure the venue's clock against ours; the look with the shortest round trip counts."""
        looks = []
        for _ in range(_CLOCK_LOOKS):
            start, ours = self.monotonic(), self.utcnow()
            theirs = await self._read(self.client.fetch_time(), convert.utc)
            trip = self.monotonic() - start
            middle = ours + timedelta(seconds=trip / 2)
            looks.append(ClockOffset((theirs - middle).total_seconds(), trip / 2))
        self._offset = min(looks, key=lambda look: look.uncertainty)
        return self._offset

    def venue_now(self) -> datetime:
        """Return the venue's time by the last measurement of its clock."""
        return self.utcnow() + timedelta(seconds=self._offset.offset)

    async def fetch_balances(self) -> Mapping[str, Balance]:
        """Return every coin with a non-zero total, by currency."""
        balances = await self._read(self.client.fetch_balance(), convert.balances)
        return {coin: balance for coin, balance in balances.items() if balance.total}

    async def fetch_positions(self) -> Mapping[str, Position]:
        """Return the open positions by symbol."""
        positions = await self._read(self.client.fetch_positions(), lambda rows: convert.positions(rows, self._markets))
        return {position.symbol: position for position in positions if position.quantity}

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Return best bid and offer by REST, to cross-check the stream."""
        groups: dict[str, list[str]] = {}
        for symbol in symbols:
            groups.setdefault(self.market(symbol).kind, []).append(symbol)
        quotes: dict[str, Quote] = {}
        for group in groups.values():
            quotes |= await self._read(
                self.client.fetch_tickers(group),
                lambda rows: convert.quotes(rows.values(), self._markets, self.monotonic()),
            )
        return quotes

    async def fetch_bars(self, symbol: str, seconds: int, limit: int) -> Sequence[Bar]:
        """Return up to `limit` of the latest closed bars, oldest first."""
        return await self._read_list(ccxt_lists.bars(self, symbol, seconds, limit))

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        """Return the present funding rates of the swaps among `symbols`."""
        swaps = [symbol for symbol in symbols if not self.market(symbol).is_spot]
        if not swaps:
            return {}
        return await self._read(
            self.client.fetch_funding_rates(swaps),
            lambda rows: {symbol: convert.funding(row) for symbol, row in rows.items() if symbol in swaps},
        )

    async def fetch_fees(self, symbols: Sequence[str]) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Return this account's (maker, taker) fee rates by symbol."""
        return await self._read_list(ccxt_lists.fees(self, symbols))

    async def create_orders(
        self, requests: Sequence[OrderRequest], deadline: float | None = None
    ) -> Sequence[Acknowledgement]:
        """Send one request for up to `batch_limit` orders, once; one answer per row, in their order.

        A `deadline` beyond the venue's own setting is cut to that, so that `request_lifetime` holds.
        """
        within = self._deadline if deadline is None else min(deadline, self._deadline)
        return await ccxt_create.create(self, requests, within)

    async def cancel_order(self, symbol: str, client_id: str, venue_order_id: str | None) -> None:
        """Ask for a cancel; `NotFound` where it is already done or unknown."""
        params = {} if venue_order_id else {"clientOrderId": encode(self.exchange_id, client_id)}
        await self._call(Action.CANCEL, self.client.cancel_order(venue_order_id, symbol, params))

    async def fetch_order(self, symbol: str, client_id: str, venue_order_id: str | None) -> OrderReport:
        """Look an order up, by the venue's id where known, else by client id; or raise `NotFound`."""
        if venue_order_id is None and not self.traits.finds_client_id:
            return await self._read_list(ccxt_lists.search(self, symbol, client_id))
        params = {} if venue_order_id else {"clientOrderId": encode(self.exchange_id, client_id)}
        report = await self._read(self.client.fetch_order(venue_order_id, symbol, params), self.report)
        if report is None or report.client_id not in {None, client_id}:
            raise Unavailable(f"the venue answered about another order than {client_id}", venue=self.name)
        return report

    async def fetch_open_orders(self) -> Sequence[OrderReport]:
        """Return all open orders of the account."""
        return await self._read_list(ccxt_lists.open_orders(self))

    async def fetch_closed_orders(self, since: datetime) -> Sequence[OrderReport]:
        """Return orders that ended since then: filled, canceled and expired."""
        return await self._read_list(ccxt_lists.closed_orders(self, since))

    async def fetch_fills(self, since: datetime) -> Sequence[Fill]:
        """Return all fills of the account since then, oldest first, every page of them."""
        return await self._read_list(ccxt_lists.fills(self, since))

    async def fetch_cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Return funding, deposits, withdrawals and transfers since then, oldest first."""
        return await self._read_list(ccxt_lists.cash_flows(self, since))

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Set the leverage of a derivative in cross margin."""
        whole = int(leverage) if leverage == int(leverage) else float(leverage)
        params = {"marginMode": "cross"} if self.exchange_id == "okx" else {}
        await self._call(Action.CHANGE, self.client.set_leverage(whole, symbol, params))

    async def renew_dead_man(self, seconds: float) -> None:
        """Have the venue cancel all open orders unless renewed within `seconds` (at 0: switch off)."""
        await self._call(Action.CHANGE, self.client.cancel_all_orders_after(round(seconds * 1000)))

    def account_events(self) -> AsyncIterator[AccountEvent]:
        """Stream orders, fills, balances and positions until cancelled; reconnects by itself and says so."""
        return account_events(self)

    def market(self, symbol: str) -> Market:
        """Return the market of a symbol.

        Raises:
            Rejected: there is none.
        """
        market = self._markets.get(symbol)
        if market is None:
            raise Rejected(f"no market {symbol}", venue=self.name)
        return market

    def report(self, raw: Mapping[str, Any]) -> OrderReport | None:
        """Return an order of ccxt's as a report, None for a market that is not traded here."""
        market = self._markets.get(raw["symbol"])
        if market is None:
            return None
        return convert.order_report(self.name, self.exchange_id, raw, market)

    def fill(self, raw: Mapping[str, Any], *, streamed: bool = False) -> Fill | None:
        """Return a trade of ccxt's as a fill, None for a market that is not traded here."""
        market = self._markets.get(raw["symbol"])
        if market is None:
            return None
        return convert.fill(self.name, self.exchange_id, raw, market, streamed=streamed)

    async def _call(self, action: Action, request: Awaitable[Any]) -> Any:
        return await self._named(call(self.client, action, request))

    async def _read(self, request: Awaitable[Any], read: Callable[[Any], Result]) -> Result:
        """Await a request and read its answer; what cannot be read counts as no answer."""

        async def answer() -> Result:
            return read(await request)

        return await self._named(call(self.client, Action.READ, answer()))

    async def _read_list(self, rows: Awaitable[Result]) -> Result:
        """Await a list that takes several requests."""
        return await self._named(call(self.client, Action.READ, rows, Trace(sent=True)))

    async def _named(self, answer: Awaitable[Result]) -> Result:
        try:
            return await answer
        except VenueError as error:
            error.venue = self.name
            raise

    def _capabilities(self) -> Capability:
        has = self.client.has
        offered = {
            Capability.BATCH_CREATE: self.traits.batch > 1,
            Capability.LOOKUP_BY_CLIENT_ID: self.traits.finds_client_id,
            Capability.REQUEST_DEADLINE: self.traits.deadline is not None,
            Capability.DEAD_MAN_SWITCH: has.get("cancelAllOrdersAfter") is True,
            Capability.REDUCE_ONLY: bool(has.get("swap")),
            Capability.POSITION_STREAM: has.get("watchPositions") is True,
            Capability.CASH_FLOWS: has.get("fetchLedger") is True,
        }
        flags = Capability.NONE
        for flag, present in offered.items():
            flags |= flag if present else Capability.NONE
        return flags
