"""The sections that say what is held: portfolio, signals, optimiser and hedge."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  # pydantic reads it when the model is made
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from daemon.config.types import (
    Amount,
    Boolean,
    Duration,
    Kind,
    Number,
    Section,
    Symbol,
    Symbols,
    Text,
    key,
    section,
)

Name = Annotated[
    Text,
    Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$"),
    Kind("name", "a name of up to 32 lower-case letters, digits, - and _"),
]
EQUITY = "fraction of equity"


class AssetOverride(Section):
    """What differs for one asset from the rest of the portfolio. The table is named by the asset's symbol."""

    min_weight: Number | None = key(
        "Least weight of this asset; without it `optimiser.min_weight`.",
        default=None,
        example=0.05,
        unit=EQUITY,
        ge=-10,
        le=10,
    )
    max_weight: Number | None = key(
        "Greatest weight of this asset; without it `optimiser.max_weight`.",
        default=None,
        example=0.4,
        unit=EQUITY,
        ge=0,
        le=10,
    )
    expected_return: Number | None = key(
        'Expected return in excess of cash, used by the model "given".',
        default=None,
        example=0.12,
        unit="per year",
        ge=-1,
        le=10,
    )


class Portfolio(Section):
    """What the portfolio is made of, and how much of it stays cash."""

    name: Name = key(
        "Name of the portfolio; part of every order's id, so it is never reused.",
        default="main",
        example="main",
    )
    quote: Text = key("The currency in which equity is counted and assets are priced.", default="USDT", example="USDT")
    assets: Symbols = key(
        "Spot markets held by the portfolio, all priced in `quote`.",
        example=["BTC/USDT", "ETH/USDT", "SOL/USDT"],
    )
    overrides: Annotated[
        Mapping[Symbol, AssetOverride], Kind("table of assets", "a table per asset, named by its symbol")
    ] = Field(default_factory=dict, description="What differs for single assets.")
    cash_floor: Number = key("Least share of equity kept as cash.", default=0.02, example=0.05, unit=EQUITY, ge=0, lt=1)
    cash_ceiling: Number = key(
        "Greatest share of equity kept as cash; below 1 the portfolio must invest the rest.",
        default=1.0,
        example=0.5,
        unit=EQUITY,
        ge=0,
        le=1,
    )
    reserve: Amount = key(
        "Cash that is no part of the portfolio: never invested, not counted as equity.",
        default=Decimal(0),
        example=500,
        unit="quote currency",
        ge=0,
        le=1e15,
    )


class Regime(Section):
    """When markets count as elevated or stressed: short volatility as a multiple of long volatility."""

    elevated: Number = key(
        "Elevated from this ratio of short to long volatility on.",
        default=1.3,
        example=1.3,
        unit="ratio",
        gt=1,
        le=100,
    )
    stressed: Number = key(
        "Stressed from this ratio on; above `elevated`.", default=2.0, example=2.0, unit="ratio", gt=1, le=100
    )
    hysteresis: Number = key(
        "How far the ratio must fall below a threshold before the calmer regime is taken again.",
        default=0.1,
        example=0.1,
        unit="ratio",
        ge=0,
        lt=1,
    )
    elevated_risk_aversion: Number = key(
        "Risk aversion is multiplied by this when elevated.",
        default=1.5,
        example=1.5,
        unit="factor",
        ge=1,
        le=100,
    )
    stressed_risk_aversion: Number = key(
        "Risk aversion is multiplied by this when stressed.",
        default=3.0,
        example=3.0,
        unit="factor",
        ge=1,
        le=100,
    )
    elevated_interval: Number = key(
        "The cycle's interval is multiplied by this when elevated.",
        default=0.5,
        example=0.5,
        unit="factor",
        gt=0,
        le=1,
    )
    stressed_interval: Number = key(
        "The cycle's interval is multiplied by this when stressed.",
        default=0.25,
        example=0.25,
        unit="factor",
        gt=0,
        le=1,
    )


class ExpectedReturns(Section):
    """Where expected returns come from. Without them the portfolio is the one of least variance after costs."""

    model: Literal["none", "shrunk", "momentum", "given"] = key(
        "none: minimum variance; shrunk: history drawn towards the mean of the minimum-variance portfolio "
        "as far as its own error says (Jorion); momentum: each asset goes on as it went, in units of its volatility; "
        "given: `portfolio.overrides` of each asset.",
        default="none",
        example="shrunk",
    )
    window: Duration = key(
        "History that the models shrunk and momentum look at, in market time.",
        default="60d",
        example="60d",
        unit="market time",
        ge=60,
        le=315360000,
    )
    strength: Number = key(
        "Yearly Sharpe ratio that one standard deviation of past return is believed to foretell (momentum).",
        default=0.1,
        example=0.1,
        unit="ratio",
        ge=0,
        le=10,
    )
    cap: Number = key(
        "Expected returns are held between -cap and cap.",
        default=1.0,
        example=0.5,
        unit="per year",
        gt=0,
        le=10,
    )


class Signals(Section):
    """How volatility, correlation and expected returns are measured."""

    half_life: Duration = key(
        "Half-life of the covariance, in market time.",
        default="10d",
        example="10d",
        unit="market time",
        ge=60,
        le=315360000,
    )
    short_half_life: Duration = key(
        "Half-life of the short volatility that tells the regime, in market time; below `half_life`.",
        default="1d",
        example="1d",
        unit="market time",
        ge=1,
        le=315360000,
    )
    regime: Regime = section("Thresholds of the regime and what follows from it.", Regime)
    expected_returns: ExpectedReturns = section("Where expected returns come from.", ExpectedReturns)


class Group(Section):
    """A cap or a floor on the summed weight of some assets. Write one `[[optimiser.groups]]` per group."""

    name: Name = key("Name of the group, for reports.", example="layer-1")
    assets: Symbols = key("Members; each is in `portfolio.assets`.", example=["ETH/USDT", "SOL/USDT"])
    min: Number = key("Least summed weight.", default=-10.0, example=0.1, unit=EQUITY, ge=-10, le=10)
    max: Number = key("Greatest summed weight.", default=10.0, example=0.5, unit=EQUITY, ge=-10, le=10)


class Optimiser(Section):
    """The convex problem: expected return less risk aversion times variance less costs, under constraints."""

    risk_aversion: Number = key(
        "Price of a unit of yearly variance in units of yearly return; higher is more careful.",
        default=5.0,
        example=5,
        unit="return per variance",
        gt=0,
        le=10000,
    )
    long_only: Boolean = key("Whether short weights are excluded.", default=True, example=True)
    min_weight: Number = key(
        "Least weight of an asset; negative only when not `long_only`.",
        default=0.0,
        example=0.0,
        unit=EQUITY,
        ge=-10,
        le=10,
    )
    max_weight: Number = key("Greatest weight of an asset.", default=0.4, example=0.4, unit=EQUITY, gt=0, le=10)
    groups: Annotated[tuple[Group, ...], Kind("list of tables", "tables [[optimiser.groups]]")] = Field(
        default=(), description="Caps and floors on groups of assets."
    )
    max_turnover: Number = key(
        "Greatest traded notional of one rebalance, buys and sells together.",
        default=1.0,
        example=0.5,
        unit=EQUITY,
        gt=0,
        le=20,
    )
    min_trade: Number = key(
        "Smaller changes of a weight are let be: no order is placed for them, nor for a limit broken by less.",
        default=0.001,
        example=0.002,
        unit=EQUITY,
        ge=0,
        lt=1,
    )
    max_gross: Number = key("Greatest sum of absolute weights.", default=1.0, example=1.0, unit=EQUITY, gt=0, le=20)
    max_net: Number = key("Greatest sum of weights.", default=1.0, example=1.0, unit=EQUITY, gt=0, le=20)
    impact_coefficient: Number = key(
        "Cost of trading a day's volume, in units of daily volatility (the b of b sigma |z|^1.5).",
        default=1.0,
        example=1.0,
        unit="factor",
        ge=0,
        le=100,
    )


class Hedge(Section):
    """Net beta of the book held inside a band with a perpetual swap."""

    enabled: Boolean = key("Whether to hedge.", default=False, example=True)
    instrument: Symbol | None = key(
        "The linear swap to hedge with; needed when enabled.", default=None, example="BTC/USDT:USDT"
    )
    min_beta: Number = key("Lower edge of the band of net beta.", default=0.0, example=0.2, unit="beta", ge=-10, le=10)
    max_beta: Number = key(
        "Upper edge of the band of net beta; above `min_beta`.",
        default=0.8,
        example=0.8,
        unit="beta",
        ge=-10,
        le=10,
    )
    max_weight: Number = key("Greatest notional of the hedge.", default=0.5, example=0.5, unit=EQUITY, gt=0, le=10)
    leverage: Amount = key(
        "Leverage set at the venue for the instrument, cross margin.",
        default=Decimal(3),
        example=3,
        unit="factor",
        ge=1,
        le=125,
    )
