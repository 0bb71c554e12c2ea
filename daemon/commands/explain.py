"""`keelward explain`: one decision told in full."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from daemon.commands.common import add_config, add_json, command, moment, say, say_json, settings_of, store_of, table
from daemon.exits import Exit
from daemon.explain import explain
from daemon.page.numbers import write
from daemon.store.decisions import AmbiguousNameError
from daemon.view import Unit

if TYPE_CHECKING:
    import argparse

    from daemon.cli import Subparsers

EXAMPLES = """  keelward explain 20260102T030405678Z
  keelward explain 20260102T0304          any beginning that only one decision has
  keelward explain 20260102T0304 --json"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "explain",
        "show a decision's inputs, constraints, cost and risk",
        "Tell a stored decision in full: what it saw, the region of each weight, the limits that bound it,\n"
        "expected cost and risk before and after, what it ordered and what came of it.",
        EXAMPLES,
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument("id", help="the decision's id, or a beginning of it (see `keelward decisions`)")


def run(args: argparse.Namespace) -> int:
    """Tell it."""
    engine = store_of(settings_of(args))
    try:
        told = explain(engine, args.id)
    except AmbiguousNameError as error:
        say(str(error))
        return Exit.FAILED
    finally:
        engine.dispose()
    if told is None:
        say(f"there is no decision {args.id}")
        return Exit.FAILED
    if args.json:
        say_json(asdict(told))
        return Exit.OK
    row = told.decision
    say(f"{row.id}  {moment(row.time)} UTC  {row.outcome}, {row.reason}")
    for paragraph in told.paragraphs:
        say(paragraph)
    for part in told.tables:
        say()
        say(part.title.upper())
        heads = [column.heading for column in part.columns]
        rows = [
            [write(cell, column.unit) for cell, column in zip(cells, part.columns, strict=True)] for cells in part.rows
        ]
        right = [column.heading for column in part.columns if column.unit is not Unit.TEXT]
        table(heads, rows, right=right)
        if part.note:
            say(part.note)
    return Exit.OK
