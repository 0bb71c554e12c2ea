"""The command line: one table of commands, each in a module of its own that is imported when it is called."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from daemon.exits import MEANINGS, Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse has no public name


class CommandModule(Protocol):
    """What a module of `daemon.commands` has."""

    def add(self, subparsers: Subparsers) -> None:
        """Add the command's parser, with a help worth reading."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it, and return the exit code."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, its line in the list, and its module in `daemon.commands`."""

    name: str
    line: str
    module: str


COMMANDS = (
    Command("demo", "trade on a simulated exchange on this machine, and watch", "demo"),
    Command("run", "trade: the service itself", "run"),
    Command("check", "check configuration, secrets and database without trading", "check"),
    Command("plan", "show what would be done now and why, sending nothing", "plan"),
    Command("status", "show what the daemon does and what it holds", "status"),
    Command("decisions", "list the latest decisions and their reasons", "decisions"),
    Command("explain", "show a decision's inputs, constraints, cost and risk", "explain"),
    Command("replay", "recompute a decision and compare to the last digit", "replay"),
    Command("orders", "list orders, or show one with its events and fills", "orders"),
    Command("halt", "stop sending orders, now", "halt"),
    Command("resume", "let a halted daemon trade again", "resume"),
    Command("config", "show the effective configuration, or its reference", "config"),
    Command("db", "upgrade or check the database", "db"),
    Command("exchange", "serve a simulated exchange on this machine", "exchange"),
)

LIST = "commands:\n" + "\n".join(f"  {command.name:<11} {command.line}" for command in COMMANDS)
DESCRIPTION = f"""A rebalancing daemon for crypto exchanges: prices in, optimal orders out.

{LIST}

`keelward COMMAND --help` tells more."""
EXITS = "exit codes:\n" + "\n".join(f"  {code.value:<4} {meaning}" for code, meaning in MEANINGS.items())
EPILOG = f"""first steps:
  keelward demo                          trade on a simulated exchange, nothing to set up
  keelward check --config my.toml        is this configuration right?
  keelward db upgrade --config my.toml   make the tables
  keelward plan --config my.toml         what would it do now?
  keelward run --config my.toml          trade

The configuration is --config PATH, else $KEELWARD_CONFIG, else keelward.toml.

{EXITS}
"""


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; only the chosen command's module is imported, the others are known by name."""
    parser = argparse.ArgumentParser(
        prog="keelward",
        usage="keelward [-h] [--version] COMMAND ...",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    subparsers = parser.add_subparsers(prog="keelward", dest="command", metavar="COMMAND", help=argparse.SUPPRESS)
    for command in COMMANDS:
        if command.name == chosen:
            load(command).add(subparsers)
        else:
            subparsers.add_parser(command.name, add_help=False)
    return parser


def load(command: Command) -> CommandModule:
    """Import a command's module."""
    return cast("CommandModule", import_module(f"daemon.commands.{command.module}"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    by_name = {command.name: command for command in COMMANDS}
    command = by_name.get(next((word for word in words if not word.startswith("-")), ""))
    parser = build_parser(command.name if command else None)
    args = parser.parse_args(words)
    if args.version:
        print(_version())
        return Exit.OK
    if command is None:
        parser.print_help()
        return Exit.USAGE
    from daemon.commands.guard import guarded  # noqa: PLC0415  # what it knows of takes long to import

    code = guarded(load(command).run, args)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone: nothing is wrong, and nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415  # takes longer than the rest of the help

    return f"keelward {version('keelward')}"
