"""The gauges: tables of what each reads from the status view, and one walk over them a second.

A moment is exported as a timestamp, so that a daemon that is stuck shows as an age that grows. A gauge that
was never measured is NaN, not a comforting 0 that an alert or a panel could take for a reading.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from prometheus_client import Gauge

from daemon.view import Equity, Hedge, Holding, RiskFigures, StatusView, TradingState, VenueView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

PREFIX: Final = "keelward"
REGIMES: Final = ("calm", "elevated", "stressed")

Reading = datetime | Decimal | float | None
Part = TypeVar("Part")
Readings = Mapping[str, tuple[str, Callable[[Part], Reading]]]

BOOK: Final[Readings[StatusView]] = {
    "ready": ("1 if the daemon could trade now.", lambda v: v.condition.ready),
    "leader": ("1 if this daemon holds the lease.", lambda v: v.condition.leader),
    "lease_epoch": ("Epoch of the lease last held.", lambda v: v.condition.epoch),
    "last_successful_cycle_timestamp_seconds": (
        "When the last cycle ended that succeeded.",
        lambda v: v.condition.cycle_at,
    ),
    "next_cycle_timestamp_seconds": ("When the next cycle is due.", lambda v: v.condition.next_cycle),
    "unknown_intents": ("Orders sent whose outcome is not known.", lambda v: v.unknown_intents),
    "cost_paid_quote": ("Cost of trading since the portfolio began, net of rebates.", lambda v: v.costs.paid),
    "cost_predicted_quote": ("What the cost model foretold for that.", lambda v: v.costs.predicted),
}

EQUITY: Final[Readings[Equity]] = {
    "equity_quote": ("What the book is worth.", lambda e: e.now),
    "cash_quote": ("Cash in the book.", lambda e: e.cash),
    "equity_peak_quote": ("Highest equity seen.", lambda e: e.peak),
    "drawdown_ratio": ("Fall of equity from its peak.", lambda e: e.drawdown),
    "day_pnl_quote": ("Profit since midnight UTC.", lambda e: e.day_pnl),
    "hold_equity_quote": ("What the first book would be worth, had it been held.", lambda e: e.hold),
}

HEDGE: Final[Readings[Hedge]] = {
    "net_beta_ratio": ("Net beta of the book, hedge included.", lambda h: h.beta),
    "net_beta_low_ratio": ("Lower end of the band for net beta.", lambda h: h.low),
    "net_beta_high_ratio": ("Upper end of the band for net beta.", lambda h: h.high),
}

RISK: Final[Readings[RiskFigures]] = {
    "volatility_ratio": ("Volatility of the book per year.", lambda r: r.volatility),
    "value_at_risk_ratio": ("Value at risk as a share of equity.", lambda r: r.var),
    "value_at_risk_limit_ratio": ("Limit of the value at risk.", lambda r: r.var_limit),
    "expected_shortfall_ratio": ("Expected shortfall as a share of equity.", lambda r: r.expected_shortfall),
    "expected_shortfall_limit_ratio": (
        "Limit of the expected shortfall.",
        lambda r: r.expected_shortfall_limit,
    ),
    "gross_leverage_ratio": ("Sum of |weights| without cash.", lambda r: r.gross),
    "net_leverage_ratio": ("Sum of weights without cash.", lambda r: r.net),
    "diversification_ratio": ("Mean volatility of the assets over the book's.", lambda r: r.diversification),
    "tracking_error_ratio": (
        "Yearly volatility of the difference to the target.",
        lambda r: r.tracking_error,
    ),
}

ASSET: Final[Readings[Holding]] = {
    "weight_ratio": ("Weight now.", lambda h: h.weight),
    "weight_target_ratio": ("Weight aimed at.", lambda h: h.target),
    "weight_low_ratio": ("Lower end of the no-trade region.", lambda h: h.low),
    "weight_high_ratio": ("Upper end of the no-trade region.", lambda h: h.high),
    "asset_volatility_ratio": ("Volatility forecast per year.", lambda h: h.volatility),
}

VENUE: Final[Readings[VenueView]] = {
    "venue_clock_offset_seconds": ("The venue's clock minus ours.", lambda v: v.clock_offset),
    "venue_clock_uncertainty_seconds": ("Half the round trip of that.", lambda v: v.clock_uncertainty),
    "venue_connections": ("Connections to the venue.", lambda v: len(v.connections)),
    "venue_connections_up": (
        "Connections to the venue that are up.",
        lambda v: sum(connection.connected for connection in v.connections),
    ),
}


def number(reading: Reading) -> float:
    """Return a reading as a gauge holds it: a moment in seconds since 1970, the unknown as NaN."""
    if reading is None:
        return math.nan
    return reading.timestamp() if isinstance(reading, datetime) else float(reading)


class Panel(Generic[Part]):
    """Gauges that read one part of the view, with a labelled child for each row if there are several."""

    def __init__(
        self,
        registry: CollectorRegistry,
        readings: Readings[Part],
        label: str | None = None,
        values: Iterable[str] = (),
    ) -> None:
        rows = tuple(values)
        self._gauges: list[tuple[str, Gauge, Callable[[Part], Reading]]] = []
        for name, (text, read) in readings.items():
            if label is None:
                self._gauges.append(("", Gauge(f"{PREFIX}_{name}", text, registry=registry), read))
            else:
                family = Gauge(f"{PREFIX}_{name}", text, [label], registry=registry)
                self._gauges.extend((row, family.labels(row), read) for row in rows)
        self.show({})

    def show(self, parts: Mapping[str, Part | None]) -> None:
        """Read each gauge from its part of the view, by row; NaN where there is none."""
        for row, gauge, read in self._gauges:
            part = parts.get(row)
            gauge.set(math.nan if part is None else number(read(part)))


class Gauges:
    """All gauges of one daemon, every child made at the start."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        venue: str,
        assets: Iterable[str],
        symbols: Iterable[str],
        limits: Iterable[str],
    ) -> None:
        def family(name: str, text: str, label: str, values: Iterable[str]) -> Panel[Reading]:
            return Panel(registry, {name: (text, lambda reading: reading)}, label, values)

        self._venue_name = venue
        self._book = Panel(registry, BOOK)
        self._equity = Panel(registry, EQUITY)
        self._hedge = Panel(registry, HEDGE)
        self._risk = Panel(registry, RISK)
        self._venue = Panel(registry, VENUE, "venue", [venue])
        self._assets = Panel(registry, ASSET, "symbol", assets)
        self._state = family("trading_state", "1 for the state it is in.", "state", TradingState)
        self._regime = family("volatility_regime", "1 for the market's regime.", "regime", REGIMES)
        self._limits = family("limit_used_ratio", "Use of a limit; at 1 it refuses.", "limit", limits)
        self._quotes = family(
            "feed_last_quote_timestamp_seconds", "When the last quote of a symbol came.", "symbol", symbols
        )

    def show(self, view: StatusView) -> None:
        """Set every gauge from the view; what the view does not know becomes NaN."""
        self._book.show({"": view})
        self._equity.show({"": view.equity})
        self._hedge.show({"": view.hedge})
        self._risk.show({"": view.risk})
        self._venue.show({self._venue_name: view.venue})
        self._assets.show({holding.symbol: holding for holding in view.holdings})
        self._state.show({state: state is view.condition.state for state in TradingState})
        regime = view.risk.regime if view.risk else None
        self._regime.show({name: name == regime if regime else None for name in REGIMES})
        self._limits.show({limit.code: limit.fraction for limit in view.limits})
        now = view.as_of.timestamp()
        self._quotes.show({feed.symbol: now - feed.age for feed in view.feeds if feed.age is not None})
