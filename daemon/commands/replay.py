"""`keelward replay`: compute stored decisions anew and compare them to the last digit."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from daemon.commands.common import add_config, add_json, command, positive, say, say_json, settings_of, store_of
from daemon.exits import Exit
from daemon.replay import NotKeptError, Replay, replay
from daemon.store.codec import CodecError
from daemon.store.database import reading
from daemon.store.decisions import AmbiguousNameError, load_decisions
from risk.portfolio.optimiser import Optimiser

if TYPE_CHECKING:
    import argparse

    from sqlalchemy import Engine

    from daemon.cli import Subparsers

EXAMPLES = """  keelward replay 20260102T030405678Z
  keelward replay --all              every decision that is kept
  keelward replay --last 100 --json"""
ALL = 1_000_000


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "replay",
        "recompute a decision and compare to the last digit",
        "Compute stored decisions anew from what they saw, with this program, and compare every field.\n"
        "Exits with 1 if one differs; the version that decided then is named.",
        EXAMPLES,
    )
    add_config(parser)
    add_json(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="a decision's id, or a beginning of it")
    which.add_argument("--all", action="store_true", help="every decision whose snapshot is kept")
    which.add_argument("--last", metavar="N", type=positive, help="the latest N decisions")


def run(args: argparse.Namespace) -> int:
    """Replay what was asked for."""
    engine = store_of(settings_of(args))
    try:
        names = [args.id] if args.id else _names(engine, args.last or ALL)
        optimiser = Optimiser()
        replays = [replay(engine, name, optimiser) for name in names]
    except (AmbiguousNameError, NotKeptError, CodecError) as error:
        say(str(error))
        return Exit.FAILED
    finally:
        engine.dispose()
    bad = [one for one in replays if not one.agrees or one.damaged]
    if args.json:
        say_json({"replayed": len(replays), "differ": [asdict(one) for one in bad]})
    else:
        for one in bad:
            _show(one)
        say(f"{len(replays)} replayed, {len(replays) - len(bad)} agree to the last digit, {len(bad)} differ")
    return Exit.FAILED if bad else Exit.OK


def _names(engine: Engine, limit: int) -> list[str]:
    with reading(engine) as connection:
        records = load_decisions(connection, limit=limit, with_bytes=True)
    return [record.id for record in reversed(records) if record.snapshot is not None]


def _show(one: Replay) -> None:
    say(f"{one.id} differs (decided by version {one.version})")
    if one.damaged:
        say("  what it saw is not what was written: the database was changed")
    for name, stored, computed in one.differences:
        say(f"  {name}: stored {stored}, computed {computed}")
