"""Prometheus metrics: what happened as counters and histograms, what is as gauges read from the status view.

Names keep one prefix, base units and a unit's suffix; money carries `_quote`, the portfolio's currency, which
`keelward_portfolio_info` names. Labels come from closed sets handed over at the start, and every child exists
from then on: a rate is 0, not absent, before the first event, and the number of series is known. A value
outside its set counts as "other", so that a metric neither grows without bound nor stops a cycle.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from daemon.gauges import PREFIX, Gauges

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from daemon.view import StatusView

OTHER: Final = "other"
FAST: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5)
SLOW: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


@dataclass(frozen=True, slots=True)
class Labels:
    """The closed sets that labels are drawn from.

    Args:
        assets: symbols with a weight, as in `StatusView.holdings`.
        symbols: symbols with a feed, as in `StatusView.feeds`.
        outcomes: how a cycle may end.
        reasons: every reason code of a decision.
        triggers: what may start a cycle.
        limits: codes of the limits, both of those with a use and of those that only refuse.
        order_ends: terminal states of an order.
    """

    assets: tuple[str, ...]
    symbols: tuple[str, ...]
    outcomes: tuple[str, ...]
    reasons: tuple[str, ...]
    triggers: tuple[str, ...]
    limits: tuple[str, ...]
    order_ends: tuple[str, ...]


class Follower:
    """A counter that follows a total kept elsewhere; a total that starts anew counts on from there."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._last = 0

    def follow(self, total: int) -> None:
        """Add what the total grew by since the last look."""
        self._counter.inc(total - self._last if total >= self._last else total)
        self._last = total


class CounterByLabel:
    """A counter with one label whose children all exist from the start and are held, not looked up."""

    def __init__(self, family: Counter, values: Iterable[str]) -> None:
        self._children = {value: family.labels(value) for value in (*values, OTHER)}

    def count(self, value: str) -> None:
        """Count one event under `value`, or under "other" where the set has no such value."""
        self._children.get(value, self._children[OTHER]).inc()


class Metrics:
    """Every metric of one daemon, in a registry of its own.

    A method is named for what happened and takes what is known of it; `show` sets all gauges from the view.
    """

    def __init__(
        self, labels: Labels, *, portfolio: str, venue: str, currency: str, version: str, config_hash: str
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        self.registry = registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def info(name: str, text: str, **values: str) -> None:
            Info(name, text, namespace=PREFIX, registry=registry).info(values)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, namespace=PREFIX, registry=registry)

        def by(label: str, values: Iterable[str], name: str, text: str) -> CounterByLabel:
            return CounterByLabel(Counter(name, text, [label], namespace=PREFIX, registry=registry), values)

        def seconds(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"{name}_seconds", text, namespace=PREFIX, registry=registry, buckets=buckets)

        info("build", "The version that runs.", version=version)
        info("config_hash", "Hash of the configuration in force.", hash=config_hash)
        info(
            "portfolio",
            "Whose numbers these are; metrics named quote are in this currency.",
            portfolio=portfolio,
            venue=venue,
            currency=currency,
        )

        self._gauges = Gauges(registry, venue=venue, assets=labels.assets, symbols=labels.symbols, limits=labels.limits)
        self._cycles = by("outcome", labels.outcomes, "cycles", "Cycles that ended, by outcome.")
        self._decisions = by("reason", labels.reasons, "decisions", "Decisions made, by reason code.")
        self._triggers = by("trigger", labels.triggers, "triggers", "Cycles begun, by what started them.")
        self._ended = by("state", labels.order_ends, "orders_ended", "Orders that ended, by final state.")
        self._refusals = by("limit", labels.limits, "limit_refusals", "Refusals before the trade, by limit.")

        self._sent = counter("orders_sent", "Orders sent to the venue.")
        self._fills = counter("fills", "Executions applied to the ledger.")
        self._late_fills = counter("late_fills", "Executions that came after their order had ended.")
        self._turnover = counter("turnover_quote", "Notional traded since the process started.")
        self._messages = Follower(counter("feed_messages", "Quotes received, all symbols."))
        self._bars = Follower(counter("feed_bars", "Bars closed, all symbols."))
        self._stale = Follower(counter("feed_stale", "Times the stream was broken off because quotes had stopped."))
        self._malformed = Follower(counter("feed_malformed", "Messages of the venue that could not be read."))
        self._reconnects = Follower(counter("venue_reconnects", "Connections to the venue made again."))

        self._cycle = seconds("cycle", "A cycle from snapshot to last answer.", SLOW)
        self._decision = seconds("decision", "A decision, from snapshot to reason.", SLOW)
        self._commit = seconds("commit", "A transaction of the store, as its caller waits for it.", FAST)
        self._send = seconds("send", "A request that carries orders, until its answer.", SLOW)
        self._reaction = seconds("reaction", "From what caused a cycle to its decision being on disk.", SLOW)
        self._lag = seconds("event_loop_lag", "How late the event loop woke a timer.", FAST)

    def cycle(self, *, trigger: str, outcome: str, reason: str, seconds: float) -> None:
        """A cycle ended, whatever it led to."""
        self._triggers.count(trigger)
        self._cycles.count(outcome)
        self._decisions.count(reason)
        self._cycle.observe(seconds)

    def decided(self, seconds: float) -> None:
        """A decision was made in `seconds`."""
        self._decision.observe(seconds)

    def committed(self, seconds: float) -> None:
        """The store committed a transaction."""
        self._commit.observe(seconds)

    def sent(self, orders: int, seconds: float) -> None:
        """A request with `orders` orders was answered, or given up, after `seconds`."""
        self._sent.inc(orders)
        self._send.observe(seconds)

    def reacted(self, seconds: float) -> None:
        """What caused a cycle had led to a stored decision to trade after `seconds`."""
        self._reaction.observe(seconds)

    def refused(self, limit: str) -> None:
        """A limit refused an order or a target."""
        self._refusals.count(limit)

    def order_ended(self, state: str) -> None:
        """An order reached a terminal state."""
        self._ended.count(state)

    def filled(self, notional: Decimal, *, late: bool = False) -> None:
        """An execution of `notional` (unsigned) was applied; `late` if its order had ended before."""
        self._fills.inc()
        self._turnover.inc(float(notional))
        if late:
            self._late_fills.inc()

    def loop_lagged(self, seconds: float) -> None:
        """The event loop woke a timer `seconds` late."""
        self._lag.observe(max(0.0, seconds))

    def show(self, view: StatusView) -> None:
        """Set every gauge from the view, and let the feed's and the venue's totals follow it."""
        self._gauges.show(view)
        self._messages.follow(sum(feed.messages for feed in view.feeds))
        self._bars.follow(sum(feed.bars for feed in view.feeds))
        self._malformed.follow(view.venue.malformed)
        self._reconnects.follow(view.venue.reconnects)
        self._stale.follow(view.venue.stale)

    def exposition(self) -> bytes:
        """Return every metric in Prometheus's text format."""
        return generate_latest(self.registry)


async def watch_loop(metrics: Metrics, interval: float = 0.25) -> NoReturn:
    """Measure the event loop's lag every `interval` seconds until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval
        await asyncio.sleep(interval)
        metrics.loop_lagged(loop.time() - due)
