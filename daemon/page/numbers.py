"""How numbers and times are written, everywhere the same: one table by unit, and nothing locale-dependent.

Groups of three are set apart by a narrow space that does not break, a negative has a real minus, and what is
not known is a dash. Times are UTC.
"""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from daemon.page.html import Html, tag
from daemon.view import Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SPACE: Final = "\u202f"
MINUS: Final = "\u2212"
UNKNOWN: Final = "–"

Value = str | int | float | Decimal | datetime | None
Number = int | float | Decimal


def fixed(value: Number, digits: int, *, sign: bool = False) -> str:
    """Return a number with `digits` decimals; with `sign`, a plus is written too."""
    text = f"{value:+,.{digits}f}" if sign else f"{value:,.{digits}f}"
    if not any(c in "123456789" for c in text):
        text = text.lstrip("+-")
    return text.replace(",", SPACE).replace("-", MINUS)


def percent(value: Number, digits: int = 2, *, sign: bool = False) -> str:
    """Return a fraction in per cent."""
    return f"{fixed(value * 100, digits, sign=sign)}{SPACE}%"


def basis_points(value: Number) -> str:
    """Return a fraction in hundredths of a per cent."""
    return f"{fixed(value * 10_000, 1)}{SPACE}bp"


def money(value: Number, *, sign: bool = False) -> str:
    """Return an amount of money with its cents."""
    return fixed(value, 2, sign=sign)


def rounded(value: Number) -> str:
    """Return a price or an amount with five significant digits or two decimals, whichever is more."""
    magnitude = math.floor(math.log10(abs(float(value)))) if value else 2
    return fixed(value, max(2, 4 - magnitude))


def exact(value: Number) -> str:
    """Return every digit of a number but trailing zeros, as quantities and prices of orders need it."""
    text = f"{value if isinstance(value, Decimal) else Decimal(str(value)):,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(",", SPACE).replace("-", MINUS)


def age(value: float) -> str:
    """Return a length of time in whole seconds: its largest unit, and the next one where there is any."""
    left = round(abs(value))
    mark = MINUS if value < 0 and left else ""
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    counts = []
    for name, size in units:
        count, left = divmod(left, size)
        counts.append(f"{count}{SPACE}{name}" if count else "")
    first = next((n for n, count in enumerate(counts) if count), len(counts) - 1)
    return mark + (" ".join(filter(None, counts[first : first + 2])) or f"0{SPACE}s")


def seconds(value: float) -> str:
    """Return a length of time: milliseconds below one second, a decimal below ten, else as an age."""
    length = abs(value)
    if length < 1:
        return f"{fixed(value * 1000, 0)}{SPACE}ms"
    return f"{fixed(value, 1)}{SPACE}s" if length < 10 else age(value)


def moment(value: datetime) -> str:
    """Return a time to the second."""
    return f"{value:%Y-%m-%d %H:%M:%S} UTC"


def clock(value: datetime, now: datetime) -> Html:
    """Return a time of day, with its date where that is not today's; in full when pointed at."""
    text = f"{value:%H:%M:%S}" if value.date() == now.date() else f"{value:%d %b %H:%M}"
    return tag("time", text, datetime=value.isoformat(), title=moment(value))


def relative(value: datetime | None, now: datetime) -> Html:
    """Return how long ago a time was, or how soon it will be; in full when pointed at."""
    if value is None:
        return tag("span", UNKNOWN)
    away = (now - value).total_seconds()
    text = "now" if abs(away) < 1 else f"{age(away)} ago" if away > 0 else f"in {age(-away)}"
    return tag("time", text, datetime=value.isoformat(), title=moment(value))


WRITERS: Final[Mapping[Unit, Callable[[Number], str]]] = {
    Unit.FRACTION: percent,
    Unit.BASIS_POINTS: basis_points,
    Unit.MONEY: money,
    Unit.PRICE: rounded,
    Unit.QUANTITY: exact,
    Unit.NUMBER: lambda value: fixed(value, 3),
    Unit.COUNT: lambda value: fixed(value, 0),
    Unit.SECONDS: lambda value: seconds(float(value)),
}


def write(value: Value, unit: Unit) -> str:
    """Return a value as its unit is written; text and times as themselves, the unknown as a dash."""
    if value is None or (isinstance(value, float | Decimal) and not math.isfinite(value)):
        return UNKNOWN
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, str):
        return value
    writer = WRITERS.get(unit)
    return str(value) if writer is None else writer(value)
