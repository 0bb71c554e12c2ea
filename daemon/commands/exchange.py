"""`keelward exchange`: a simulated exchange that speaks OKX v5, on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.commands.common import command
from exchanges.simulator import serve

if TYPE_CHECKING:
    import argparse

    from daemon.cli import Subparsers

EXAMPLES = """  keelward exchange --port 8080 --seed 7            prices from a seeded generator
  keelward exchange --port 8080 --speed 60           a market minute a second
  keelward exchange --port 8080 --replay bars.csv    prices from a file"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "exchange",
        "serve a simulated exchange on this machine",
        "Serve a simulated exchange on loopback that a client cannot tell from OKX.\n"
        "Prints one line of JSON when ready (address, keys, admin address) and runs until a signal.",
        EXAMPLES,
    )
    serve.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal."""
    return serve.run(args)
