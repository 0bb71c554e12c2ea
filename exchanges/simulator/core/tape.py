"""The public trades of all instruments: the last ones of each, with ids that rise over the whole exchange."""

from __future__ import annotations

from collections import deque
from itertools import islice, takewhile

from exchanges.simulator.core.values import PublicTrade, Side

TAPE_LENGTH = 500


class Tape:
    """The latest trades per instrument, by its place."""

    def __init__(self, count: int, first_id: int) -> None:
        self._trades: list[deque[PublicTrade]] = [deque(maxlen=TAPE_LENGTH) for _ in range(count)]
        self._next = first_id

    def add(self, place: int, ticks: int, lots: int, side: Side, time_ms: int) -> int:
        """Append a trade and return its id."""
        trade_id = self._next
        self._next += 1
        self._trades[place].append(PublicTrade(trade_id, ticks, lots, side, time_ms))
        return trade_id

    def since(self, place: int, after_id: int, limit: int) -> list[PublicTrade]:
        """Return the latest `limit` trades with a higher id, oldest first."""
        newest = takewhile(lambda trade: trade.trade_id > after_id, reversed(self._trades[place]))
        return list(islice(newest, limit))[::-1]

    def last(self, place: int) -> PublicTrade | None:
        """Return the latest trade."""
        trades = self._trades[place]
        return trades[-1] if trades else None

    def clear(self, place: int) -> None:
        """Forget the trades of an instrument whose tick or lot changed."""
        self._trades[place].clear()
