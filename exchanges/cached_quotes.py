"""Best bids and offers of any venue, read from ccxt's caches.

The value that `watch_*` returns is one update of many: a burst is handled before the waiting task runs. The
caches hold the latest of every symbol, so the task wakes, waits a moment, and reads them all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from exchanges.ccxt_client import call
from exchanges.classify import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchanges.ccxt_venue import CcxtVenue
    from exchanges.quote_board import QuoteBoard

_PAUSE = 0.05


class CachedQuotes:
    """Feeds a board from `client.bidsasks`, or from `client.tickers` where a venue has no more."""

    stream_address = ""

    def __init__(self, venue: CcxtVenue, board: QuoteBoard, on_subscribed: Callable[[], None]) -> None:
        """Choose the stream; `on_subscribed` is called when the first update of a connection has come."""
        client = venue.client
        by_bids = client.has.get("watchBidsAsks") is True
        self._client = client
        self._watch = client.watch_bids_asks if by_bids else client.watch_tickers
        self._cache = "bidsasks" if by_bids else "tickers"
        self._board = board
        self._monotonic = venue.monotonic
        self._on_subscribed = on_subscribed
        self._seen: list[Any] = [None] * len(board.symbols)

    async def run(self) -> None:
        """Read the caches after every wake-up until the connection fails.

        Raises:
            VenueError: the connection failed, or the venue refused a subscription.
        """
        self._board.forget_times()
        subscribed = False
        while True:
            await call(self._client, Action.READ, self._watch(list(self._board.symbols)))
            if not subscribed:
                subscribed = True
                self._on_subscribed()
            self._read()
            await asyncio.sleep(_PAUSE)
            self._read()  # what came meanwhile woke nobody

    def _read(self) -> None:
        cache, now = getattr(self._client, self._cache), self._monotonic()
        for index, symbol in enumerate(self._board.symbols):
            ticker = cache.get(symbol)
            if ticker is None or ticker is self._seen[index]:
                continue
            self._seen[index] = ticker
            bid, ask = ticker.get("bid"), ticker.get("ask")
            if not bid or not ask:
                self._board.malformed += 1
                continue
            bid_size, ask_size = ticker.get("bidVolume") or "0", ticker.get("askVolume") or "0"
            time = str(ticker.get("timestamp") or "")
            self._board.post(index, (str(bid), str(bid_size), str(ask), str(ask_size), time), now)
