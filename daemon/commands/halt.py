"""`keelward halt`: no new order leaves from now on."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from daemon.commands.common import add_config, add_json, command, say, say_json, settings_of, store_of
from daemon.exits import Exit
from daemon.snapshot import Standing
from daemon.store import Halt, current_halt, trip
from daemon.store.database import writing

if TYPE_CHECKING:
    import argparse

    from daemon.cli import Subparsers

EXAMPLES = """  keelward halt --reason "venue behaves oddly"
  keelward halt --reducing --reason "de-risk into the weekend"
  keelward resume --by Ada --reason "venue confirmed normal"     to trade again"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "halt",
        "stop sending orders, now",
        "Trip the breaker: the daemon reads it before each cycle and before each send, and it survives a restart.\n"
        "Orders that are at the venue stay there. A halt never eases one that is in force already.",
        EXAMPLES,
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument("--reason", required=True, help="why, for the books")
    parser.add_argument("--by", metavar="NAME", help="who (default: the name you are logged in with)")
    parser.add_argument("--reducing", action="store_true", help="still allow orders that lower risk")


def run(args: argparse.Namespace) -> int:
    """Write it into the database, where the daemon reads it."""
    engine = store_of(settings_of(args))
    state = Standing.REDUCING if args.reducing else Standing.HALTED
    halt = Halt(datetime.now(UTC), state, "manual", args.reason, args.by or getpass.getuser())
    with writing(engine) as connection:
        changed = trip(connection, halt)
        now = current_halt(connection)
    engine.dispose()
    standing = Standing.ACTIVE if now is None else now.state
    if args.json:
        say_json({"changed": changed, "state": standing})
    else:
        say(f"{standing}{'' if changed else ', as it was already'}")
    return Exit.OK
