"""What a simulated exchange keeps from one run to the next: cash, positions and prices, but no orders or bills."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.okx.face import TRADING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from exchanges.simulator.core.exchange import Exchange


@dataclass(frozen=True, slots=True)
class SavedState:
    """An exchange between two runs.

    Args:
        runs: How many there were; each run's prices go on differently.
        prices: Last price of each spot instrument.
        cash: By coin.
        positions: Lots and cost of each position.
    """

    runs: int
    prices: Mapping[str, float]
    cash: Mapping[str, Decimal]
    positions: Mapping[str, tuple[int, Decimal]]


def load_state(path: Path) -> SavedState | None:
    """Return the state that a file holds, or None where there is no file yet.

    Raises:
        ValueError: If it is not such a file.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        found = json.loads(text)
        return SavedState(
            runs=int(found["runs"]),
            prices={name: float(price) for name, price in found["prices"].items()},
            cash={coin: Decimal(amount) for coin, amount in found["cash"].items()},
            positions={name: (int(lots), Decimal(cost)) for name, (lots, cost) in found["positions"].items()},
        )
    except (KeyError, TypeError, ArithmeticError, ValueError) as error:
        raise ValueError(f"{path} holds no state of a simulated exchange ({error}): remove it to begin anew") from None


def save_state(path: Path, exchange: Exchange, runs: int) -> None:
    """Write the state, whole or not at all."""
    account = exchange.account(TRADING)
    document = {
        "runs": runs,
        "prices": {
            name: float(exchange.index_price(name)) for name, rules in exchange.instruments.items() if rules.is_spot
        },
        "cash": {coin: str(amount) for coin, amount in account.cash.items() if amount},
        "positions": {name: (one.lots, str(one.cost)) for name, one in account.positions.items() if one.lots},
    }
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(document))
    draft.replace(path)
