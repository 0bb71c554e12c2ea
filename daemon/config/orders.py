"""The sections that say how orders are placed, and which are never placed: execution and limits."""

from __future__ import annotations

from decimal import Decimal

from daemon.config.portfolio import EQUITY
from daemon.config.types import Amount, Duration, Number, Section, Symbols, Whole, key, section


class Lookup(Section):
    """How an order without a clear answer is searched for. Nothing is ever sent again instead."""

    first_after: Duration = key("Pause before the first search.", default="500ms", example="500ms", ge=0, le=60)
    interval: Duration = key("Pause between searches.", default="2s", example="2s", ge=0.05, le=300)
    lag: Duration = key(
        "How long after accepting an order the venue's lists may still lack it.",
        default="5s",
        example="5s",
        ge=0,
        le=3600,
    )
    confirmations: Whole = key(
        "Complete searches without a trace before an order counts as absent.",
        default=3,
        example=3,
        ge=2,
        le=100,
    )


class Execution(Section):
    """How orders are placed: immediate-or-cancel limit orders, in slices, at a price that is never exceeded."""

    price_cap_bps: Number = key(
        "How far through the mid price an order may reach.",
        default=25.0,
        example=25,
        unit="basis points",
        ge=0,
        le=1000,
    )
    max_slice_notional: Amount = key(
        "An order above this is cut into slices.",
        default=Decimal(25000),
        example=10000,
        unit="quote currency",
        gt=0,
        le=1e15,
    )
    max_depth_share: Number = key(
        "Greatest share of the best price's size that a slice takes.",
        default=1.0,
        example=0.25,
        unit="fraction",
        gt=0,
        le=100,
    )
    pause: Duration = key(
        "Pause between the slices of an order, so that the book can refill.",
        default="1s",
        example="1s",
        ge=0,
        le=3600,
    )
    request_deadline: Duration = key(
        "The venue refuses an order request older than this, where it honours a deadline.",
        default="3s",
        example="3s",
        ge=0.1,
        le=60,
    )
    lookup: Lookup = section("How an order without a clear answer is searched for.", Lookup)


class Limits(Section):
    """The pre-trade gate. Every order counts when it is sent; a breach refuses the order, or halts where it says so."""

    price_band_bps: Number = key(
        "An order's price may stand this far from the mid.",
        default=100.0,
        example=100,
        unit="basis points",
        gt=0,
        le=10000,
    )
    last_price_band_bps: Number = key(
        "An order's price may stand this far from the last traded or closed price.",
        default=300.0,
        example=300,
        unit="basis points",
        gt=0,
        le=10000,
    )
    max_order_notional: Amount = key(
        "Greatest notional of one order.",
        default=Decimal(50000),
        example=25000,
        unit="quote currency",
        gt=0,
        le=1e15,
    )
    max_depth_share: Number = key(
        "Greatest share of the best price's size in one order.",
        default=2.0,
        example=0.5,
        unit="fraction",
        gt=0,
        le=1000,
    )
    max_position_weight: Number = key(
        "Greatest absolute weight of one position after the order.",
        default=0.6,
        example=0.5,
        unit=EQUITY,
        gt=0,
        le=20,
    )
    max_gross: Number = key(
        "Greatest gross leverage after the order, the hedge included.",
        default=2.0,
        example=1.5,
        unit=EQUITY,
        gt=0,
        le=20,
    )
    max_net: Number = key(
        "Greatest absolute net leverage after the order, the hedge included.",
        default=1.2,
        example=1.0,
        unit=EQUITY,
        gt=0,
        le=20,
    )
    max_turnover_cycle: Number = key(
        "Greatest notional sent in one cycle.", default=2.0, example=0.5, unit=EQUITY, gt=0, le=100
    )
    max_turnover_day: Number = key(
        "Greatest notional sent in 24 hours.", default=10.0, example=2.0, unit=EQUITY, gt=0, le=10000
    )
    max_orders_minute: Whole = key(
        "Most orders sent in 60 seconds.", default=60, example=30, unit="orders", ge=1, le=100000
    )
    max_orders_day: Whole = key(
        "Most orders sent in 24 hours.", default=2000, example=500, unit="orders", ge=1, le=10000000
    )
    max_open_orders: Whole = key(
        "Most orders open or in doubt at once.", default=50, example=20, unit="orders", ge=1, le=100000
    )
    stale_after: Duration = key(
        "A quote older than this stops orders in its market.", default="10s", example="5s", ge=0.05, le=3600
    )
    fee_reserve_bps: Number = key(
        "Cash kept free above a buy's cost, for its fee and for rounding.",
        default=20.0,
        example=20,
        unit="basis points",
        ge=0,
        le=1000,
    )
    allowed_symbols: Symbols = key(
        "The only symbols that may be traded; empty means the portfolio's assets and the hedge's instrument.",
        default=(),
        example=["BTC/USDT"],
    )
    max_daily_loss: Number = key(
        "Halt when equity falls this far below the day's start (UTC).",
        default=0.1,
        example=0.05,
        unit=EQUITY,
        gt=0,
        le=1,
    )
    max_drawdown: Number = key(
        "Halt when equity falls this far below its peak.", default=0.25, example=0.15, unit=EQUITY, gt=0, le=1
    )
    tail_confidence: Number = key(
        "Confidence of value at risk and expected shortfall.",
        default=0.99,
        example=0.975,
        unit="probability",
        ge=0.5,
        lt=1,
    )
    tail_horizon: Duration = key(
        "Horizon of value at risk and expected shortfall, in market time.",
        default="1d",
        example="1d",
        unit="market time",
        ge=1,
        le=31536000,
    )
    max_value_at_risk: Number = key(
        "Greatest historical value at risk of the target.", default=0.2, example=0.1, unit=EQUITY, gt=0, le=10
    )
    max_expected_shortfall: Number = key(
        "Greatest historical expected shortfall of the target.",
        default=0.3,
        example=0.15,
        unit=EQUITY,
        gt=0,
        le=10,
    )
