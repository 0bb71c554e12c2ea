"""`keelward decisions`: what was decided lately, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.commands.common import (
    add_config,
    add_json,
    amount,
    command,
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
from daemon.store.decisions import load_decisions

if TYPE_CHECKING:
    import argparse

    from daemon.cli import Subparsers

EXAMPLES = """  keelward decisions                          the latest twenty
  keelward decisions --outcome trade -n 5     the latest five that traded
  keelward decisions --since 24h --json       all of the last day, for scripts
  keelward explain ID                         why, in full"""
FIELDS = ("id", "at", "trigger", "outcome", "reason", "sentence", "orders", "expected_cost", "duration",
          "config_hash", "code_version", "snapshot_digest")  # fmt: skip


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "decisions",
        "list the latest decisions and their reasons",
        "List the latest decisions, newest first: when, what started them, what they did and why.",
        EXAMPLES,
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument("-n", "--limit", type=positive, default=20, help="how many at most (default: %(default)s)")
    parser.add_argument("--since", type=since, help="only since then: 24h, 7d, or 2026-05-01T12:00")
    parser.add_argument("--outcome", help="only these: trade, hold, refuse")
    parser.add_argument("--reason", help="only these, by code, e.g. inside_region")


def run(args: argparse.Namespace) -> int:
    """List them."""
    engine = store_of(settings_of(args))
    with reading(engine) as connection:
        found = load_decisions(connection, limit=args.limit, since=args.since, outcome=args.outcome, reason=args.reason)
    engine.dispose()
    if args.json:
        say_json([{name: getattr(record, name) for name in FIELDS} for record in found])
    elif not found:
        say("no decisions")
    else:
        rows = [
            [r.id, moment(r.at), r.trigger, r.outcome, str(r.orders), amount(r.expected_cost), r.sentence]
            for r in found
        ]
        table(["id", "at (UTC)", "trigger", "outcome", "orders", "cost", "why"], rows, right=("orders", "cost"))
    return Exit.OK
