"""`keelward plan`: what would be done now and why; nothing is sent and nothing is written."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import uvloop

from daemon import logs
from daemon.commands.common import add_config, add_json, amount, command, exact, say, say_json, settings_of, table
from daemon.commands.running import make_app, make_tables, root_of
from daemon.exits import Exit
from daemon.supervise import TaskEndedError

if TYPE_CHECKING:
    import argparse

    from daemon.app import App
    from daemon.cli import Subparsers
    from daemon.decision import Decision

EXAMPLES = """  keelward plan --config my.toml
  keelward plan --json | jq '.legs'"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "plan",
        "show what would be done now and why, sending nothing",
        "Open the exchange, warm the signals up, bring the books up to date and decide once, as `run` would.\n"
        "No order is sent and no decision is stored. The daemon of this portfolio must not be running.",
        EXAMPLES,
    )
    add_config(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Decide once and show it."""
    settings = settings_of(args)
    redactor = logs.set_up(settings.service.log_format, "warning")
    make_tables(settings)
    app = make_app(settings, redactor)
    try:
        decision = uvloop.run(_decide(app))
    except TaskEndedError as error:
        raise root_of(error) from error
    if args.json:
        say_json(asdict(decision))
    else:
        _show(decision)
    return Exit.OK


async def _decide(app: App) -> Decision:
    """Run the start path up to the first decision, and stop there."""
    found: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
    service = asyncio.create_task(app.run(plan=found))
    either: set[asyncio.Future[None] | asyncio.Future[Decision]] = {service, found}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    app.stop.set()
    await service
    return found.result()


def _show(decision: Decision) -> None:
    say(f"{decision.outcome.value}: {decision.sentence}")
    cost = amount(decision.expected_cost)
    say(f"equity {amount(decision.equity)}, cash {amount(decision.cash)}, expected cost {cost}")
    say()
    if decision.lines:
        table(
            ("instrument", "held", "weight", "target", "region", "planned"),
            [
                (
                    line.symbol,
                    exact(line.quantity),
                    f"{line.weight:.2%}",
                    f"{line.target:.2%}",
                    f"{line.low:.2%} to {line.high:.2%}",
                    f"{line.planned:.2%}",
                )
                for line in decision.lines
            ],
            right=("held", "weight", "target", "region", "planned"),
        )
        say()
    if decision.legs:
        table(
            ("order", "side", "quantity", "price cap", "expected cost"),
            [
                (leg.symbol, leg.side.value, exact(leg.quantity), exact(leg.price_cap), amount(leg.expected_cost))
                for leg in decision.legs
            ],
            right=("quantity", "price cap", "expected cost"),
        )
    for refusal in decision.refusals:
        say(f"refused by {refusal.code}: {refusal.sentence}")
