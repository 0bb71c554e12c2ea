"""`keelward status`: what the daemon may do, does and holds, from the database and from the daemon itself."""

from __future__ import annotations

import http.client
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from daemon.commands.common import (
    add_config,
    add_json,
    amount,
    command,
    exact,
    moment,
    say,
    say_json,
    settings_of,
    store_of,
    table,
)
from daemon.exits import Exit
from daemon.snapshot import Standing
from daemon.store import current_halt
from daemon.store import lease as leases
from daemon.store.database import reading
from daemon.store.decisions import load_decisions
from daemon.store.ledger import fills_since, load_ledger
from daemon.store.orders import load_open_orders, sent_since
from daemon.store.series import latest_equity

if TYPE_CHECKING:
    import argparse

    from sqlalchemy import Connection

    from daemon.cli import Subparsers
    from daemon.config import Settings
    from daemon.store import Halt
    from daemon.store.decisions import DecisionRecord
    from daemon.store.lease import Lease
    from daemon.store.ledger import Ledger
    from daemon.store.series import EquityRecord

PATIENCE = 2.0
LARGEST_ANSWER = 16 * 1024 * 1024
EXAMPLES = """  keelward status
  keelward status --json | jq .state"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database says."""

    halt: Halt | None
    lease: Lease | None
    lease_seconds: float | None
    decision: DecisionRecord | None
    equity: EquityRecord | None
    open_orders: int
    sent_today: int
    fills_today: int
    ledger: Ledger


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "status",
        "show what the daemon does and what it holds",
        "Show what the daemon may do, who leads, the last decision, equity and holdings.\n"
        "Exits with 0 when a daemon runs and may trade, else with 1.",
        EXAMPLES,
    )
    add_config(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the database and the daemon."""
    settings = settings_of(args)
    engine = store_of(settings)
    with reading(engine) as connection:
        stored = _read(connection, settings)
    engine.dispose()
    live = _ask(settings)
    state = Standing.ACTIVE if stored.halt is None else stored.halt.state
    if args.json:
        say_json(_document(settings, stored, live, state))
    else:
        _show(settings, stored, live, state)
    return Exit.OK if live is not None and state is Standing.ACTIVE else Exit.FAILED


def _read(connection: Connection, settings: Settings) -> Stored:
    day = datetime.now(UTC) - timedelta(days=1)
    lease = leases.read(connection, settings.portfolio.name)
    latest = load_decisions(connection, limit=1)
    return Stored(
        halt=current_halt(connection),
        lease=lease,
        lease_seconds=None if lease is None else leases.seconds_left(connection, lease),
        decision=latest[0] if latest else None,
        equity=latest_equity(connection),
        open_orders=len(load_open_orders(connection)),
        sent_today=len(sent_since(connection, day)),
        fills_today=len(fills_since(connection, day)),
        ledger=load_ledger(connection, settings.venue.exchange, settings.venue.account),
    )


def _ask(settings: Settings) -> dict[str, Any] | None:
    """Return what a running daemon says of itself; None where nothing sensible answers."""
    connection = http.client.HTTPConnection(settings.service.address, settings.service.port, timeout=PATIENCE)
    try:
        connection.request("GET", "/status.json")
        answer = connection.getresponse()
        document = orjson.loads(answer.read(LARGEST_ANSWER)) if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError):
        return None
    finally:
        connection.close()
    ours = isinstance(document, dict) and document.get("instance", {}).get("portfolio") == settings.portfolio.name
    return document if ours else None


def _document(settings: Settings, stored: Stored, live: dict[str, Any] | None, state: Standing) -> dict[str, Any]:
    fields = {} if stored.decision is None else asdict(stored.decision)
    return {
        "portfolio": settings.portfolio.name,
        "running": live is not None,
        "state": state,
        **{name: value for name, value in asdict(stored).items() if name != "decision"},
        "decision": {name: value for name, value in fields.items() if name not in {"snapshot", "result"}} or None,
        "daemon": live,
    }


def _show(settings: Settings, stored: Stored, live: dict[str, Any] | None, state: Standing) -> None:
    money = "REAL MONEY" if settings.is_live else "simulated"
    say(f"portfolio  {settings.portfolio.name} on {settings.venue.exchange}, {money}")
    if live is None:
        say(f"daemon     no answer at {settings.service.address}:{settings.service.port}: not running, or starting")
    else:
        condition = live.get("condition", {})
        say(f"daemon     {'ready' if condition.get('ready') else 'not ready'}: {condition.get('why', '')}")
    why = "" if stored.halt is None else f", {stored.halt.reason} ({stored.halt.who}, {moment(stored.halt.at)} UTC)"
    say(f"breaker    {state}{why}")
    say(f"leader     {_leader(stored)}")
    if stored.decision is not None:
        say(f"decision   {stored.decision.id}: {stored.decision.sentence}")
    say(f"orders     {stored.open_orders} not over; in 24 h {stored.sent_today} sent, {stored.fills_today} fills")
    if stored.equity is not None:
        point = stored.equity
        say(
            f"equity     {amount(point.equity)} {settings.portfolio.quote} at {moment(point.at)} UTC, "
            f"drawdown {point.drawdown:.2%}, gross {point.gross:.2f}, net {point.net:.2f}"
        )
    rows = [[name, exact(total)] for name, total in sorted(stored.ledger.balances.items())]
    rows += [[name, exact(held.quantity)] for name, held in sorted(stored.ledger.positions.items())]
    if rows:
        say()
        table(["held", "quantity"], rows, right=("quantity",))


def _leader(stored: Stored) -> str:
    if stored.lease is None or stored.lease_seconds is None:
        return "nobody yet"
    holder = f"{stored.lease.holder}, epoch {stored.lease.epoch}"
    if stored.lease_seconds <= 0:
        return f"nobody; last {holder}"
    return f"{holder}, for another {stored.lease_seconds:.0f} s unless renewed"
