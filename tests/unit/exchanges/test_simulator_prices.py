"""Price sources: the generator's stylised facts, recorded bars as a path, quotes mirrored from outside."""

from __future__ import annotations

import gzip
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from exchanges.simulator.core.exchange import Exchange
from exchanges.simulator.core.instruments import InstrumentState
from exchanges.simulator.core.settings import Liquidity, Settings
from exchanges.simulator.core.universe import spot, universe
from exchanges.simulator.prices.bar_files import PriceFileError, read_bars
from exchanges.simulator.prices.generator import GeneratedPrices, Model, Path, Regime
from exchanges.simulator.prices.mirror import MirrorSource
from exchanges.simulator.prices.replay import ReplayPrices
from exchanges.simulator.prices.source import History

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from numpy.typing import NDArray

HOUR = 3_600_000
START_MS = 1_700_000_000_000
PATHS = [Path(f"C{number}-USDT", 100.0, sector="ab"[number % 2]) for number in range(8)]


def returns(model: Model | None = None, hours: int = 20_000, seed: int = 11) -> NDArray[np.float64]:
    source = GeneratedPrices(PATHS, seed, model=model)
    mids = np.array([source.step(hour * HOUR).mid for hour in range(hours + 1)])
    log: NDArray[np.float64] = np.diff(np.log(mids), axis=0)
    return log


def test_equal_seeds_give_equal_paths_and_others_do_not() -> None:
    assert np.array_equal(returns(hours=50), returns(hours=50))
    assert not np.allclose(returns(hours=50), returns(hours=50, seed=12))


def test_returns_have_fat_tails_clustered_volatility_and_no_memory_of_sign() -> None:
    sample = returns()
    scaled = (sample - sample.mean(axis=0)) / sample.std(axis=0)
    assert (np.mean(scaled**4, axis=0) > 5).all()  # 3 for a normal distribution
    size = np.abs(sample)
    for lag in (1, 6, 24):
        clustered = [np.corrcoef(each[lag:], each[:-lag])[0, 1] for each in size.T]
        assert np.mean(clustered) > 0.1
        sign = [np.corrcoef(each[lag:], each[:-lag])[0, 1] for each in sample.T]
        assert np.abs(np.mean(sign)) < 0.03
    day = sample[: len(sample) // 24 * 24].reshape(-1, 24, sample.shape[1]).sum(axis=1)
    hourly, daily = (np.mean((each / each.std(axis=0)) ** 4) for each in (sample, day))
    assert daily < hourly  # aggregational Gaussianity


def test_correlation_comes_from_market_and_sector() -> None:
    plain = Model(jumps=0, market_jumps=0)
    correlation: NDArray[np.float64] = np.asarray(np.corrcoef(returns(plain).T))
    same = correlation[0, 2], correlation[1, 3], correlation[4, 6]
    other = correlation[0, 1], correlation[2, 3], correlation[4, 5]
    assert np.mean(same) == pytest.approx(plain.market_share + plain.sector_share, abs=0.04)
    assert np.mean(other) == pytest.approx(plain.market_share, abs=0.04)


def test_volatility_is_what_the_model_says() -> None:
    plain = Model(jumps=0, market_jumps=0, clustering=0, regimes=(Regime("one", 1.0, 1.0),))
    annual = returns(plain).std(axis=0) * np.sqrt(24 * 365)
    assert annual == pytest.approx(np.full(8, plain.annual_volatility), rel=0.05)


def test_regimes_change_the_volatility_for_days() -> None:
    two = Model(
        jumps=0, market_jumps=0, clustering=0, regimes=(Regime("calm", 0.3, 20.0), Regime("turbulent", 3.0, 20.0))
    )
    daily = returns(two).reshape(-1, 200, 8).std(axis=(1, 2)) * np.sqrt(24 * 365)
    calm, turbulent = np.quantile(daily, [0.1, 0.9])
    assert calm == pytest.approx(0.3 * two.annual_volatility, rel=0.2)
    assert turbulent == pytest.approx(3.0 * two.annual_volatility, rel=0.2)


def test_jumps_hit_all_series_or_one() -> None:
    quiet = Model(annual_volatility=1e-6, market_jumps=365.0, jumps=0.0)
    together = returns(quiet, hours=2_000)
    struck = np.abs(together) > 1e-4
    assert np.array_equal(struck.any(axis=1), struck.all(axis=1))
    assert 50 < struck[:, 0].sum() < 120  # one a day for 83 days
    alone = np.abs(returns(Model(annual_volatility=1e-6, market_jumps=0.0, jumps=365.0), hours=2_000)) > 1e-4
    assert alone.any(axis=1).sum() > alone.all(axis=1).sum()


def test_the_expected_price_does_not_drift() -> None:
    paths = [Path(f"C{number}-USDT", 100.0) for number in range(4_000)]
    model = Model(market_share=0.0, sector_share=0.0, market_jumps=0.0)
    source = GeneratedPrices(paths, 5, model=model)
    for day in range(31):
        mid = source.step(day * 24 * HOUR).mid
    assert mid.mean() == pytest.approx(100.0, rel=0.02)


def test_history_leads_to_the_start_without_a_break() -> None:
    source = GeneratedPrices(PATHS, 3)
    minutes = source.history(0, 60_000, 600)
    hours = source.history(-600 * 60_000, HOUR, 100)
    assert minutes.close[-1] == pytest.approx([path.price for path in PATHS])
    assert minutes.open[1:] == pytest.approx(minutes.close[:-1])
    assert hours.close[-1] == pytest.approx(minutes.open[0])
    for bars in (minutes, hours):
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        assert (bars.volume > 0).all()
    with_range = np.log(hours.high / hours.low).mean()
    assert with_range == pytest.approx(1.6 * np.log(hours.close / hours.open).std(), rel=0.4)


# ---- replay ----------------------------------------

BARS = "open,high,low,close,volume"


def write_csv(path: FilePath, rows: list[str], header: str = f"ts_ms,{BARS}") -> FilePath:
    text = "\n".join([header, *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def hourly(name: str, folder: FilePath, bars: list[tuple[int, float, float, float, float, float]]) -> FilePath:
    rows = [f"{START_MS + hour * HOUR},{o},{h},{low},{c},{v}" for hour, o, h, low, c, v in bars]
    return write_csv(folder / f"{name}USDT_1h.csv", rows)


def test_the_path_meets_every_bar_and_never_leaves_it(tmp_path: FilePath) -> None:
    bars = [
        (0, 100.0, 110.0, 90.0, 105.0, 3600.0),
        (1, 105.0, 106.0, 80.0, 82.0, 7200.0),
        (2, 82.0, 82.0, 82.0, 82.0, 0.0),
    ]
    source = ReplayPrices([hourly("BTC", tmp_path, bars)], START_MS)
    for hour, opened, high, low, close, volume in bars:
        times = START_MS + hour * HOUR + np.linspace(0, HOUR - 1e-6, 601)
        steps = [source.step(float(time)) for time in times]
        mids = np.array([step.mid[0] for step in steps])
        assert mids[0] == opened
        assert mids[-1] == pytest.approx(close, abs=1e-3)
        assert mids.max() == pytest.approx(high, abs=1e-9)
        assert mids.min() == pytest.approx(low, abs=1e-9)
        assert steps[5].volume_rate[0] == volume / 3_600
        assert steps[5].alive.all()
    again = ReplayPrices([tmp_path / "BTCUSDT_1h.csv"], START_MS)
    middle = START_MS + 1_234_567.0
    first = again.step(middle).mid[0]
    assert ReplayPrices([tmp_path / "BTCUSDT_1h.csv"], START_MS).step(middle).mid[0] == first


def test_candles_of_a_replay_are_the_bars_of_the_file(tmp_path: FilePath) -> None:
    bars = [(hour, 100.0 + hour, 103.0 + hour, 98.0 + hour, 101.0 + hour, 36.0) for hour in range(48)]
    source = ReplayPrices([hourly("BTC", tmp_path, bars)], START_MS + 24 * HOUR)
    now = 1_790_000_040_000  # a whole minute
    settings = Settings(speed=60.0, liquidity=Liquidity(trades_per_second=5))
    exchange = Exchange([spot("BTC", 100.0)], source, {}, seed=1, now_ms=now, settings=settings)
    past = exchange.candles("BTC-USDT", 60_000, limit=100)
    assert [float(c.open) for c in past[1:]] == [100.0 + hour for hour in range(23, -1, -1)]
    assert [float(c.volume) for c in past[1:]] == pytest.approx([36.0] * 24)
    for step in range(4 * 1_200):
        exchange.advance(now + 50 * (step + 1))
    closed = [c for c in exchange.candles("BTC-USDT", 60_000, limit=100) if c.closed][:4]
    for candle, hour in zip(closed, (27, 26, 25, 24), strict=True):
        assert float(candle.open) == pytest.approx(100 + hour, abs=0.05)
        assert float(candle.close) == pytest.approx(101 + hour, abs=0.05)
        assert float(candle.high) == pytest.approx(103 + hour, abs=0.05)
        assert float(candle.low) == pytest.approx(98 + hour, abs=0.05)
    assert sum(float(candle.volume) for candle in closed) == pytest.approx(4 * 36.0, rel=0.05)


def test_a_gap_stands_still_and_a_series_that_ends_is_delisted(tmp_path: FilePath) -> None:
    living = [(hour, 100.0, 101.0, 99.0, 100.0, 1.0) for hour in range(10)]
    dying = [
        (0, 5.0, 5.0, 5.0, 5.0, 1.0),
        (2, 4.0, 4.0, 4.0, 4.0, 1.0),
        (3, 3.0, 3.0, 3.0, 3.0, 1.0),
        (300, 9.0, 9.0, 9.0, 9.0, 1.0),
    ]
    later = [(hour, 50.0, 50.0, 50.0, 50.0, 1.0) for hour in (4, 5, 6, 7, 8, 9)]
    files = [hourly("BTC", tmp_path, living), hourly("LUNA", tmp_path, dying), hourly("NEW", tmp_path, later)]
    source = ReplayPrices(files, START_MS)
    assert source.series == ["BTC-USDT", "LUNA-USDT", "NEW-USDT"]
    exchange = Exchange(
        universe(source.price_ranges()), source, {}, seed=1, now_ms=START_MS, settings=Settings(speed=3_600.0)
    )

    def state(inst_id: str) -> InstrumentState:
        return exchange.instruments[inst_id].state

    assert state("NEW-USDT") is InstrumentState.PREOPEN
    exchange.advance(START_MS + 1_500)
    assert exchange.mark_price("LUNA-USDT") == Decimal(5)
    assert state("LUNA-USDT") is InstrumentState.LIVE
    exchange.advance(START_MS + 2_500)
    assert exchange.mark_price("LUNA-USDT") == Decimal(4)
    exchange.advance(START_MS + 4_500)
    assert state("LUNA-USDT") is InstrumentState.EXPIRED
    assert state("NEW-USDT") is InstrumentState.LIVE
    assert exchange.quote("NEW-USDT").bid_lots > 0
    exchange.advance(START_MS + 20_000)
    assert source.finished
    assert state("BTC-USDT") is InstrumentState.LIVE


def test_bars_finer_than_the_data_come_from_the_path(tmp_path: FilePath) -> None:
    bars = [(hour, 100.0, 110.0, 90.0, 100.0, 60.0) for hour in range(3)]
    source = ReplayPrices([hourly("BTC", tmp_path, bars)], START_MS + 3 * HOUR - 1)
    history = source.history(START_MS + 3 * HOUR, 60_000, 120)
    assert len(history.open) == 120
    assert history.volume.sum() == pytest.approx(120.0)
    assert history.high.max() <= 110.0
    assert history.low.min() >= 90.0
    assert history.high.max() - history.low.min() > 18


def test_files_of_every_kind_are_read_alike(tmp_path: FilePath) -> None:
    rows = [(START_MS + hour * HOUR, 1.0 + hour, 3.0 + hour, 0.5, 2.0 + hour, 10.0) for hour in range(3)]
    iso = [f"{np.datetime64(row[0], 'ms')}Z,{','.join(map(str, row[1:]))}" for row in rows]
    seconds = [f"{row[0] // 1_000},{','.join(map(str, row[1:]))}" for row in rows]
    both = [
        f"{np.datetime64(row[0], 'ms')},{pair},{','.join(map(str, row[1:]))}"
        for row in rows
        for pair in ("A1/USDT", "B2/USD")
    ]
    names = ("ts_ms", *BARS.split(","))
    parquet.write_table(
        pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), tmp_path / "x_C3USDT_1h.parquet"
    )
    files = [
        write_csv(tmp_path / "venue_D4-USDT_1h.csv.gz", iso, f"time,{BARS}"),
        write_csv(tmp_path / "E5USDT.csv", seconds, f"timestamp,{BARS}"),
        write_csv(tmp_path / "all.csv", both, f"date,symbol,{BARS}"),
        tmp_path / "x_C3USDT_1h.parquet",
    ]
    tables = read_bars(files)
    assert [table.name for table in tables] == ["A1-USDT", "B2-USDT", "C3-USDT", "D4-USDT", "E5-USDT"]
    for table in tables:
        assert table.bar_ms == HOUR
        assert table.start_ms.tolist() == [row[0] for row in rows]
        assert table.close.tolist() == [2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("name", "header", "rows", "message"),
    [
        ("BTCUSDT.csv", f"when,{BARS}", ["1,1,1,1,1,1"], "no time column"),
        ("BTCUSDT.csv", "ts_ms,open,high,low,close", ["1,1,1,1,1"], "column volume is missing"),
        ("bars.csv", f"ts_ms,{BARS}", ["1,1,1,1,1,1", "2,1,1,1,1,1"], "no symbol"),
        ("BTCUSDT.csv", f"ts_ms,{BARS}", [], "no rows"),
        ("BTCUSDT.csv", f"ts_ms,{BARS}", ["1,1,1,1,1,1"], "one bar is not a path"),
        ("BTCUSDT.csv", f"ts_ms,{BARS}", ["5,1,1,1,1,1", "5,1,1,1,1,1"], "the same time twice"),
        ("BTCUSDT.csv", f"ts_ms,{BARS}", ["1,1,1,0,1,1", "2,1,1,1,1,1"], "not positive"),
        ("BTCUSDT.csv", f"ts_ms,{BARS}", ["1,2,1,1,1,1", "2,1,1,1,1,1"], "a high below"),
        ("BTCUSDT.csv", f"ts_ms,{BARS}", ["1,2,3,2.5,2,1", "2,1,1,1,1,1"], "a low above"),
        ("BTCUSDT.csv", f"ts_ms,{BARS}", ["1,1,1,1,1,-1", "2,1,1,1,1,1"], "a volume"),
        ("BTCUSDT.csv", f"ts_ms,{BARS}", ["1,1,1,1,1,", "2,1,1,1,1,1"], "empty cells"),
        ("BTCUSDT.csv", f"ts_ms,{BARS}", ["1,x,1,1,1,1", "2,1,1,1,1,1"], "column open is not numeric"),
        ("BTCUSDT.csv", f"time,{BARS}", ["soon,1,1,1,1,1", "later,1,1,1,1,1"], "ISO 8601"),
        ("BTCUSDT.parquet", "nonsense", [], "not readable"),
    ],
)
def test_a_bad_file_is_refused_by_name_with_what_is_wrong(
    tmp_path: FilePath, name: str, header: str, rows: list[str], message: str
) -> None:
    path = write_csv(tmp_path / name, rows, header)
    with pytest.raises(PriceFileError, match=message) as caught:
        ReplayPrices([path])
    assert name in str(caught.value)


def test_missing_files_and_a_start_after_the_end_are_refused(tmp_path: FilePath) -> None:
    with pytest.raises(PriceFileError, match="no such file"):
        ReplayPrices([tmp_path / "BTCUSDT.csv"])
    with pytest.raises(PriceFileError, match="no price files"):
        ReplayPrices([])
    path = hourly("BTC", tmp_path, [(0, 1.0, 1.0, 1.0, 1.0, 1.0), (1, 1.0, 1.0, 1.0, 1.0, 1.0)])
    with pytest.raises(PriceFileError, match="before the data end"):
        ReplayPrices([path], START_MS + 2 * HOUR)


# ---- mirror ----------------------------------------


def test_a_mirrored_book_has_the_top_that_was_pushed() -> None:
    source = MirrorSource(["BTC-USDT"])
    exchange = Exchange([spot("BTC", 50_000)], source, {}, seed=1, now_ms=START_MS)
    assert [rules.state for rules in exchange.instruments.values()] == [InstrumentState.PREOPEN]
    assert source.push("BTC-USDT", 49_999.9, 0.25, 50_000.3, 1.5, START_MS)
    exchange.advance(START_MS + 50)
    assert [rules.state for rules in exchange.instruments.values()] == [InstrumentState.LIVE]
    assert exchange.quote("BTC-USDT")[:4] == (499_999, 25_000_000, 500_003, 150_000_000)
    book = exchange.book("BTC-USDT")
    assert len(book.bids) == len(book.asks) == 400


def test_a_mirror_drops_quotes_that_are_old_or_impossible() -> None:
    source = MirrorSource(["BTC-USDT"])
    assert source.push("BTC-USDT", 10, 1, 11, 1, 5)
    for bid, ask, ts in ((10.5, 11, 4), (11, 10, 6), (0, 1, 6), (float("nan"), 11, 6), (10, float("inf"), 6)):
        assert not source.push("BTC-USDT", bid, 1, ask, 1, ts)
    assert source.dropped == 5
    assert source.step(0).mid[0] == 10.5
    with pytest.raises(KeyError):
        source.push("NO-USDT", 1, 1, 2, 1, 1)


def test_a_mirror_shows_the_history_that_it_was_given() -> None:
    source = MirrorSource(["BTC-USDT"])
    bars = np.linspace(100, 110, 30)[:, None]
    source.set_history(60_000, History(bars, bars + 1, bars - 1, bars, bars))
    source.push("BTC-USDT", 109, 1, 111, 1, START_MS)
    exchange = Exchange([spot("BTC", 100)], source, {}, seed=1, now_ms=START_MS)
    candles = exchange.candles("BTC-USDT", 60_000, limit=100)
    assert len(candles) == 31
    assert float(candles[1].close) == pytest.approx(110)
    assert candles[0].closed is False
