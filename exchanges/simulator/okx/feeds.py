"""The public channels: when each is due, and what it sends for one instrument.

A `Stream` is one channel of one instrument with its subscribers. Its `news` returns the messages that became due since
it was last asked, encoded once for all of them; `first` what a new subscriber gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.okx.bars import BARS
from exchanges.simulator.okx.market import level_rows
from exchanges.simulator.okx.rows_public import (
    candle_row,
    funding_row,
    index_row,
    mark_row,
    open_interest_row,
    price_limit_row,
    ticker_row,
    trade_row,
)
from exchanges.simulator.okx.text import trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.values import Book, Level
    from exchanges.simulator.okx.face import Face, Row
    from exchanges.simulator.okx.session import Session

Ladder = dict[int, tuple[int, int]]
DEPTH = 400


class Stream:
    """One channel of one instrument, and who listens."""

    def __init__(self, face: Face, channel: str, inst_id: str) -> None:
        self.face = face
        self.channel = channel
        self.inst_id = inst_id
        self.arg = {"channel": channel, "instId": inst_id}
        self.key = (("channel", channel), ("instId", inst_id))
        self.sessions: list[Session] = []
        self.due_ms = 0

    @property
    def instrument(self) -> Instrument:
        """The instrument by its present rules."""
        return self.face.instrument(self.inst_id)

    def message(self, data: list[Any], **more: str) -> bytes:
        """Return a push around rows."""
        return orjson.dumps({"arg": self.arg, **more, "data": data})

    def first(self) -> list[bytes]:
        """Return what a new subscriber gets at once."""
        raise NotImplementedError

    def news(self, sequence: int) -> list[bytes]:
        """Return what is due now; `sequence` is the book's."""
        raise NotImplementedError


class BestQuote(Stream):
    """`bbo-tbt`: the best bid and offer, whenever one of them changes."""

    _sent: tuple[int, ...] = ()
    _sequence = -1

    def first(self) -> list[bytes]:
        """Return the present best bid and offer."""
        return [self._encode()]

    def news(self, sequence: int) -> list[bytes]:
        """Return the new best bid and offer."""
        if sequence == self._sequence:
            return []
        self._sequence = sequence
        top = self.face.exchange.quote(self.inst_id)[:4]
        if top == self._sent:
            return []
        self._sent = top
        return [self._encode()]

    def _encode(self) -> bytes:
        bid, bid_lots, ask, ask_lots, sequence, time_ms = self.face.exchange.quote(self.inst_id)
        price, size = self.instrument.price_text, self.instrument.size_text
        asks = f'["{trimmed(price(ask))}","{trimmed(size(ask_lots))}","0","1"]' if ask_lots else ""
        bids = f'["{trimmed(price(bid))}","{trimmed(size(bid_lots))}","0","1"]' if bid_lots else ""
        return (
            f'{{"arg":{{"channel":"{self.channel}","instId":"{self.inst_id}"}},'
            f'"data":[{{"asks":[{asks}],"bids":[{bids}],"ts":"{time_ms}","seqId":{sequence}}}]}}'
        ).encode()


class TopOfBook(Stream):
    """`books5`: five levels of each side, whenever one of them changes."""

    _sent: tuple[list[Level], list[Level]] | None = None
    _sequence = -1

    def first(self) -> list[bytes]:
        """Return the present levels."""
        return [self._encode(self.face.exchange.book(self.inst_id, 5))]

    def news(self, sequence: int) -> list[bytes]:
        """Return the new levels."""
        if sequence == self._sequence:
            return []
        self._sequence = sequence
        book = self.face.exchange.book(self.inst_id, 5)
        if self._sent == (book.bids, book.asks):
            return []
        self._sent = (book.bids, book.asks)
        return [self._encode(book)]

    def _encode(self, book: Book) -> bytes:
        return self.message(
            [
                {
                    "asks": level_rows(self.instrument, book.asks),
                    "bids": level_rows(self.instrument, book.bids),
                    "instId": self.inst_id,
                    "ts": str(book.time_ms),
                    "seqId": book.sequence,
                }
            ]
        )


class FullBook(Stream):
    """`books`: 400 levels, then what changed, chained by `prevSeqId`; OKX fixes the checksum to 0."""

    _bids: Ladder
    _asks: Ladder
    _sequence = -1
    _time_ms = 0

    def first(self) -> list[bytes]:
        """Return the levels as of the last update, so that the next one follows on them."""
        if not self.sessions or self._sequence < 0:
            self._take(self.face.exchange.book(self.inst_id, DEPTH))
        bids = sorted(self._bids.items(), reverse=True)
        asks = sorted(self._asks.items())
        return [self._encode("snapshot", bids, asks, -1)]

    def news(self, sequence: int) -> list[bytes]:
        """Return the levels that changed since the last update."""
        if sequence == self._sequence:
            return []
        bids, asks, before = self._bids, self._asks, self._sequence
        self._take(self.face.exchange.book(self.inst_id, DEPTH))
        return [self._encode("update", _changes(bids, self._bids, -1), _changes(asks, self._asks, 1), before)]

    def _take(self, book: Book) -> None:
        self._bids = {ticks: (lots, orders) for ticks, lots, orders in book.bids}
        self._asks = {ticks: (lots, orders) for ticks, lots, orders in book.asks}
        self._sequence, self._time_ms = book.sequence, book.time_ms

    def _encode(
        self,
        action: str,
        bids: Iterable[tuple[int, tuple[int, int]]],
        asks: Iterable[tuple[int, tuple[int, int]]],
        before: int,
    ) -> bytes:
        price, size = self.instrument.price_text, self.instrument.size_text

        def rows(levels: Iterable[tuple[int, tuple[int, int]]]) -> list[list[str]]:
            return [[trimmed(price(t)), trimmed(size(lots)), "0", str(n)] for t, (lots, n) in levels]

        data = {
            "asks": rows(asks),
            "bids": rows(bids),
            "ts": str(self._time_ms),
            "checksum": 0,
            "prevSeqId": before,
            "seqId": self._sequence,
        }
        return self.message([data], action=action)


def _changes(old: Ladder, new: Ladder, direction: int) -> list[tuple[int, tuple[int, int]]]:
    """Return levels that are new, different or gone (size 0), best first."""
    changed = list(new.items() - old.items())
    changed += [(ticks, (0, 0)) for ticks in old.keys() - new.keys()]
    changed.sort(key=lambda level: level[0] * direction)
    return changed


class Trades(Stream):
    """`trades` and `trades-all`: every trade since the last message."""

    _last = 0

    def first(self) -> list[bytes]:
        """Return the latest trade."""
        if not self.sessions:
            self._last = self.face.exchange.last_trade_id(self.inst_id)
        latest = self.face.exchange.trades(self.inst_id, limit=1)
        return [self._encode(trade_row(self.instrument, trade)) for trade in latest]

    def news(self, sequence: int) -> list[bytes]:
        """Return the trades since the last message, each in a message of its own."""
        del sequence
        exchange = self.face.exchange
        if exchange.last_trade_id(self.inst_id) == self._last:
            return []
        found = exchange.trades(self.inst_id, after_id=self._last)
        self._last = found[-1].trade_id if found else self._last
        return [self._encode(trade_row(self.instrument, trade)) for trade in found]

    def _encode(self, row: Row) -> bytes:
        if self.channel == "trades":
            # The aggregated channel counts what it has merged, and numbers itself.
            row = {**row, "count": "1", "seqId": int(str(row["tradeId"]))}
        return self.message([row])


class Candles(Stream):
    """`candle1m` and its kin: the open bar when it changes, and once more when it is closed."""

    _sent: list[str] | None = None

    def first(self) -> list[bytes]:
        """Return the open bar."""
        return [self.message([row]) for row in self._rows()[:1]]

    def news(self, sequence: int) -> list[bytes]:
        """Return the bar that was closed, if one was, and the open one, if it changed."""
        del sequence
        rows = self._rows()
        sent, self._sent = self._sent, rows[0] if rows else None
        if not rows or rows[0] == sent:
            return []
        closed = sent is not None and len(rows) > 1 and rows[1][0] == sent[0] and rows[1] != sent
        return [self.message([row]) for row in (rows[1::-1] if closed else rows[:1])]

    def _rows(self) -> list[list[str]]:
        bar = BARS[self.channel.removeprefix("candle")]
        found = self.face.exchange.candles(self.inst_id, bar, limit=2)
        return [candle_row(self.instrument, candle) for candle in found]


class Polled(Stream):
    """A channel with one row that is sent when it changes, its time apart."""

    _sent: Row | None = None

    def first(self) -> list[bytes]:
        """Return the row."""
        return [self.message([self._row()])]

    def news(self, sequence: int) -> list[bytes]:
        """Return the row if it changed."""
        del sequence
        row = self._row()
        plain = {name: value for name, value in row.items() if name != "ts"}
        if plain == self._sent:
            return []
        self._sent = plain
        return [self.message([row])]

    def _row(self) -> Row:
        return ROWS[self.channel](self.face, self.instrument)


def _ticker(face: Face, instrument: Instrument) -> Row:
    return ticker_row(instrument, face.exchange.ticker(instrument.inst_id))


def _index(face: Face, instrument: Instrument) -> Row:
    name, exchange = instrument.inst_id, face.exchange
    return index_row(name, exchange.ticker(name), exchange.index_price(name), face.now_ms())


def _funding(face: Face, instrument: Instrument) -> Row:
    return funding_row(face.exchange.funding(instrument.inst_id), face.now_ms())


def _mark(face: Face, instrument: Instrument) -> Row:
    return mark_row(instrument, face.exchange.mark_price(instrument.inst_id), face.now_ms())


def _limit(face: Face, instrument: Instrument) -> Row:
    return price_limit_row(instrument, face.exchange.price_limits(instrument.inst_id), face.now_ms())


def _interest(face: Face, instrument: Instrument) -> Row:
    name, exchange = instrument.inst_id, face.exchange
    return open_interest_row(instrument, exchange.open_interest(name), exchange.mark_price(name), face.now_ms())


ROWS: Mapping[str, Callable[[Face, Instrument], Row]] = {
    "tickers": _ticker,
    "index-tickers": _index,
    "funding-rate": _funding,
    "mark-price": _mark,
    "price-limit": _limit,
    "open-interest": _interest,
}


@dataclass(frozen=True, slots=True)
class Feed:
    """A channel: its endpoint, how often it may push, how it is made, and for which kinds of instrument."""

    path: str
    every_ms: int
    stream: type[Stream]
    kinds: frozenset[InstrumentKind] = frozenset(InstrumentKind)


_DERIVATIVES = frozenset(InstrumentKind) - {InstrumentKind.SPOT}
_SWAPS = frozenset({InstrumentKind.SWAP})
_SPOT = frozenset({InstrumentKind.SPOT})

# In the order in which OKX pushes the book channels of one instrument.
FEEDS: Mapping[str, Feed] = {
    "bbo-tbt": Feed("public", 10, BestQuote),
    "books": Feed("public", 100, FullBook),
    "books5": Feed("public", 100, TopOfBook),
    "tickers": Feed("public", 100, Polled),
    "trades": Feed("public", 10, Trades),
    "trades-all": Feed("business", 10, Trades),
    "index-tickers": Feed("public", 100, Polled, _SPOT),
    "mark-price": Feed("public", 200, Polled, _DERIVATIVES),
    "price-limit": Feed("public", 200, Polled),
    "funding-rate": Feed("public", 30_000, Polled, _SWAPS),
    "open-interest": Feed("public", 3_000, Polled, _DERIVATIVES),
} | {f"candle{bar}": Feed("business", 1_000, Candles) for bar in BARS}

RESERVED = frozenset({"books-l2-tbt", "books50-l2-tbt"})
"""Channels that OKX gives to its largest customers only: 64003."""
