"""Quotes on the board, and the bars built from them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.bars import BarBuilder, align
from exchanges.port import Bar, Market, MarketKind
from exchanges.quote_board import QuoteBoard

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def market(symbol: str, contract_size: str = "1") -> Market:
    return Market(
        symbol=symbol,
        venue_id=symbol.replace("/", "-"),
        kind=MarketKind.SPOT,
        base="BTC",
        quote="USDT",
        settle="USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
        min_amount=Decimal("0.001"),
        min_notional=Decimal(0),
        max_amount=None,
        contract_size=Decimal(contract_size),
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
    )


def board(heard: list[tuple[int, float, float, float]] | None = None) -> QuoteBoard:
    heard = [] if heard is None else heard
    return QuoteBoard([market("A/USDT"), market("B/USDT", "0.01")], lambda *quote: heard.append(quote))


def test_a_quote_is_exact_and_in_base_coin_when_asked_for() -> None:
    heard: list[tuple[int, float, float, float]] = []
    quotes = board(heard)
    assert quotes.quote("B/USDT") is None
    assert quotes.age("B/USDT", 5.0) == math.inf
    quotes.post(1, ("65000.10", "7", "65000.20", "3", "1700000000123"), 4.0)
    quote = quotes.quote("B/USDT")
    assert quote is not None
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (
        Decimal("65000.10"),
        Decimal("0.07"),
        Decimal("65000.20"),
        Decimal("0.03"),
    )
    assert quote.venue_time == datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    assert quotes.age("B/USDT", 5.0) == 1.0
    assert heard == [(1, 65000.1, 65000.2, 4.0)]
    assert np.isnan(quotes.mids()[0])
    assert quotes.mids()[1] == pytest.approx(65000.15)


def test_crossed_and_older_quotes_are_counted_and_not_taken() -> None:
    heard: list[tuple[int, float, float, float]] = []
    quotes = board(heard)
    quotes.post(0, ("10", "1", "11", "1", "1700000000005"), 1.0)
    quotes.post(0, ("11", "1", "10", "1", "1700000000006"), 2.0)
    quotes.post(0, ("12", "1", "12", "1", "1700000000006"), 2.0)
    quotes.post(0, ("9", "1", "10", "1", "1700000000004"), 3.0)
    assert (quotes.messages, quotes.malformed, len(heard)) == (1, 3, 1)
    assert quotes.age("A/USDT", 3.0) == 2.0
    quotes.forget_times()  # a reconnect: the venue's clock may have been set back
    quotes.post(0, ("9", "1", "10", "1", "1700000000004"), 4.0)
    assert quotes.mids()[0] == 9.5


prices = st.floats(1.0, 1e6, allow_nan=False)


@given(st.lists(st.tuples(st.integers(0, 1), prices), max_size=30), st.lists(prices, max_size=5))
def test_a_bar_spans_the_prices_seen_since_the_last(ticks: list[tuple[int, float]], more: list[float]) -> None:
    builder = BarBuilder(2)
    for index, price in ticks:
        builder.observe(index, price)
    bars = builder.close(NOON, 60.0)
    closes = []
    for index in range(2):
        seen = [price for at, price in ticks if at == index]
        got = [float(column[index]) for column in (bars.open, bars.high, bars.low, bars.close)]
        if seen:
            assert got == [seen[0], max(seen), min(seen), seen[-1]]
        else:
            assert np.isnan(got).all()
        closes.append(seen[-1] if seen else math.nan)
    for price in more:
        builder.observe(0, price)
    following = builder.close(NOON + MINUTE, 60.0)
    since = [] if math.isnan(closes[0]) else [closes[0]]
    since += more
    if since:
        assert following.open[0] == since[0]
        assert following.high[0] == max(since)
        assert following.low[0] == min(since)
        assert following.close[0] == since[-1]
    if not math.isnan(closes[1]):
        assert following.open[1] == following.high[1] == following.low[1] == following.close[1] == closes[1]
    assert bars.end == following.start


def test_bars_already_given_are_not_touched_by_later_quotes() -> None:
    builder = BarBuilder(1)
    builder.observe(0, 5.0)
    bars = builder.close(NOON, 1.0)
    builder.observe(0, 9.0)
    assert bars.close[0] == bars.high[0] == 5.0


def history(symbol: str, *rows: tuple[int, float]) -> list[Bar]:
    return [
        Bar(symbol, NOON + minute * MINUTE, 60.0, price, price + 1, price - 1, price, 2.0) for minute, price in rows
    ]


def test_histories_are_aligned_and_gaps_repeat_the_last_price() -> None:
    first = history("A", (0, 10.0), (1, 11.0), (3, 13.0), (4, 14.0))
    second = history("B", (1, 21.0), (2, 22.0), (3, 23.0))
    aligned = align([first, second], 60.0)
    assert [bars.start for bars in aligned] == [NOON + minute * MINUTE for minute in (1, 2, 3, 4)]
    assert [bars.close.tolist() for bars in aligned] == [[11.0, 21.0], [11.0, 22.0], [13.0, 23.0], [14.0, 23.0]]
    assert aligned[1].high.tolist() == [11.0, 23.0]
    assert [bars.volume.tolist() for bars in aligned] == [[2.0, 2.0], [0.0, 2.0], [2.0, 2.0], [2.0, 0.0]]


def test_a_symbol_that_starts_inside_another_ones_gap_has_a_price_from_there() -> None:
    aligned = align([history("A", (0, 10.0), (5, 15.0)), history("B", (3, 23.0))], 60.0)
    assert [bars.close.tolist() for bars in aligned] == [[10.0, 23.0], [10.0, 23.0], [15.0, 23.0]]
    assert not any(np.isnan(bars.open).any() for bars in aligned)


def test_without_history_there_are_no_bars() -> None:
    assert align([history("A", (0, 1.0)), []], 60.0) == []
    assert align([], 60.0) == []


def test_the_rows_of_a_bar_set_leave_out_what_had_no_price() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = BarBuilder(2)
    builder.observe(0, 100.0)
    builder.observe(0, 101.0)
    bars = builder.close(start, 60.0)
    (row,) = bars.rows(["BTC/USDT", "ETH/USDT"])
    assert (row.symbol, row.start, row.seconds) == ("BTC/USDT", start, 60.0)
    assert (row.open, row.high, row.low, row.close, row.volume) == (100.0, 101.0, 100.0, 101.0, 0.0)
