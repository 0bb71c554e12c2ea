"""`keelward config`: the effective configuration, and the reference of all keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daemon.commands.common import add_config, add_json, command, say, say_json, settings_of
from daemon.config import config_hash, default_path
from daemon.config.docs import MINIMAL, effective, reference
from daemon.exits import Exit

if TYPE_CHECKING:
    import argparse

    from daemon.cli import Subparsers

EXAMPLES = """  keelward config show --config my.toml
  keelward config docs > configuration.md
  keelward config example > my.toml"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "config",
        "show the effective configuration, or its reference",
        "Show the configuration with every default filled in (secrets stay references), or what every key means.",
        EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="print the configuration with all defaults, as TOML")
    add_config(show)
    add_json(show)
    docs = actions.add_parser("docs", help="print the reference of all keys, as Markdown")
    where = docs.add_mutually_exclusive_group()
    where.add_argument("--write", metavar="FILE", type=Path, help="write it to a file")
    where.add_argument("--check", metavar="FILE", type=Path, help="fail unless the file holds exactly this")
    actions.add_parser("example", help="print the least that is needed, as TOML")


def run(args: argparse.Namespace) -> int:
    """Print, write or compare."""
    actions = {"show": _show, "docs": _docs, "example": _example}
    return actions[args.action](args)


def _show(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    if args.json:
        document = {"file": args.config or default_path(), "hash": config_hash(settings)}
        say_json(document | {"settings": settings.model_dump(mode="json")})
    else:
        say(f"# {args.config or default_path()}, hash {config_hash(settings)}\n")
        say(effective(settings).rstrip())
    return Exit.OK


def _docs(args: argparse.Namespace) -> int:
    text = reference()
    if args.write is not None:
        args.write.write_text(text)
    elif args.check is None:
        say(text.rstrip())
    elif not args.check.exists() or args.check.read_text() != text:
        say(f"{args.check} is stale: keelward config docs --write {args.check}")
        return Exit.FAILED
    return Exit.OK


def _example(_args: argparse.Namespace) -> int:
    say(MINIMAL.rstrip())
    return Exit.OK
