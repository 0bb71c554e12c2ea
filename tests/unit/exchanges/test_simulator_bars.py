"""Candles, tape, ticker and book of the simulated exchange agree with each other."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from exchanges.simulator.core.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, Bars
from exchanges.simulator.core.exchange import Exchange
from exchanges.simulator.core.refusals import Refusal, Refused
from exchanges.simulator.core.settings import Liquidity, Settings
from exchanges.simulator.core.universe import COINS, universe
from exchanges.simulator.prices.generator import GeneratedPrices, Path

if TYPE_CHECKING:
    from exchanges.simulator.core.values import PublicTrade

D = Decimal
NOW = 1_790_000_000_123


def generated(speed: float = 1.0, trades: float = 5.0, seed: int = 5) -> Exchange:
    coins = [coin for coin in COINS if coin.name in {"BTC", "ETH", "SOL", "ADA", "DOGE"}]
    paths = [Path(f"{coin.name}-USDT", coin.price, coin.sector, 1.0, coin.turnover * 1e6) for coin in coins]
    settings = Settings(speed=speed, liquidity=Liquidity(trades_per_second=trades))
    cash = {"ann": {"USDT": D(1_000_000)}}
    listed = universe({coin.name: (coin.price, coin.price) for coin in coins})
    return Exchange(listed, GeneratedPrices(paths, seed), cash, seed=seed, now_ms=NOW, settings=settings)


def test_the_default_listing_is_large_and_its_rules_are_sound() -> None:
    listed = universe()
    assert sum(rules.is_spot for rules in listed) >= 50
    assert sum(not rules.is_spot for rules in listed) >= 50
    assert len({rules.inst_id for rules in listed}) == len({rules.code for rules in listed}) == len(listed)
    prices = {coin.name: D(str(coin.price)) for coin in COINS}
    for rules in listed:
        price = prices[rules.base]
        assert rules.tick_size / price <= D("0.0002"), rules.inst_id
        assert D("0.3") <= rules.min_size * price * rules.contract_value <= D(15), rules.inst_id
        assert rules.price_text(7) == f"{7 * rules.tick_size:f}"
        assert rules.size_text(7) == f"{7 * rules.lot_size:f}"
        assert rules.ticks(rules.price(12_345)) == 12_345
        assert rules.lots(rules.size(999)) == 999


def test_equal_seeds_and_equal_calls_give_equal_markets() -> None:
    one, two, other = generated(), generated(), generated(seed=6)
    for exchange in (one, two, other):
        for _ in range(40):
            exchange.advance(exchange.now_ms + 50)
    for name in one.instruments:
        assert one.book(name) == two.book(name)
        assert one.trades(name) == two.trades(name)
    assert any(one.book(name) != other.book(name) for name in one.instruments)


def test_every_trade_lies_in_its_candle_and_the_volumes_agree() -> None:
    exchange = generated(speed=10.0)
    tape: dict[str, list[PublicTrade]] = {"BTC-USDT": [], "DOGE-USDT-SWAP": []}
    for _ in range(1_300):
        exchange.advance(exchange.now_ms + 50)
        for name, seen in tape.items():
            seen.extend(exchange.trades(name, after_id=seen[-1].trade_id if seen else 0))
    for name, seen in tape.items():
        assert len(seen) > 100
        rules = exchange.instruments[name]
        for bar_ms in (1_000, 5_000, 60_000, 3_600_000):
            for candle in exchange.candles(name, bar_ms, limit=20):
                inside = [each for each in seen if candle.start_ms <= each.time_ms < candle.start_ms + bar_ms]
                assert candle.low <= min(candle.open, candle.close)
                assert candle.high >= max(candle.open, candle.close)
                assert all(candle.low <= rules.price(each.ticks) <= candle.high for each in inside)
                if candle.start_ms >= NOW:
                    assert candle.volume == rules.size(sum(each.lots for each in inside))
                    assert candle.base_volume == candle.volume * rules.contract_value


def test_the_tape_carries_the_turnover_of_the_source() -> None:
    exchange = generated(speed=100.0)
    exchange.advance(NOW + 60_000)
    [coin] = [coin for coin in COINS if coin.name == "ETH"]
    traded = sum(c.quote_volume for c in exchange.candles("ETH-USDT", 1_000, limit=60))
    assert float(traded) == pytest.approx(coin.turnover * 1e6 * 60 * 100 / 86_400, rel=0.1)


def test_candles_reach_back_for_days_and_join() -> None:
    exchange = generated()
    minutes = exchange.candles("SOL-USDT", 60_000, limit=2_000)
    assert len(minutes) == 2_000
    assert [later.start_ms - earlier.start_ms for earlier, later in zip(minutes[1:], minutes, strict=False)] == (
        [60_000] * 1_999
    )
    assert all(earlier.close == later.open for earlier, later in zip(minutes[1:], minutes, strict=False))
    hours = exchange.candles("SOL-USDT", 3_600_000, limit=2_000)
    assert len(hours) == 2_000
    inner = [bar for bar in minutes if hours[3].start_ms <= bar.start_ms < hours[3].start_ms + 3_600_000]
    assert (hours[3].open, hours[3].close) == (inner[-1].open, inner[0].close)
    assert (hours[3].high, hours[3].low) == (max(bar.high for bar in inner), min(bar.low for bar in inner))
    assert abs(hours[3].volume - sum(bar.volume for bar in inner)) <= exchange.instruments["SOL-USDT"].lot_size * 60
    page = exchange.candles("SOL-USDT", 60_000, before_ms=minutes[9].start_ms, limit=5)
    assert page == minutes[10:15]
    assert exchange.candles("SOL-USDT", 60_000, after_ms=minutes[2].start_ms) == minutes[:2]
    with pytest.raises(Refused) as caught:
        exchange.candles("SOL-USDT", 1_500)
    assert caught.value.kind is Refusal.BAD_BAR


def test_the_ticker_sums_up_the_last_day() -> None:
    exchange = generated()
    exchange.advance(NOW + 130_000)
    ticker = exchange.ticker("ADA-USDT")
    day = exchange.candles("ADA-USDT", 60_000, limit=1_440)
    assert ticker.open_24h == day[-1].open
    assert ticker.high_24h == max(bar.high for bar in day)
    assert ticker.low_24h == min(bar.low for bar in day)
    assert abs(ticker.volume_24h - sum(bar.volume for bar in day)) <= exchange.instruments["ADA-USDT"].lot_size * 1_440
    assert ticker.low_24h <= ticker.last <= ticker.high_24h
    assert ticker.bid < ticker.ask
    midnight = exchange.now_ms // 86_400_000 * 86_400_000
    assert ticker.open_utc == next(bar.open for bar in day if bar.start_ms == midnight)


def test_bars_roll_and_skip_what_nobody_saw() -> None:
    bars = Bars(2, 10_000)
    bars.see(np.array([5.0, np.nan]))
    bars.trade(0, 7.0, 3)
    bars.roll(10_999)
    bars.see(np.array([4.0, np.nan]))
    bars.roll(13_000)
    bars.see(np.array([6.0, 9.0]))
    start, data = bars.rows(0, 1_000, 10)
    assert start.tolist() == [10_000, 11_000, 12_000, 13_000]
    assert data[:5, 0].tolist() == [5.0, 7.0, 4.0, 4.0, 3.0]
    assert data[[OPEN, HIGH, LOW, CLOSE, VOLUME], 1].tolist() == [4.0, 4.0, 4.0, 4.0, 0.0]
    assert data[[OPEN, CLOSE], 3].tolist() == [4.0, 6.0]
    assert bars.rows(1, 1_000, 10).start_ms.tolist() == [13_000]
    assert bars.day(1) is not None


def test_swaps_follow_their_index_within_a_premium() -> None:
    exchange = generated(speed=60.0)
    premiums = []
    for _ in range(200):
        exchange.advance(exchange.now_ms + 1_000)
        quote = exchange.quote("ETH-USDT-SWAP")
        mid = exchange.instruments["ETH-USDT-SWAP"].price(quote.bid_ticks + quote.ask_ticks) / 2
        premiums.append(float(mid / exchange.index_price("ETH-USDT-SWAP") - 1))
        mark = exchange.mark_price("ETH-USDT-SWAP")
        assert abs(mark / exchange.index_price("ETH-USDT-SWAP") - 1) < D("0.003")
    assert 0 < np.std(premiums) < 0.001
    assert exchange.funding("ETH-USDT-SWAP").interval_ms == 480_000
