"""The latest best bid and offer of every symbol, written by the hot path and read lazily.

Prices are kept as floats for signals and as the venue's own text for money; Decimals are made when somebody
asks.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from exchanges.port import Market, Quote
from exchanges.precision import from_contracts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    OnQuote = Callable[[int, float, float, float], None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = float("-inf")


Texts = tuple[str, str, str, str, str]
"""A quote as the venue wrote it: bid, its size, ask, its size (in the venue's unit), milliseconds or nothing."""


class QuoteBoard:
    """Quotes by the index of their symbol. The lists are public for the hot path, which writes them in place."""

    def __init__(self, markets: Sequence[Market], on_quote: OnQuote) -> None:
        """Begin with no quote at all; `on_quote(index, bid, ask, received)` is called at every one accepted."""
        count = len(markets)
        self.markets = tuple(markets)
        self.symbols = tuple(market.symbol for market in markets)
        self.index = {symbol: index for index, symbol in enumerate(self.symbols)}
        self.bids = [float("nan")] * count
        self.asks = [float("nan")] * count
        self.received = [_NEVER] * count
        self.texts: list[Texts | None] = [None] * count
        self.on_quote = on_quote
        self.counts = [0] * count
        self.malformed = 0

    def post(self, index: int, texts: Texts, received: float) -> None:
        """Take a quote in, unless it is crossed, or older than the one that is held."""
        bid, ask = float(texts[0]), float(texts[2])
        known = self.texts[index]
        if not bid < ask or (known is not None and texts[4] < known[4]):
            self.malformed += 1
            return
        self.counts[index] += 1
        self.texts[index] = texts
        self.bids[index] = bid
        self.asks[index] = ask
        self.received[index] = received
        self.on_quote(index, bid, ask, received)

    @property
    def messages(self) -> int:
        """How many quotes were taken in."""
        return sum(self.counts)

    def forget_times(self) -> None:
        """Accept any time from here on: after a reconnect the venue's clock may have been set back."""
        self.texts[:] = [(*texts[:4], "") if texts else None for texts in self.texts]

    def quote(self, symbol: str) -> Quote | None:
        """Return the quote of a symbol, or None before the first."""
        index = self.index[symbol]
        texts = self.texts[index]
        if texts is None:
            return None
        bid, bid_size, ask, ask_size, time = texts
        size = self.markets[index].contract_size
        return Quote(
            symbol,
            Decimal(bid),
            from_contracts(size, Decimal(bid_size)),
            Decimal(ask),
            from_contracts(size, Decimal(ask_size)),
            _EPOCH + timedelta(milliseconds=int(time)) if time else None,
            self.received[index],
        )

    def age(self, symbol: str, now: float) -> float:
        """Return the seconds since the last quote of a symbol, infinite before the first."""
        return now - self.received[self.index[symbol]]

    def mids(self) -> NDArray[np.float64]:
        """Return the middle prices, shape (n,), NaN before the first quote."""
        return np.add(self.bids, self.asks, dtype=np.float64) / 2.0
