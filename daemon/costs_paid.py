"""What trading cost, execution by execution, against what the decisions had foretold."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from daemon.decision import Outcome
from daemon.store import codec, schema
from daemon.store.ledger import fill_of
from daemon.view import Costs
from exchanges.port import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from sqlalchemy import Connection

    from daemon.decision import Decision
    from exchanges.port import Fill

log = logging.getLogger(__name__)

FILLS = schema.fills
INTENTS = schema.intents
DECISIONS = schema.decisions
STILL_MOVING = 20
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Paid:
    """One decision's bill, in quote coin.

    Args:
        paid: fees, and what the fills were worse than the mid price that the decision saw.
        predicted: the expected cost of what was filled.
        turnover: notional filled.
        fills: how many executions.
    """

    paid: Decimal
    predicted: Decimal
    turnover: Decimal
    fills: int


def bill(decision: Decision, fills: Sequence[Fill], quote: str) -> Paid:
    """Return what a decision's executions cost.

    A fee in the traded coin is valued at its execution's price; one in a third coin has no price here and is left out.
    """
    mids = {leg.symbol: leg.mid for leg in decision.legs}
    planned: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    expected: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for leg in decision.legs:
        planned[leg.symbol] += leg.quantity
        expected[leg.symbol] += leg.expected_cost
    paid = turnover = predicted = ZERO
    for fill in fills:
        notional = fill.quantity * fill.price
        slippage = fill.side.sign * (fill.price - mids[fill.symbol]) * fill.quantity
        fee = _worth(fill, quote)
        paid += slippage + fee
        turnover += notional
        predicted += expected[fill.symbol] * fill.quantity / planned[fill.symbol]
    return Paid(paid, predicted, turnover, len(fills))


def _worth(fill: Fill, quote: str) -> Decimal:
    if fill.fee_currency == quote:
        return fill.fee
    return fill.fee * fill.price if fill.fee_currency == fill.symbol.partition("/")[0] else ZERO


def fills_by_decision(connection: Connection, decision_ids: Iterable[str]) -> Mapping[str, list[Fill]]:
    """Return the executions of each decision's orders."""
    found: defaultdict[str, list[Fill]] = defaultdict(list)
    wanted = list(decision_ids)
    for start in range(0, len(wanted), CHUNK):
        query = (
            select(INTENTS.c.decision_id, *FILLS.columns)
            .join(INTENTS, INTENTS.c.client_id == FILLS.c.order_client_id)
            .where(INTENTS.c.decision_id.in_(wanted[start : start + CHUNK]))
            .order_by(FILLS.c.time, FILLS.c.trade_id)
        )
        for row in connection.execute(query):
            found[row.decision_id].append(fill_of(row))
    return found


class CostTally:
    """Adds up the bills of all decisions; only the latest ones, which may still get fills, are read again."""

    def __init__(self, quote: str) -> None:
        self._quote = quote
        self._bills: dict[str, Paid] = {}
        self._unreadable: set[str] = set()

    def read(self, connection: Connection) -> Costs:
        """Return the totals as of now."""
        query = select(DECISIONS.c.id).where(
            DECISIONS.c.outcome == Outcome.TRADE.value, DECISIONS.c.result.is_not(None)
        )
        latest = query.order_by(DECISIONS.c.at.desc()).limit(STILL_MOVING if self._bills else None)
        names = list(connection.execute(latest).scalars())
        for start in range(0, len(names), CHUNK):
            self._read_some(connection, names[start : start + CHUNK])
        bills = self._bills.values()
        return Costs(
            paid=sum((one.paid for one in bills), start=ZERO),
            predicted=sum((one.predicted for one in bills), start=ZERO),
            turnover=sum((one.turnover for one in bills), start=ZERO),
            fills=sum(one.fills for one in bills),
        )

    def _read_some(self, connection: Connection, names: Sequence[str]) -> None:
        fills = fills_by_decision(connection, names)
        query = select(DECISIONS.c.id, DECISIONS.c.result).where(DECISIONS.c.id.in_(names))
        for name, result in connection.execute(query):
            try:
                decision: Decision = codec.decode(result)
            except codec.CodecError as error:
                if name not in self._unreadable:
                    log.warning("decision %s cannot be read, and its costs are not counted: %s", name, error)
                    self._unreadable.add(name)
            else:
                self._bills[name] = bill(decision, fills.get(name, []), self._quote)
