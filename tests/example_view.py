"""A rich, deterministic status view for the tests of the page, the metrics and the web server."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from daemon.view import (
    Column,
    Condition,
    Connection,
    Costs,
    DecisionRow,
    Equity,
    EquityPoint,
    Explanation,
    FeedRow,
    FillRow,
    Health,
    Hedge,
    Holding,
    Instance,
    LimitUse,
    Mode,
    OrderRow,
    RiskFigures,
    StatusView,
    Table,
    TradingState,
    Unit,
    VenueView,
)

NOW = datetime(2026, 11, 22, 17, 3, 12, tzinfo=UTC)
VOLATILITIES = (0.46, 0.61, 0.83, 0.58, 0.66, 0.97, 0.79, 0.88, 0.72, 0.91)
ASSETS = (  # symbol, price, weight, target, half the width of the region
    ("BTC/USDT", "94213.4", 0.2481, 0.2400, 0.0160),
    ("ETH/USDT", "3311.27", 0.1692, 0.1750, 0.0130),
    ("SOL/USDT", "231.884", 0.0914, 0.1180, 0.0120),
    ("BNB/USDT", "652.41", 0.0987, 0.0950, 0.0090),
    ("XRP/USDT", "1.41932", 0.0735, 0.0800, 0.0100),
    ("DOGE/USDT", "0.391284", 0.0321, 0.0300, 0.0060),
    ("ADA/USDT", "1.06177", 0.0588, 0.0600, 0.0080),
    ("AVAX/USDT", "43.918", 0.0522, 0.0450, 0.0060),
    ("LINK/USDT", "17.2214", 0.0611, 0.0650, 0.0080),
    ("LTC/USDT", "94.871", 0.0287, 0.0300, 0.0060),
)


def example(now: datetime = NOW) -> StatusView:
    """Return a view of a book that trades, with one asset outside its region and one limit nearly used."""
    series = equity_series(now)
    equity = Decimal(f"{series[-1].equity:.2f}")
    fall = series[-1].drawdown
    return StatusView(
        as_of=now,
        instance=Instance(
            portfolio="core-ten",
            mode=Mode.SIMULATED,
            venue="okx",
            currency="USDT",
            version="0.1.0",
            config_hash="9f2c51ab",
            started=now - timedelta(hours=6, minutes=12),
            time_scale=60.0,
        ),
        condition=Condition(
            state=TradingState.ACTIVE,
            ready=True,
            leader=True,
            epoch=7,
            why="Trading: the books agree and no limit stands in the way.",
            reason="trading",
            sentence="Traded 3 of 10 assets back to the edge of their region, 4.1 % of equity, "
            "for an expected cost of 38.20 USDT.",
            cycle_at=now - timedelta(seconds=12),
            next_cycle=now + timedelta(seconds=48),
        ),
        equity=Equity(
            now=equity,
            cash=Decimal("86214.07"),
            peak=Decimal(f"{max(point.equity for point in series):.2f}"),
            drawdown=fall,
            day_pnl=Decimal("8421.55"),
            hold=Decimal(f"{series[-1].hold:.2f}"),
            series=series,
        ),
        holdings=tuple(holding(*row, volatility, equity) for row, volatility in zip(ASSETS, VOLATILITIES, strict=True)),
        hedge=Hedge(
            symbol="BTC/USDT:USDT",
            beta=0.182,
            low=-0.10,
            high=0.30,
            quantity=Decimal("-7.42"),
            value=Decimal("-699063.43"),
        ),
        decisions=tuple(decisions(now)),
        orders=tuple(orders(now)),
        fills=tuple(fills(now)),
        limits=(
            LimitUse("day_turnover", 0.412, 0.50, 0.824, Unit.FRACTION),
            LimitUse("position_weight", 0.2481, 0.30, 0.827, Unit.FRACTION),
            LimitUse("order_notional", 26_410.0, 50_000.0, 0.5282, Unit.MONEY),
            LimitUse("gross_leverage", 1.61, 2.0, 0.805, Unit.NUMBER),
            LimitUse("drawdown", fall, 0.15, fall / 0.15, Unit.FRACTION),
            LimitUse("daily_loss", 0.0, 0.05, 0.0, Unit.FRACTION),
            LimitUse("orders_per_minute", 9.0, 60.0, 0.15, Unit.COUNT),
            LimitUse("orders_per_day", 214.0, 2_000.0, 0.107, Unit.COUNT),
            LimitUse("open_orders", 2.0, 20.0, 0.1, Unit.COUNT),
            LimitUse("value_at_risk", 0.0391, 0.06, 0.6517, Unit.FRACTION),
            LimitUse("expected_shortfall", 0.0528, 0.08, 0.66, Unit.FRACTION),
            LimitUse("quote_age", 0.41, 5.0, 0.082, Unit.SECONDS),
        ),
        risk=RiskFigures(
            volatility=0.312,
            var=0.0391,
            expected_shortfall=0.0528,
            level=0.99,
            horizon="1 day",
            gross=1.61,
            net=0.22,
            diversification=1.84,
            tracking_error=0.021,
            regime="elevated",
            var_limit=0.06,
            expected_shortfall_limit=0.08,
        ),
        feeds=tuple(feeds()),
        venue=VenueView(
            name="okx",
            clock_offset=-0.0121,
            clock_uncertainty=0.0043,
            connections=(
                Connection("public quotes", True, now - timedelta(hours=2)),
                Connection("private orders", True, now - timedelta(hours=6)),
            ),
            reconnects=3,
            malformed=0,
        ),
        costs=Costs(
            paid=Decimal("1284.16"),
            predicted=Decimal("1359.90"),
            turnover=Decimal("1184210.75"),
            fills=412,
        ),
        unknown_intents=0,
    )


def equity_series(now: datetime) -> tuple[EquityPoint, ...]:
    """Return six hours of equity, a point each minute: a rise, a fall and half a recovery."""
    noise = random.Random(7)
    equity = hold = 1_000_000.0
    peak, points = equity, []
    for minute in range(360):
        drift = 160.0 if minute < 210 else -520.0 if minute < 260 else 130.0
        shock = noise.gauss(0.0, 420.0)
        equity += drift + shock
        hold += drift * 0.86 + shock * 1.25 + 40 * math.sin(minute / 17)
        peak = max(peak, equity)
        points.append(EquityPoint(now - timedelta(minutes=359 - minute), equity, 1 - equity / peak, hold))
    return tuple(points)


def holding(
    symbol: str, price: str, weight: float, target: float, half: float, volatility: float, equity: Decimal
) -> Holding:
    value = (equity * Decimal(str(weight))).quantize(Decimal("0.01"))
    return Holding(
        symbol=symbol,
        weight=weight,
        target=target,
        low=target - half,
        high=target + half,
        quantity=(value / Decimal(price)).quantize(Decimal("0.0001")),
        price=Decimal(price),
        value=value,
        inside=abs(weight - target) <= half,
        volatility=volatility,
    )


def decisions(now: datetime) -> list[DecisionRow]:
    told = (
        (
            "drift",
            "trade",
            "rebalance",
            "SOL is below its region: bought to its edge; BTC and AVAX inside.",
            "11.42",
            1,
        ),
        ("timer", "hold", "inside_region", "Every asset is inside its region: nothing to do.", None, 0),
        ("volatility", "trade", "rebalance", "Volatility doubled: moved 4.1 % of equity into cash.", "38.20", 3),
        ("timer", "refuse", "risk_limit", "The day's turnover would be passed: held instead.", "51.07", 0),
        ("timer", "hold", "inside_region", "Every asset is inside its region: nothing to do.", None, 0),
        ("external", "refuse", "stale_price", "No quote of LINK/USDT for 6.2 s: held.", None, 0),
    )
    return [
        DecisionRow(
            id=decision_id(now, index),
            time=now - timedelta(seconds=12 + 60 * index),
            trigger=trigger,
            outcome=outcome,
            reason=reason,
            sentence=sentence,
            expected_cost=None if cost is None else Decimal(cost),
            orders=count,
        )
        for index, (trigger, outcome, reason, sentence, cost, count) in enumerate(told)
    ]


def decision_id(now: datetime, index: int) -> str:
    return f"{now - timedelta(seconds=12 + 60 * index):%Y%m%dT%H%M%S}417Z"


def orders(now: datetime) -> list[OrderRow]:
    told = (
        ("SOL/USDT", "buy", "ioc", "114.31", "88.02", "231.91", "231.902", "open", ""),
        ("BTC/USDT:USDT", "sell", "limit", "0.12", "0", "94230.1", None, "open", ""),
        ("AVAX/USDT", "sell", "ioc", "182.4", "182.4", "43.90", "43.911", "filled", ""),
        ("XRP/USDT", "buy", "ioc", "4410", "4410", "1.4201", "1.41988", "filled", ""),
        ("ETH/USDT", "buy", "post_only", "2.11", "0", "3310.9", None, "rejected", "would take: post-only"),
        ("LINK/USDT", "buy", "ioc", "240.5", "0", "17.22", None, "unknown", "no answer: being looked up"),
    )
    return [
        OrderRow(
            client_id=f"{index:x}7f31c9ae0b24d6f8a1c3e5d70912b4f"[:32],
            decision_id=decision_id(now, index // 3 * 2),
            time=now - timedelta(seconds=12 + 41 * index),
            symbol=symbol,
            side=side,
            type=kind,
            quantity=Decimal(amount),
            filled=Decimal(filled),
            price=Decimal(limit),
            average_price=None if average is None else Decimal(average),
            state=state,
            note=note,
        )
        for index, (symbol, side, kind, amount, filled, limit, average, state, note) in enumerate(told)
    ]


def fills(now: datetime) -> list[FillRow]:
    told = (
        ("SOL/USDT", "buy", "61.02", "231.894", "0.0488", "SOL", False),
        ("SOL/USDT", "buy", "27.00", "231.920", "0.0216", "SOL", False),
        ("AVAX/USDT", "sell", "182.4", "43.911", "6.4075", "USDT", False),
        ("XRP/USDT", "buy", "4410", "1.41988", "-0.8820", "XRP", True),
    )
    return [
        FillRow(
            trade_id=f"88201{index}",
            client_id=None,
            time=now - timedelta(seconds=11 + 37 * index),
            symbol=symbol,
            side=side,
            quantity=Decimal(amount),
            price=Decimal(price),
            fee=Decimal(fee),
            fee_currency=currency,
            maker=maker,
        )
        for index, (symbol, side, amount, price, fee, currency, maker) in enumerate(told)
    ]


def feeds() -> list[FeedRow]:
    return [
        FeedRow(
            symbol=symbol,
            age=0.04 + 0.035 * index if symbol != "LINK/USDT" else 6.2,
            stale=symbol == "LINK/USDT",
            bid=Decimal(price),
            ask=(Decimal(price) * Decimal("1.00012")).quantize(Decimal(price)),
            spread=0.00012,
            bars=372,
            messages=44_120 - 1_310 * index,
        )
        for index, (symbol, price, *_) in enumerate(ASSETS)
    ]


def explanation(view: StatusView) -> Explanation:
    """Return the explanation of the view's newest decision."""
    return Explanation(
        decision=view.decisions[0],
        paragraphs=(
            "SOL/USDT stood 1.46 % of equity below the lower edge of its no-trade region.",
            "Buying to the edge lowers the tracking error from 2.6 % to 2.1 % for 11.42 USDT.",
        ),
        tables=(
            Table(
                "Assets",
                (
                    Column("Asset"),
                    Column("Price", Unit.PRICE),
                    Column("Before", Unit.FRACTION),
                    Column("Target", Unit.FRACTION),
                    Column("Trade", Unit.MONEY),
                    Column("Cost", Unit.BASIS_POINTS),
                ),
                tuple(
                    (
                        row.symbol,
                        row.price,
                        row.weight,
                        row.target,
                        26_410.0 if not row.inside else None,
                        0.00043,
                    )
                    for row in view.holdings
                ),
            ),
            Table(
                "Binding constraints",
                (Column("Constraint"), Column("Value", Unit.NUMBER)),
                (("turnover per cycle", 0.05),),
                note="A constraint is binding when relaxing it would change the trade.",
            ),
        ),
    )


def halted(view: StatusView) -> StatusView:
    """Return the same book, halted by its daily loss limit."""
    condition = replace(
        view.condition,
        state=TradingState.HALTED,
        ready=False,
        why="Halted by the daily loss limit: the book lost 5.2 % since midnight. Only a person can resume.",
        reason="daily_loss",
    )
    return replace(view, condition=condition, unknown_intents=1)


def healthy() -> Health:
    return Health(live=True, ready=True)
