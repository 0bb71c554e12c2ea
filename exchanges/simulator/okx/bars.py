"""OKX's names for the lengths of bars."""

from __future__ import annotations

from exchanges.simulator.okx.errors import OkxError

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

BARS = {
    "1s": 1_000,
    "1m": _MINUTE,
    "3m": 3 * _MINUTE,
    "5m": 5 * _MINUTE,
    "15m": 15 * _MINUTE,
    "30m": 30 * _MINUTE,
    "1H": _HOUR,
    "2H": 2 * _HOUR,
    "4H": 4 * _HOUR,
    "6Hutc": 6 * _HOUR,
    "12Hutc": 12 * _HOUR,
    "1Dutc": _DAY,
}
"""Milliseconds by name. The names without `utc` are aligned to Hong Kong's day and are not kept."""


def bar_ms(name: str) -> int:
    """Return a bar's length.

    Raises:
        OkxError: 51000 for a name that is not in the table.
    """
    try:
        return BARS[name]
    except KeyError:
        raise OkxError("51000", "bar") from None
