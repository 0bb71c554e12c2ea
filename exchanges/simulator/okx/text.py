"""Numbers and times as OKX writes them: plain decimals without trailing zeros, milliseconds since the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


def trimmed(text: str) -> str:
    """Return a number's text without zeros that say nothing."""
    if "." not in text:
        return text
    text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def plain(value: Decimal | None) -> str:
    """Return the number without exponent or trailing zeros, the empty string for None."""
    if value is None:
        return ""
    if not value:
        return "0"
    return trimmed(format(value, "f"))


def signed_fee(fee: Decimal) -> str:
    """Return a fee with OKX's sign: negative when paid."""
    return plain(-fee)


def millis(value: int | None) -> str:
    """Return a time in milliseconds as text, the empty string for None."""
    return "" if value is None else str(value)
