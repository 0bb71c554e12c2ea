"""`keelward resume`: a named person lets the daemon trade again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from daemon.commands.common import add_config, add_json, command, moment, say, say_json, settings_of, store_of
from daemon.exits import Exit
from daemon.snapshot import Standing
from daemon.store import Halt, current_halt, rearm
from daemon.store.database import writing

if TYPE_CHECKING:
    import argparse

    from daemon.cli import Subparsers

EXAMPLES = """  keelward status                                            why was it halted?
  keelward resume --by Ada --reason "drawdown reviewed with risk"
  keelward resume --reducing --by Ada --reason "sell down first\""""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "resume",
        "let a halted daemon trade again",
        "Re-arm the breaker. Only a named person does this, with a reason; both are kept for ever.",
        EXAMPLES,
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument("--by", metavar="NAME", required=True, help="who takes the responsibility")
    parser.add_argument("--reason", required=True, help="why it is safe again, for the books")
    parser.add_argument("--reducing", action="store_true", help="allow only orders that lower risk")


def run(args: argparse.Namespace) -> int:
    """Write it into the database, where the daemon reads it."""
    if not args.by.strip() or not args.reason.strip():
        say("only a named person resumes, and with a reason")
        return Exit.USAGE
    engine = store_of(settings_of(args))
    state = Standing.REDUCING if args.reducing else Standing.ACTIVE
    with writing(engine) as connection:
        before = current_halt(connection)
        needed = before is not None and before.state not in {Standing.ACTIVE, state}
        if needed:
            rearm(connection, Halt(datetime.now(UTC), state, "resume", args.reason, args.by))
    engine.dispose()
    standing = state if needed or before is None else before.state
    if args.json:
        say_json({"changed": needed, "before": None if before is None else before.state, "state": standing})
    elif before is None or not needed:
        say(f"{standing}: nothing to resume")
    else:
        say(f"{standing}. It was {before.state} since {moment(before.at)} UTC: {before.reason} ({before.who})")
    return Exit.OK
