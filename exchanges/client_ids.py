"""Client order ids: 128 bits, a pure function of what the order is for, encoded to each venue's taste.

Ours are 32 lowercase hex digits everywhere above the edge. Because the id follows from the intent, a restart
derives the same id again and finds the order it may have sent. A venue's own uniqueness check is never relied
upon: its scope and memory differ from venue to venue.
"""

from __future__ import annotations

import json
import re
from base64 import b32decode, b32encode
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OURS = re.compile(r"[0-9a-f]{32}")
_GATE = re.compile(r"t-[a-z2-7]{26}")


def client_id(portfolio: str, decision_id: str | int, leg: int, slice_number: int) -> str:
    """Return the id of one slice of one leg of a decision, as 32 hex digits.

    The parts are hashed as a JSON array, which no two different tuples share.
    """
    parts = json.dumps([portfolio, decision_id, leg, slice_number], separators=(",", ":"))
    return blake2b(parts.encode(), digest_size=16).hexdigest()


class _Shape(NamedTuple):
    encode: Callable[[str], str]
    decode: Callable[[str], str | None]


def _gate_decode(text: str) -> str | None:
    if not _GATE.fullmatch(text):
        return None
    ours = b32decode(text[2:].upper() + "======").hex()
    return ours if _gate_encode(ours) == text else None


def _gate_encode(ours: str) -> str:
    return "t-" + b32encode(bytes.fromhex(ours)).decode().rstrip("=").lower()


_PLAIN = _Shape(lambda ours: ours, lambda text: text if _OURS.fullmatch(text) else None)

# 32 hex digits suit most: OKX (at most 32 letters and digits), Binance and Bybit (36), Kraken (a UUID without
# dashes).
_SHAPES: Mapping[str, _Shape] = {
    "gate": _Shape(_gate_encode, _gate_decode),  # "t-" and at most 28 characters in all
    "gateio": _Shape(_gate_encode, _gate_decode),
    "hyperliquid": _Shape(
        lambda ours: "0x" + ours,
        lambda text: _PLAIN.decode(text[2:]) if text.startswith("0x") else None,
    ),
}


def encode(exchange_id: str, ours: str) -> str:
    """Return our id as the venue takes it.

    Raises:
        ValueError: `ours` is not 32 lowercase hex digits.
    """
    if not _OURS.fullmatch(ours):
        raise ValueError(f"client id {ours!r} is not 32 lowercase hex digits")
    return _SHAPES.get(exchange_id, _PLAIN).encode(ours)


def decode(exchange_id: str, theirs: str | None) -> str | None:
    """Return our id from the venue's spelling of it, or None for an id that is not of our making."""
    return _SHAPES.get(exchange_id, _PLAIN).decode(theirs) if theirs else None
