"""Bars from CSV and parquet files, checked, with errors that name the file and the row.

A file has `open high low close volume` and one time column, the opening time of each bar: `ts_ms`, `ts`, `timestamp`,
`time`, `date`, `datetime` or `open_time`, in milliseconds or seconds since the epoch or as ISO 8601 text (UTC where no
offset is given). A `symbol` column parts a file into series; otherwise the file's name must hold one, as in
`BTCUSDT_1h.parquet` or `venue_ETH-USDT_2024.csv.gz`. A price in USD is taken as one in USDT.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TIME_COLUMNS = ("ts_ms", "ts", "timestamp", "time", "date", "datetime", "open_time")
PRICE_COLUMNS = ("open", "high", "low", "close", "volume")
SYMBOL = re.compile(r"(?:^|_)([A-Z0-9]{2,}?)[-/]?(USDT|USD)(?=[_.\-]|$)")
SECONDS_BELOW = 10**11


class PriceFileError(ValueError):
    """A file that cannot be replayed, and why."""


@dataclass(frozen=True, slots=True)
class BarTable:
    """The bars of one series, oldest first: opening times in milliseconds and five columns of equal length."""

    name: str
    bar_ms: int
    start_ms: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


def read_bars(files: Sequence[Path]) -> list[BarTable]:
    """Return the series of all files, by name; a series in several files is put together.

    Raises:
        PriceFileError: If a file is missing, unreadable, lacks a column, or holds impossible bars.
    """
    parts: dict[str, list[tuple[Path, pa.Table]]] = {}
    for path in files:
        for name, table in _read(path).items():
            parts.setdefault(name, []).append((path, table))
    if not parts:
        raise PriceFileError("no price files were given")
    return [_table(name, pieces) for name, pieces in sorted(parts.items())]


def _read(path: Path) -> dict[str, pa.Table]:
    try:
        table = parquet.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path)
    except FileNotFoundError:
        raise PriceFileError(f"{path}: no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise PriceFileError(f"{path}: not readable as CSV or parquet: {error}") from error
    time = next((name for name in TIME_COLUMNS if name in table.column_names), None)
    if time is None:
        raise PriceFileError(f"{path}: no time column; expected one of {', '.join(TIME_COLUMNS)}")
    missing = [name for name in PRICE_COLUMNS if name not in table.column_names]
    if missing:
        raise PriceFileError(f"{path}: column {missing[0]} is missing; found {', '.join(table.column_names)}")
    if not table.num_rows:
        raise PriceFileError(f"{path}: no rows")
    columns = {"time": _milliseconds(path, table[time])}
    columns |= {name: _numbers(path, name, table[name]) for name in PRICE_COLUMNS}
    bars = pa.table(columns)
    if "symbol" not in table.column_names:
        return {_series(path, path.name): bars}
    symbols = table["symbol"].cast(pa.string())
    return {_series(path, each): bars.filter(pc.equal(symbols, each)) for each in pc.unique(symbols).to_pylist()}


def _series(path: Path, text: str) -> str:
    found = SYMBOL.search(text or "")
    if not found:
        raise PriceFileError(f"{path}: no symbol such as BTCUSDT or BTC/USDT in {text!r}")
    return f"{found[1]}-USDT"


def _milliseconds(path: Path, column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    try:
        if pa.types.is_integer(kind):
            low = pc.min(column).as_py()
            return pc.multiply(column.cast(pa.int64()), 1_000 if low is not None and low < SECONDS_BELOW else 1)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            column = column.cast(pa.timestamp("ms", tz="UTC"))
        return column.cast(pa.timestamp("ms")).cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise PriceFileError(f"{path}: times are neither numbers nor ISO 8601: {error}") from error


def _numbers(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise PriceFileError(f"{path}: column {name} is not numeric: {error}") from error


def _table(name: str, pieces: list[tuple[Path, pa.Table]]) -> BarTable:
    where = f"{', '.join(str(path) for path, _ in pieces)}: {name}"
    whole = pa.concat_tables([table for _, table in pieces])
    if any(column.null_count for column in whole.columns):
        raise PriceFileError(f"{where}: empty cells")
    time = whole["time"].to_numpy()
    order = np.argsort(time, kind="stable")
    time = time[order]
    columns: list[Floats] = [whole[each].to_numpy()[order] for each in PRICE_COLUMNS]
    opened, high, low, close, volume = columns
    if len(time) < 2:
        raise PriceFileError(f"{where}: one bar is not a path")
    gaps = np.diff(time)
    checks = (
        ("the same time twice", np.append(gaps == 0, False)),
        ("a price that is not positive", ~(np.minimum.reduce([opened, high, low, close]) > 0)),
        ("a high below another price", high < np.maximum(np.maximum(opened, close), low)),
        ("a low above another price", low > np.minimum(opened, close)),
        ("a volume that is not a number >= 0", ~(volume >= 0)),
        ("a number that is not finite", ~np.isfinite(high + volume)),
    )
    for fault, rows in checks:
        if rows.any():
            raise PriceFileError(f"{where}: {fault}, at {np.datetime64(int(time[np.argmax(rows)]), 'ms')}")
    return BarTable(name, int(gaps.min()), time.astype(np.int64), opened, high, low, close, volume)
