"""OKX's best bids and offers, tick by tick, parsed by ours on ccxt's connection.

ccxt dials, pings, subscribes and breaks off; the one hot channel is taken out of its hands before its
parsers, which cost several times what the reading of the message does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchanges.ccxt_client import call
from exchanges.classify import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchanges.ccxt_venue import CcxtVenue
    from exchanges.quote_board import QuoteBoard

CHANNEL = "bbo-tbt"


class OkxQuotes:
    """Feeds a board from the `bbo-tbt` channel."""

    stream_address = "/public"

    def __init__(self, venue: CcxtVenue, board: QuoteBoard, on_subscribed: Callable[[], None]) -> None:
        """Take the channel over on the venue's client; `on_subscribed` is called once all is confirmed."""
        self._client = venue.client
        self._board = board
        self._on_subscribed = on_subscribed
        self._unconfirmed: set[str] = set()
        self._take_over(venue.monotonic)

    async def run(self) -> None:
        """Subscribe, and wait for the connection to fail; ccxt's own waiters are never served.

        Raises:
            VenueError: the connection failed, or the venue refused a subscription.
        """
        self._unconfirmed = {market.venue_id for market in self._board.markets}
        self._board.forget_times()
        while True:
            await call(self._client, Action.READ, self._client.watch_bids_asks(list(self._board.symbols)))

    def _take_over(self, monotonic: Callable[[], float]) -> None:
        otherwise = self._client.handle_message
        board, on_quote = self._board, self._board.on_quote
        bids, asks, received, texts, counts = board.bids, board.asks, board.received, board.texts, board.counts
        index_of = {market.venue_id: index for index, market in enumerate(board.markets)}

        def handle_message(connection: Any, message: Any) -> None:
            if type(message) is not dict or "data" not in message or message["arg"]["channel"] != CHANNEL:
                self._note(message)
                otherwise(connection, message)
                return
            try:
                index = index_of[message["arg"]["instId"]]
                row = message["data"][0]
                best_bid, best_ask, time = row["bids"][0], row["asks"][0], row["ts"]
                bid, ask = float(best_bid[0]), float(best_ask[0])
            except (LookupError, ValueError, TypeError):
                board.malformed += 1  # a market not asked for, a side that is empty, a price that is none
                return
            known = texts[index]
            if not bid < ask or (known is not None and time < known[4]):
                board.malformed += 1
                return
            now = monotonic()
            counts[index] += 1
            texts[index] = (best_bid[0], best_bid[1], best_ask[0], best_ask[1], time)
            bids[index] = bid
            asks[index] = ask
            received[index] = now
            on_quote(index, bid, ask, now)

        self._client.handle_message = handle_message

    def _note(self, message: Any) -> None:
        if self._unconfirmed and isinstance(message, dict) and message.get("event") == "subscribe":
            arg = message.get("arg") or {}
            if arg.get("channel") == CHANNEL:
                self._unconfirmed.discard(arg.get("instId", ""))
                if not self._unconfirmed:
                    self._on_subscribed()
