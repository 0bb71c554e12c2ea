"""The parts of the daemon on a real database and a scripted venue, and snapshots by hand."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from daemon.clock import Clock
from daemon.config import Settings, config_hash, to_plain
from daemon.desk import Desk
from daemon.execute import Executor
from daemon.metrics import Labels, Metrics
from daemon.recover import Bookkeeper
from daemon.resolve import Resolver
from daemon.sizing import Leg, Purpose
from daemon.snapshot import Account, Instrument, Signals, Snapshot, Standing, Trigger
from daemon.store import lease as leases
from daemon.store.database import reading, writing
from daemon.store.decisions import DecisionRecord, Intent, record_decision
from daemon.store.ledger import Ledger, load_flows, load_ledger
from daemon.store.orders import load_events, load_order
from daemon.store.writer import Writer
from exchanges.client_ids import client_id
from exchanges.orders import Order, plan
from exchanges.port import OrderRequest, OrderType, Quote, Side
from risk.limits import DAY, MINUTE, Window
from risk.signals.regime import Regime, RegimeSignal
from tests.unit.daemon.venue import BTC, ETH, NAME, SOL, SWAP, ScriptedVenue, market

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine

    from daemon.store.lease import Lease
    from daemon.store.ledger import FlowRecord
    from exchanges.orders import Event
    from exchanges.port import Market
    from exchanges.streams import MarketFeed

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
PRICES = {BTC: "60000", ETH: "3000", SOL: "150", SWAP: "60000"}
QUICK = {"first_after": "10ms", "interval": "50ms", "lag": "0s", "confirmations": 2}
MAIN = "main"


def settings(**sections: Mapping[str, Any]) -> Settings:
    """Return a configuration of three coins, with some keys of some sections as given."""
    tree: dict[str, dict[str, Any]] = {
        "portfolio": {"assets": [BTC, ETH, SOL], "cash_floor": 0.1, "cash_ceiling": 0.3},
        "venue": {
            "api_key": {"credential": "api_key"},
            "secret": {"credential": "secret"},
            "urls": {"rest": "http://127.0.0.1:1", "stream": "ws://127.0.0.1:1"},
            "request_timeout": "100ms",
        },
        "execution": {"lookup": QUICK},
        "optimiser": {"max_weight": 0.5},
    }
    for name, keys in sections.items():
        tree[name] = {**tree.get(name, {}), **keys}
    return Settings.model_validate(tree)


HEDGED = {"enabled": True, "instrument": SWAP, "min_beta": 0.2, "max_beta": 0.4, "max_weight": 0.6}


def quote(symbol: str, price: str | None = None, *, size: str = "1000", spread: str = "0.0002") -> Quote:
    """Return best bid and offer about a price."""
    middle = Decimal(price or PRICES[symbol])
    half = middle * Decimal(spread) / 2
    return Quote(symbol, middle - half, Decimal(size), middle + half, Decimal(size), AT, 0.0)


def instrument(symbol: str, held: str = "0", of: Market | None = None, **changes: object) -> Instrument:
    """Return a market as a decision sees it."""
    of = of or market(symbol)
    quantity = Decimal(held)
    made = Instrument(
        market=of,
        quote=quote(symbol),
        age=0.1,
        last=float(PRICES[symbol]),
        maker_fee=of.maker_fee,
        taker_fee=of.taker_fee,
        quantity=quantity,
        free=abs(quantity),
        entry=None if of.is_spot else Decimal(PRICES[symbol]),
        daily_volume=1e9,
        funding=0.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the test names fields of their own type


def regime(state: Regime = Regime.CALM, interval: float = 1.0, aversion: float = 1.0, count: int = 3) -> RegimeSignal:
    """Return a regime that is the same for all."""
    return RegimeSignal((state,) * count, np.ones(count), state, 1.0, interval, aversion)


def signals(count: int = 3, volatility: float = 0.6, correlation: float = 0.5, **changes: object) -> Signals:
    """Return signals of equally volatile, equally correlated instruments; a swap at the end moves like the first."""
    assets = min(count, 3)
    core = np.full((assets, assets), correlation) + (1 - correlation) * np.eye(assets)
    draws = np.random.default_rng(5).multivariate_normal(np.zeros(assets), core, 400)
    pick = [*range(assets), *([0] * (count - assets))]
    covariance = core[np.ix_(pick, pick)] * volatility**2
    if count > assets:
        covariance[-1, -1] *= 1.0001  # a swap and its coin are not quite one
    made = Signals(
        covariance=covariance,
        returns=draws[:, pick] * volatility / np.sqrt(365 * 24),
        seconds=np.full(400, 3600.0),
        regime=regime(count=count),
        observations=400.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the test names fields of their own type


def snapshot(
    config: Settings | None = None, held: Mapping[str, str] | None = None, cash: str = "100000", **changes: object
) -> Snapshot:
    """Return a snapshot of the configuration's instruments at the usual prices."""
    config = config or settings()
    holdings = held or {}
    instruments = tuple(instrument(symbol, holdings.get(symbol, "0")) for symbol in config.symbols)
    made = Snapshot(
        decision_id="20260501T120000000Z",
        at=AT,
        trigger=Trigger.TIMER,
        standing=Standing.ACTIVE,
        standing_reason="armed",
        settings=to_plain(config),
        config_hash=config_hash(config),
        code_version="0.1.0",
        instruments=instruments,
        account=Account(Decimal(cash), Decimal(cash), None, None),
        signals=signals(len(instruments)),
        minute=Window(MINUTE),
        day=Window(DAY),
        unresolved=(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the test names fields of their own type


def with_instrument(seen: Snapshot, symbol: str, **changes: object) -> Snapshot:
    """Return a snapshot in which one instrument is otherwise."""
    instruments = tuple(
        replace(one, **changes) if one.symbol == symbol else one  # type: ignore[arg-type]  # of their own type
        for one in seen.instruments
    )
    return replace(seen, instruments=instruments)


def leg(symbol: str = BTC, side: Side = Side.BUY, quantity: str = "0.1", index: int = 0, **changes: object) -> Leg:
    """Return a leg at the usual price, half a per cent through the mid."""
    price = Decimal(PRICES[symbol])
    made = Leg(
        index=index,
        phase=0 if side is Side.SELL else 1,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        price_cap=price * (1 + side.sign * Decimal("0.005")),
        mid=price,
        reduce_only=False,
        purpose=Purpose.REBALANCE,
        expected_cost=Decimal(1),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the test names fields of their own type


def metrics() -> Metrics:
    """Return metrics without a portfolio's labels."""
    labels = Labels((), (), ("trade",), ("rebalance",), ("timer",), ("order_notional",), ("filled", "canceled"))
    return Metrics(labels, portfolio=MAIN, venue=NAME, currency="USDT", version="0.1.0", config_hash="ab")


def told(source: Metrics, name: str) -> float:
    """Return a metric's value."""
    return source.registry.get_sample_value(f"keelward_{name}") or 0.0


class Time:
    """A clock that runs by itself and is set forward by whoever sleeps."""

    def __init__(self, start: datetime = AT) -> None:
        self.offset = 0.0
        self._start, self._begun = start, time.monotonic()
        self.clock = Clock(self.utcnow, self.monotonic, self.sleep)
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return time.monotonic() - self._begun + self.offset

    def utcnow(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.offset += seconds
        await asyncio.sleep(0)


@dataclass
class Prices:
    """As much of `MarketFeed` as execution reads."""

    quotes: dict[str, Quote] = field(default_factory=lambda: {symbol: quote(symbol) for symbol in PRICES})
    ages: dict[str, float] = field(default_factory=dict)

    def quote(self, symbol: str) -> Quote | None:
        return self.quotes.get(symbol)

    def age(self, symbol: str, _now: float) -> float:
        return self.ages.get(symbol, 0.1)

    @property
    def feed(self) -> MarketFeed:
        return cast("MarketFeed", self)


class Rig:
    """Desk, resolver, bookkeeper and executor on one database and one venue; a restart makes them anew."""

    def __init__(self, database: Engine, venue: ScriptedVenue | None = None, config: Settings | None = None) -> None:
        self.database = database
        self.settings = config or settings()
        self.time = Time()
        self.venue = venue or ScriptedVenue()
        self.venue.utcnow = self.time.utcnow
        self.prices = Prices()
        self.decisions = 0
        self.lease = self.take_lease()
        self.begin()

    def begin(self) -> None:
        """Make the parts that live in one process."""
        own, clock = self.settings, self.time.clock
        self.metrics = metrics()
        self.writer = Writer(self.database)
        self.desk = Desk(
            self.venue, MAIN, self.writer, clock, self.metrics, lease_margin=own.lease.margin, deadline=1.0
        )
        self.resolver = Resolver(self.venue, self.desk, clock, own.execution.lookup, own.venue.request_timeout)
        self.books = Bookkeeper(own, self.venue, self.desk, self.resolver, self.writer, clock)
        self.executor = Executor(
            own, self.venue, self.desk, self.resolver, self.writer, self.prices.feed, clock, self.metrics
        )

    async def restart(self) -> None:
        """End the process and begin another on the same database."""
        await self.writer.stop()
        self.lease = self.take_lease()
        self.begin()

    def take_lease(self, ttl: float = 600.0, holder: str = "me") -> Lease:
        with writing(self.database) as connection:
            lease = leases.acquire(connection, MAIN, holder, ttl, predecessor_is_dead=True)
        assert lease is not None
        return lease

    async def planned(self, *legs: Leg) -> list[Order]:
        """Commit a decision with an order for each leg, planned."""
        self.decisions += 1
        name = f"d{self.decisions}"
        orders = []
        for one in legs:
            request = OrderRequest(
                client_id(MAIN, name, one.index, 0), one.symbol, one.side, OrderType.IOC, one.quantity, one.price_cap
            )
            orders.append(plan(request, NAME))
        intents = [
            Intent(order, one.index, 0, one.quantity * one.price_cap) for order, one in zip(orders, legs, strict=True)
        ]
        await self.writer.run(record_decision, record(name, self.time.utcnow()), intents, self.lease)
        return orders

    async def sent(self, *legs: Leg) -> list[str]:
        """Commit and send an order for each leg; return their ids."""
        orders = await self.planned(*legs)
        await self.desk.send(orders, self.lease)
        return [order.client_id for order in orders]

    # ---- what the database says -------------------------------------------------------------------------------------

    def order(self, name: str) -> Order:
        with reading(self.database) as connection:
            found = load_order(connection, name)
        assert found is not None
        return found.order

    def events(self, name: str) -> list[Event]:
        with reading(self.database) as connection:
            return [event for _, event in load_events(connection, name)]

    def ledger(self) -> Ledger:
        with reading(self.database) as connection:
            return load_ledger(connection, NAME, MAIN)

    def flows(self) -> list[FlowRecord]:
        with reading(self.database) as connection:
            return load_flows(connection)

    def agrees(self) -> bool:
        """Whether the books hold what the account truly has."""
        held, truth = self.ledger(), {coin: total for coin, total in self.venue.cash.items() if total}
        positions = {symbol: one.quantity for symbol, one in self.venue.positions.items() if one.quantity}
        return held.balances == truth and {s: one.quantity for s, one in held.positions.items()} == positions


def record(name: str, at: datetime = AT, outcome: str = "trade") -> DecisionRecord:
    """Return a decision as it is stored."""
    return DecisionRecord(
        name,
        at,
        "timer",
        outcome,
        "rebalance",
        "Rebalanced.",
        Decimal(1),
        b"snapshot",
        b"result",
        "0f",
        "ab",
        "0.1.0",
        0.0,
    )
