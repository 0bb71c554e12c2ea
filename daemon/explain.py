"""One decision told in full, from what was stored with it: what it saw, what bound it, what it expected, what came."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from daemon.costs_paid import bill, fills_by_decision
from daemon.store import codec
from daemon.store.database import reading
from daemon.store.decisions import AmbiguousNameError, load_decision
from daemon.store.orders import load_orders
from daemon.view import Column, DecisionRow, Explanation, Table, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Engine

    from daemon.costs_paid import Paid
    from daemon.decision import Decision, Figures
    from daemon.snapshot import Snapshot
    from daemon.store.decisions import DecisionRecord
    from daemon.store.orders import OrderRecord

MANY = 10_000


async def explain_stored(database: Engine, name: str) -> Explanation | None:
    """Return a stored decision explained, or None where there is none of this name, or more than one."""
    try:
        return await asyncio.to_thread(explain, database, name)
    except AmbiguousNameError:
        return None


def explain(database: Engine, name: str) -> Explanation | None:
    """Return a stored decision explained, or None where there is none of this name.

    Raises:
        AmbiguousNameError: several decisions begin with this name.
    """
    with reading(database) as connection:
        record = load_decision(connection, name)
        if record is None:
            return None
        orders = load_orders(connection, limit=MANY, decision_id=record.id)
        fills = fills_by_decision(connection, [record.id]).get(record.id, [])
    row = decision_row(record)
    if record.snapshot is None or record.result is None:
        return Explanation(row, ("What this decision saw is no longer kept.",), (_orders(orders),))
    snapshot: Snapshot = codec.decode(record.snapshot)
    decision: Decision = codec.decode(record.result)
    quote = str(snapshot.instruments[0].market.quote) if snapshot.instruments else ""
    tables = [
        _inputs(snapshot),
        _weights(decision),
        _figures(decision, "Risk before and after", RISK, Unit.FRACTION),
        _figures(decision, "Exposure before and after", EXPOSURE, Unit.NUMBER),
        _costs(decision, bill(decision, fills, quote)),
        _binding(decision),
        _refusals(decision),
        _orders(orders),
    ]
    return Explanation(row, _paragraphs(decision, snapshot, record), tuple(table for table in tables if table.rows))


def decision_row(record: DecisionRecord) -> DecisionRow:
    """Return a decision in one line."""
    return DecisionRow(
        record.id,
        record.at,
        record.trigger,
        record.outcome,
        record.reason,
        record.sentence,
        record.expected_cost,
        record.orders,
    )


def _paragraphs(decision: Decision, snapshot: Snapshot, record: DecisionRecord) -> tuple[str, ...]:
    words = [f"The cycle was started by {decision.trigger.value} and concluded: {decision.sentence}."]
    if decision.equity is not None and decision.cash is not None:
        words.append(f"Equity was {decision.equity:,.2f}, of which {decision.cash:,.2f} cash.")
    if decision.regime is not None and decision.risk_aversion is not None and snapshot.signals is not None:
        ratio = snapshot.signals.regime.book_ratio
        words.append(
            f"The regime was {decision.regime} (short volatility {ratio:.2f} times the long), risk aversion "
            f"{decision.risk_aversion:g}. The solver's answer: {decision.solver}."
        )
    if decision.legs and decision.equity:
        gain = Decimal(repr(decision.gain)) * decision.equity
        words.append(
            f"The trade is worth {gain:,.2f} a year in utility, "
            f"and was expected to cost {decision.expected_cost:,.2f} once."
        )
    words.append(
        f"Decided by version {record.code_version} under configuration {record.config_hash} in "
        f"{record.duration * 1000:.1f} ms; what it saw has the digest {record.snapshot_digest}."
    )
    return tuple(words)


def _inputs(snapshot: Snapshot) -> Table:
    columns = (
        Column("Instrument"),
        Column("Bid", Unit.PRICE),
        Column("Ask", Unit.PRICE),
        Column("Age", Unit.SECONDS),
        Column("Held", Unit.QUANTITY),
        Column("Taker fee", Unit.BASIS_POINTS),
        Column("Funding a year", Unit.FRACTION),
        Column("Traded a day", Unit.MONEY),
    )
    rows = tuple(
        (
            one.symbol,
            None if one.quote is None else one.quote.bid,
            None if one.quote is None else one.quote.ask,
            one.age if one.quote is not None else None,
            one.quantity,
            one.taker_fee,
            one.funding if not one.market.is_spot else None,
            None if one.daily_volume != one.daily_volume else one.daily_volume,  # NaN is not known
        )
        for one in snapshot.instruments
    )
    return Table("What it saw", columns, rows)


def _weights(decision: Decision) -> Table:
    columns = (
        Column("Instrument"),
        Column("Weight", Unit.FRACTION),
        Column("Target", Unit.FRACTION),
        Column("Region from", Unit.FRACTION),
        Column("to", Unit.FRACTION),
        Column("Planned", Unit.FRACTION),
        Column("Expected return", Unit.FRACTION),
        Column("Volatility", Unit.FRACTION),
        Column("Beta", Unit.NUMBER),
        Column("Dust", Unit.MONEY),
    )
    rows = tuple(
        (
            line.symbol,
            line.weight,
            line.target,
            line.low,
            line.high,
            line.planned,
            line.expected_return,
            line.volatility,
            line.beta,
            line.dust or None,
        )
        for line in decision.lines
    )
    note = "; ".join(f"{line.symbol}: {line.dust_reason}" for line in decision.lines if line.dust_reason)
    return Table("Weights and the no-trade region", columns, rows, note)


RISK = {
    "Volatility a year": "volatility",
    "Value at risk": "value_at_risk",
    "Expected shortfall": "expected_shortfall",
    "Tracking error a year": "tracking_error",
}
EXPOSURE = {
    "Gross leverage": "gross",
    "Net leverage": "net",
    "Net beta": "beta",
    "Diversification ratio": "diversification",
}


def _figures(decision: Decision, title: str, names: Mapping[str, str], unit: Unit) -> Table:
    """Return some figures of the book before and after the trade."""
    columns = (Column("Figure"), Column("Before", unit), Column("After", unit))
    before, after = decision.before, decision.after
    if before is None or after is None:
        return Table(title, columns, ())
    rows = tuple((name, _figure(before, field), _figure(after, field)) for name, field in names.items())
    return Table(title, columns, rows)


def _figure(figures: Figures, field: str) -> float | None:
    number: float | None = getattr(figures, field)
    return number


def _costs(decision: Decision, paid: Paid) -> Table:
    columns = (Column("Cost"), Column("In the quote currency", Unit.MONEY))
    if not decision.legs:
        return Table("Costs", columns, ())
    rows = (
        ("Expected, of all legs", decision.expected_cost),
        ("Expected, of what was filled", paid.predicted),
        ("Paid: fees and slippage against the mid price seen", paid.paid),
        ("Turnover filled", paid.turnover),
    )
    return Table("Costs", columns, rows)


def _binding(decision: Decision) -> Table:
    columns = (Column("Limit"), Column("Instrument"), Column("Gain a year of easing it by one", Unit.NUMBER))
    rows = tuple((one.limit, one.symbol, one.multiplier) for one in decision.binding)
    return Table("What bound the optimum", columns, rows)


def _refusals(decision: Decision) -> Table:
    columns = (Column("Limit"), Column("Instrument"), Column("Why"))
    return Table("Refused", columns, tuple((one.code, one.symbol, one.sentence) for one in decision.refusals))


def _orders(orders: Sequence[OrderRecord]) -> Table:
    columns = (
        Column("Order"),
        Column("Instrument"),
        Column("Side"),
        Column("Quantity", Unit.QUANTITY),
        Column("Price", Unit.PRICE),
        Column("Filled", Unit.QUANTITY),
        Column("Average", Unit.PRICE),
        Column("State"),
        Column("Note"),
    )
    rows = tuple(
        (
            one.order.client_id,
            one.order.symbol,
            one.order.side.value,
            one.order.quantity,
            one.order.price,
            one.order.filled,
            one.order.average_price,
            one.order.state.value,
            one.order.reason,
        )
        for one in orders
    )
    return Table("Orders", columns, rows)
