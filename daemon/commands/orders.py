"""`keelward orders`: what was ordered, what became of it, and what was traded."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from daemon.commands.common import (
    add_config,
    add_json,
    amount,
    command,
    exact,
    moment,
    positive,
    say,
    say_json,
    settings_of,
    since,
    store_of,
    table,
)
from daemon.exits import Exit
from daemon.store.database import reading
from daemon.store.orders import load_events, load_open_orders, load_order, load_orders
from exchanges.order_table import State

if TYPE_CHECKING:
    import argparse

    from sqlalchemy import Connection

    from daemon.cli import Subparsers
    from daemon.store.orders import OrderRecord

EXAMPLES = """  keelward orders                       the latest twenty
  keelward orders --open                those that are not over
  keelward orders --state unknown       those in doubt
  keelward orders --decision ID         those of one decision
  keelward orders CLIENT_ID             one, with all that happened to it"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "orders",
        "list orders, or show one with its events and fills",
        "List orders, newest first, or show one with everything that happened to it and its fills.",
        EXAMPLES,
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument("client_id", nargs="?", help="show this order alone, in full")
    parser.add_argument("-n", "--limit", type=positive, default=20, help="how many at most (default: %(default)s)")
    parser.add_argument("--since", type=since, help="only since then: 24h, 7d, or 2026-05-01T12:00")
    parser.add_argument("--open", action="store_true", help="only those that are not over, oldest first")
    parser.add_argument("--state", choices=[state.value for state in State], help="only those in this state")
    parser.add_argument("--symbol", help="only those in this market")
    parser.add_argument("--decision", metavar="ID", help="only those of this decision")


def run(args: argparse.Namespace) -> int:
    """List them, or show one."""
    engine = store_of(settings_of(args))
    try:
        with reading(engine) as connection:
            return _list(connection, args) if args.client_id is None else _show(connection, args)
    finally:
        engine.dispose()


def _list(connection: Connection, args: argparse.Namespace) -> int:
    if args.open:
        found = load_open_orders(connection)
    else:
        states = [State(args.state)] if args.state else []
        found = load_orders(
            connection,
            limit=args.limit,
            since=args.since,
            states=states,
            symbol=args.symbol,
            decision_id=args.decision,
        )
    if args.json:
        say_json([_document(record) for record in found])
    elif not found:
        say("no orders")
    else:
        heads = ["client id", "at (UTC)", "symbol", "side", "quantity", "filled", "price", "state", "note"]
        table(heads, [_row(record) for record in found], right=("quantity", "filled", "price"))
    return Exit.OK


def _row(record: OrderRecord) -> list[str]:
    order = record.order
    price = order.average_price or order.price
    note = " ".join(part for part in ("LATE" if order.late else "", order.reason) if part)
    quantities = [exact(order.quantity), exact(order.filled), "-" if price is None else f"{price:.10g}"]
    return [order.client_id, moment(record.created_at), order.symbol, order.side, *quantities, order.state, note]


def _show(connection: Connection, args: argparse.Namespace) -> int:
    record = load_order(connection, args.client_id)
    if record is None:
        say(f"there is no order {args.client_id}")
        return Exit.FAILED
    events = load_events(connection, args.client_id)
    if args.json:
        told = [{"at": at, "kind": type(event).__name__, **asdict(event)} for at, event in events]
        say_json(_document(record) | {"events": told})
        return Exit.OK
    order = record.order
    average = "" if order.average_price is None else f" at {order.average_price:.10g}"
    say(f"{order.side} {exact(order.quantity)} {order.symbol} at {exact(order.price)}, {order.type}, {order.venue}")
    say(f"state     {order.state}{' (late: the venue contradicted an end)' if order.late else ''}")
    say(f"filled    {exact(order.filled)}{average}")
    say(f"fees      {', '.join(f'{exact(fee)} {coin}' for coin, fee in order.fees.items()) or '-'}")
    say(f"sent      {moment(order.sent_at)}, epoch {order.epoch or '-'}, id there {order.venue_order_id or '-'}")
    say(f"decision  {record.decision_id}, leg {record.leg}, slice {record.slice}, {amount(record.notional)} notional")
    if order.reason:
        say(f"note      {order.reason}")
    if order.fills:
        say()
        rows = [
            [f.trade_id, moment(f.time), exact(f.quantity), exact(f.price), f"{exact(f.fee)} {f.fee_currency}"]
            for f in order.fills
        ]
        table(["trade", "at (UTC)", "quantity", "price", "fee"], rows, right=("quantity", "price"))
    if events:
        say()
        table(["learnt (UTC)", "event"], [[moment(at), type(event).__name__] for at, event in events])
    return Exit.OK


def _document(record: OrderRecord) -> dict[str, Any]:
    order = record.order
    return {
        **asdict(order),
        "average_price": order.average_price,
        "fees": dict(order.fees),
        "settled": order.is_settled,
        "decision": record.decision_id,
        "leg": record.leg,
        "slice": record.slice,
        "notional": record.notional,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }
