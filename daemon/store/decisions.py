"""Decisions and their intents in SQL: written before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select

from daemon.store import lease as leases
from daemon.store import schema
from daemon.store.orders import order_values
from daemon.store.schema import fitted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import Connection, RowMapping

    from daemon.store.lease import Lease
    from exchanges.orders import Order

TABLE = schema.decisions
INTENTS = schema.intents


class AmbiguousNameError(LookupError):
    """A beginning of an id that several decisions share."""


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A decision as it is stored.

    Args:
        id: the decision's.
        at: when its snapshot was taken.
        trigger: what started the cycle.
        outcome: what it does, as a code.
        reason: why, as a code.
        sentence: both, for people.
        expected_cost: of its orders, in quote coin.
        snapshot: what it saw, encoded; None where it is no longer kept.
        result: the decision itself, encoded; None where it is no longer kept.
        snapshot_digest: of the encoded snapshot.
        config_hash: of the settings.
        code_version: of the program.
        duration: seconds that it took.
        orders: how many intents it has; counted when read.
    """

    id: str
    at: datetime
    trigger: str
    outcome: str
    reason: str
    sentence: str
    expected_cost: Decimal | None
    snapshot: bytes | None
    result: bytes | None
    snapshot_digest: str
    config_hash: str
    code_version: str
    duration: float
    orders: int = 0


@dataclass(frozen=True, slots=True)
class Intent:
    """An order that a decision wants, as planned or as denied by a limit.

    Args:
        order: as `exchanges.orders.plan` made it.
        leg: which of the decision's legs.
        slice: which part of the leg.
        notional: what limits count when it is sent, in quote coin.
    """

    order: Order
    leg: int
    slice: int
    notional: Decimal


def record_decision(
    connection: Connection, decision: DecisionRecord, intents: Sequence[Intent], lease: Lease | None
) -> None:
    """Write a decision and its intents, provided the lease is held.

    A decision without intents may be written without a lease (None): it can move nothing.

    Raises:
        LeaseLostError: somebody else may be writing.
        ValueError: intents without a lease.
        StoreConflictError: the decision or a client id is there already.
    """
    if lease is not None:
        leases.require(connection, lease)
    elif intents:
        raise ValueError(f"decision {decision.id} has intents and no lease")
    columns = [column.name for column in TABLE.columns]
    row = {name: getattr(decision, name) for name in columns}
    if decision.expected_cost is not None:
        row["expected_cost"] = fitted(decision.expected_cost)
    connection.execute(insert(TABLE), row)
    _insert_intents(connection, decision.id, intents, decision.at)


def add_intents(
    connection: Connection, decision_id: str, intents: Sequence[Intent], at: datetime, lease: Lease
) -> None:
    """Write further orders of a decision: later slices, and buys that were sized once the sells had settled.

    Raises:
        LeaseLostError: somebody else may be writing.
        StoreConflictError: the decision is not there, or a client id is.
    """
    leases.require(connection, lease)
    _insert_intents(connection, decision_id, intents, at)


def _insert_intents(connection: Connection, decision_id: str, intents: Sequence[Intent], at: datetime) -> None:
    if intents:
        connection.execute(insert(INTENTS), [_intent_values(decision_id, intent, at) for intent in intents])
        connection.execute(
            insert(schema.orders), [{"client_id": i.order.client_id, **order_values(i.order, at)} for i in intents]
        )


def _intent_values(decision_id: str, intent: Intent, at: datetime) -> dict[str, object]:
    order = intent.order
    return {
        "client_id": order.client_id,
        "decision_id": decision_id,
        "leg": intent.leg,
        "slice": intent.slice,
        "venue": order.venue,
        "symbol": order.symbol,
        "side": order.side.value,
        "type": order.type.value,
        "quantity": order.quantity,
        "price": order.price,
        "reduce_only": order.reduce_only,
        "notional": fitted(intent.notional),
        "created_at": at,
    }


def load_decision(connection: Connection, decision_id: str) -> DecisionRecord | None:
    """Return one decision with its snapshot and result, or None; any unambiguous beginning of its id will do.

    Raises:
        AmbiguousNameError: several decisions begin so.
    """
    query = _query(with_bytes=True).where(TABLE.c.id.startswith(decision_id, autoescape=True)).limit(2)
    rows = connection.execute(query).mappings().all()
    exact = [row for row in rows if row["id"] == decision_id]
    if len(exact or rows) > 1:
        raise AmbiguousNameError(f"several decisions begin with {decision_id}: say more of the id")
    return _record((exact or rows)[0]) if rows else None


def load_decisions(
    connection: Connection,
    *,
    limit: int = 50,
    since: datetime | None = None,
    outcome: str | None = None,
    reason: str | None = None,
    with_bytes: bool = False,
) -> list[DecisionRecord]:
    """Return the latest decisions, newest first; without snapshot and result unless asked for."""
    query = _query(with_bytes=with_bytes).order_by(TABLE.c.at.desc(), TABLE.c.id.desc()).limit(limit)
    if since is not None:
        query = query.where(TABLE.c.at >= since)
    if outcome is not None:
        query = query.where(TABLE.c.outcome == outcome)
    if reason is not None:
        query = query.where(TABLE.c.reason == reason)
    return [_record(row) for row in connection.execute(query).mappings()]


def _query(*, with_bytes: bool):  # type: ignore[no-untyped-def]  # SQLAlchemy's type would name every column
    count = (select(func.count()).where(INTENTS.c.decision_id == TABLE.c.id).correlate(TABLE).scalar_subquery()).label(
        "orders"
    )
    columns = [column for column in TABLE.columns if with_bytes or column.name not in {"snapshot", "result"}]
    return select(*columns, count)


def _record(row: RowMapping) -> DecisionRecord:
    return DecisionRecord(**{"snapshot": None, "result": None, **row})
