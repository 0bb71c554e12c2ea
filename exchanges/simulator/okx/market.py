"""Market data over REST: tickers, books, trades, candles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.okx.bars import bar_ms
from exchanges.simulator.okx.endpoints import Endpoint, selected
from exchanges.simulator.okx.errors import OkxError
from exchanges.simulator.okx.rows_public import candle_row, index_row, ticker_row, trade_row
from exchanges.simulator.okx.text import trimmed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.values import Level
    from exchanges.simulator.okx.face import Face, Row
    from exchanges.simulator.okx.params import Params

DEEPEST_BOOK = 400
KEPT_TRADES = 500


def ticker(face: Face, params: Params) -> list[Row]:
    """Tell one instrument's ticker."""
    instrument = face.instrument(params.required("instId"))
    return [ticker_row(instrument, face.exchange.ticker(instrument.inst_id))]


def tickers(face: Face, params: Params) -> list[Row]:
    """Tell all tickers of a kind."""
    params.required("instType")
    return [ticker_row(i, face.exchange.ticker(i.inst_id)) for i in selected(face, params)]


def index_tickers(face: Face, params: Params) -> list[Row]:
    """Tell the index of one underlying, or of all with a quote coin."""
    inst_id, quote = params.text("instId"), params.text("quoteCcy")
    if not inst_id and not quote:
        raise OkxError("50015", "instId", "quoteCcy")
    chosen = [
        i
        for i in face.exchange.instruments.values()
        if i.kind is InstrumentKind.SPOT and (i.inst_id == inst_id if inst_id else i.quote == quote)
    ]
    if inst_id and not chosen:
        raise OkxError("51001")
    exchange = face.exchange
    return [
        index_row(i.inst_id, exchange.ticker(i.inst_id), exchange.index_price(i.inst_id), face.now_ms()) for i in chosen
    ]


def level_rows(instrument: Instrument, levels: Sequence[Level]) -> list[list[str]]:
    """Return [price, size, "0", orders] per level."""
    price, size = instrument.price_text, instrument.size_text
    return [[trimmed(price(x.ticks)), trimmed(size(x.lots)), "0", str(x.orders)] for x in levels]


def books(face: Face, params: Params) -> list[Row]:
    """Tell up to 400 levels of a book."""
    instrument = face.instrument(params.required("instId"))
    depth = params.integer("sz") or 1
    if not 0 < depth <= DEEPEST_BOOK:
        raise OkxError("51000", "sz")
    book = face.exchange.book(instrument.inst_id, depth)
    return [
        {
            "asks": level_rows(instrument, book.asks),
            "bids": level_rows(instrument, book.bids),
            "ts": str(book.time_ms),
            "seqId": book.sequence,
        }
    ]


def trades(face: Face, params: Params) -> list[Row]:
    """Tell the latest trades, newest first."""
    instrument = face.instrument(params.required("instId"))
    latest = face.exchange.trades(instrument.inst_id, limit=params.limit(100, KEPT_TRADES))
    return [trade_row(instrument, t) for t in reversed(latest)]


def history_trades(face: Face, params: Params) -> list[Row]:
    """Tell older trades, paged by trade id (type 1) or time (type 2)."""
    instrument = face.instrument(params.required("instId"))
    by_time = params.text("type", "1") == "2"
    after, before = params.integer("after"), params.integer("before")
    chosen = [
        trade
        for trade in reversed(face.exchange.trades(instrument.inst_id, limit=KEPT_TRADES))
        for key in [trade.time_ms if by_time else trade.trade_id]
        if (after is None or key < after) and (before is None or key > before)
    ]
    return [trade_row(instrument, t) for t in chosen[: params.limit()]]


def candles(face: Face, params: Params) -> list[list[str]]:
    """Tell bars, newest first: earlier than `after`, later than `before`."""
    instrument = face.instrument(params.required("instId"))
    found = face.exchange.candles(
        instrument.inst_id,
        bar_ms(params.text("bar", "1m")),
        before_ms=params.integer("after"),
        after_ms=params.integer("before"),
        limit=params.limit(100, 300),
    )
    return [candle_row(instrument, candle) for candle in found]


MARKET: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "/api/v5/market/ticker"): Endpoint(ticker, private=False),
    ("GET", "/api/v5/market/tickers"): Endpoint(tickers, private=False),
    ("GET", "/api/v5/market/index-tickers"): Endpoint(index_tickers, private=False),
    ("GET", "/api/v5/market/books"): Endpoint(books, private=False, count=40),
    ("GET", "/api/v5/market/books-full"): Endpoint(books, private=False, count=10),
    ("GET", "/api/v5/market/trades"): Endpoint(trades, private=False, count=100),
    ("GET", "/api/v5/market/history-trades"): Endpoint(history_trades, private=False),
    ("GET", "/api/v5/market/candles"): Endpoint(candles, private=False, count=40),
    ("GET", "/api/v5/market/history-candles"): Endpoint(candles, private=False),
}
