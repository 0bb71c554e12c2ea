"""`keelward run`: the service itself."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import uvloop

from daemon import logs
from daemon.commands.common import add_config, command, settings_of
from daemon.commands.running import make_app, make_tables, root_of, until_signal
from daemon.config import confirm_live
from daemon.exits import Exit
from daemon.supervise import TaskEndedError

if TYPE_CHECKING:
    import argparse

    from daemon.cli import Subparsers

log = logging.getLogger(__name__)

EXAMPLES = """  keelward run --config my.toml
  keelward run --config my.toml --live main      the second switch that real money needs

signals:
  SIGTERM, SIGINT    finish what is being written, give the lease back, end
  a second one       end at once; the next start recovers
  SIGUSR1            decide now, whatever the timer says"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "run",
        "trade: the service itself",
        "Stream prices, decide, trade, and serve the page and the metrics, until a signal.\n"
        "Start is recovery: whatever a crash left is looked up at the exchange before anything is decided.\n"
        "A new SQLite file gets its tables; tables that exist are changed by `keelward db upgrade` alone.",
        EXAMPLES,
    )
    add_config(parser)
    parser.add_argument("--live", metavar="NAME", help="the portfolio's name, to confirm that real money may move")


def run(args: argparse.Namespace) -> int:
    """Trade until a signal."""
    settings = settings_of(args)
    redactor = logs.set_up(settings.service.log_format, settings.service.log_level)
    confirm_live(settings, args.live, os.environ)
    make_tables(settings)
    app = make_app(settings, redactor)
    try:
        uvloop.run(until_signal(app))
    except TaskEndedError as error:
        root = root_of(error)
        if root is not error:
            raise root from error
        log.critical("%s", error, exc_info=error)
        return Exit.FAILED
    return Exit.OK
