"""What a demo did, from its database and from the exchange's own lists: the two must be the same to the last digit."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from daemon.commands.common import engine_of, say
from daemon.config import load
from daemon.costs_paid import CostTally
from daemon.decision import Outcome
from daemon.store import codec, schema
from daemon.store.database import reading
from daemon.store.decisions import load_decisions
from daemon.store.orders import load_orders
from daemon.store.series import equity_series, latest_equity
from exchanges.order_table import State
from exchanges.port import ZERO

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from daemon.decision import Decision, Line
    from daemon.snapshot import Snapshot
    from daemon.store.series import EquityRecord
    from daemon.view import Costs

ALL = 1_000_000
ROUNDING = 1e-3
NEVER_THERE = frozenset({State.REJECTED, State.ABSENT, State.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Summary:
    """A demo in numbers; `differences` are orders on which our books and the exchange's do not agree."""

    cycles: int
    rebalances: int
    orders: int
    costs: Costs
    tracking_before: float | None
    tracking_after: float | None
    first: EquityRecord | None
    last: EquityRecord | None
    outside: tuple[str, ...]
    compared: int
    differences: tuple[str, ...]


def summarise(path: Path, admin: str) -> Summary:
    """Return the summary of the demo with this configuration, its exchange still running."""
    settings = load(path)
    engine = engine_of(settings)
    try:
        with reading(engine) as connection:
            return _summary(connection, settings.portfolio.quote, _exchange_orders(admin))
    finally:
        engine.dispose()


def _summary(connection: Connection, quote: str, theirs: list[dict[str, Any]]) -> Summary:
    records = load_decisions(connection, limit=ALL)
    traded = load_decisions(connection, limit=ALL, outcome=Outcome.TRADE.value, with_bytes=True)
    decisions: list[Decision] = [codec.decode(one.result) for one in traded if one.result is not None]
    first = decisions[-1] if decisions else None
    latest = load_decisions(connection, limit=1, with_bytes=True)
    last: Decision | None = codec.decode(latest[0].result) if latest and latest[0].result else None
    series = equity_series(connection, points=ALL)
    compared, differences = _compare(connection, theirs)
    return Summary(
        cycles=len(records),
        rebalances=len(traded),
        orders=connection.execute(select(func.count()).select_from(schema.orders)).scalar_one(),
        costs=CostTally(quote).read(connection),
        tracking_before=None if first is None or first.before is None else first.before.tracking_error,
        tracking_after=None if last is None or last.after is None else last.after.tracking_error,
        first=series[0] if series else None,
        last=latest_equity(connection),
        outside=() if last is None else tuple(line.symbol for line in last.lines if not _settled(line)),
        compared=compared,
        differences=differences,
    )


def _settled(line: Line) -> bool:
    """Whether a line's weight was inside its region, or was brought to where the solve with costs stops."""
    return line.inside or abs(line.planned - line.optimal) <= ROUNDING or bool(line.dust)


def _exchange_orders(admin: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{admin}/orders", timeout=10) as answer:  # noqa: S310  # loopback, our own process
        found: list[dict[str, Any]] = json.loads(answer.read())
    return found


def _compare(connection: Connection, theirs: list[dict[str, Any]]) -> tuple[int, tuple[str, ...]]:
    """Compare every order that was sent with the exchange's own list: ids, filled amounts and fees.

    The exchange's list begins later than our books when the demo was started again: orders from before are left out.
    """
    sent = [record.order for record in load_orders(connection, limit=ALL) if record.order.sent_at is not None]
    known = {row["clOrdId"]: row for row in theirs if row["clOrdId"]}
    begun = min((int(row["cTime"]) for row in theirs), default=0) / 1000
    ours = {order.client_id: order for order in sent if order.sent_at and order.sent_at.timestamp() >= begun - 1}
    markets = _contract_sizes(connection)
    found = [f"{name} is not in our books" for name in known.keys() - ours.keys()]
    for name, order in ours.items():
        row = known.get(name)
        if row is None:
            if order.state not in NEVER_THERE:
                found.append(f"{name} is {order.state.value} here and unknown there")
            continue
        filled = Decimal(row["accFillSz"]) * markets.get(order.symbol, Decimal(1))
        fees = {row["feeCcy"]: -Decimal(row["fee"])} if row["feeCcy"] and Decimal(row["fee"] or 0) else {}
        if order.filled != filled or {coin: fee for coin, fee in order.fees.items() if fee} != fees:
            found.append(f"{name}: {order.filled} with fees {dict(order.fees)} here, {filled} with {fees} there")
        if order.venue_order_id != row["ordId"]:
            found.append(f"{name}: id {order.venue_order_id} here, {row['ordId']} there")
    return len(ours), tuple(found)


def _contract_sizes(connection: Connection) -> Mapping[str, Decimal]:
    """Return what a contract of each derivative stands for, as the latest decision saw it."""
    latest = load_decisions(connection, limit=1, with_bytes=True)
    if not latest or latest[0].snapshot is None:
        return {}
    snapshot: Snapshot = codec.decode(latest[0].snapshot)
    return {one.symbol: one.market.contract_size for one in snapshot.instruments}


def write_summary(summary: Summary) -> None:
    """Print the summary."""
    say()
    say(f"cycles      {summary.cycles}, of which {summary.rebalances} traded")
    costs = summary.costs
    say(f"orders      {summary.orders}, {costs.fills} fills, turnover {costs.turnover:,.0f}")
    if costs.turnover:
        paid, predicted = (float(one / costs.turnover) * 1e4 for one in (costs.paid, costs.predicted))
        say(
            f"cost        {costs.paid:,.2f} paid ({paid:.1f} bp), {costs.predicted:,.2f} predicted ({predicted:.1f} bp)"
        )
    if summary.tracking_before is not None and summary.tracking_after is not None:
        say(f"tracking    {summary.tracking_before:.2%} a year before, {summary.tracking_after:.2%} at the end")
    if summary.first is not None and summary.last is not None:
        hold = summary.last.hold or ZERO
        say(f"equity      {summary.last.equity:,.2f} (began {summary.first.equity:,.2f}); buy and hold: {hold:,.2f}")
    where = "every weight is inside its region" if not summary.outside else f"outside: {', '.join(summary.outside)}"
    say(f"weights     {where}")
    if summary.differences:
        shown = "; ".join(summary.differences[:5])
        say(f"books       {len(summary.differences)} DIFFERENCES from the exchange: {shown}")
    else:
        say(f"books       {summary.compared} orders equal the exchange's own list, to the last digit")
