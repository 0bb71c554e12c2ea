"""What is stored of a decision is read back to the last bit."""

from __future__ import annotations

import math
import operator
import struct
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from daemon.store import codec
from daemon.store.codec import CodecError, decode, digest, encode
from exchanges.port import Capability, Fill, Market, MarketKind, Position, Side

if TYPE_CHECKING:
    from collections.abc import Callable

floats = st.floats(allow_nan=True, allow_infinity=True, width=64)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    floats,
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False),
    st.datetimes(timezones=st.just(UTC)),
    st.timedeltas(),
    st.sampled_from(list(Side)),
    st.integers(0, 127).map(Capability),
    arrays.arrays(np.float64, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5), elements=floats),
    arrays.arrays(np.int64, st.integers(0, 5)),
    arrays.arrays(np.bool_, st.integers(0, 5)),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(), inner, max_size=4),
        st.dictionaries(st.integers() | st.tuples(st.text(), st.integers()), inner, max_size=4),
        st.frozensets(st.integers() | st.text(), max_size=4),
    ),
    max_leaves=20,
)


def same(one: Any, other: Any) -> bool:
    """Equality that tells -0.0 from 0.0, one NaN from another, and a tuple from a list."""
    if type(one) is not type(other):
        return False
    equal = next((equal for kind, equal in EQUALITIES if isinstance(one, kind)), operator.eq)
    return bool(equal(one, other))


EQUALITIES: tuple[tuple[type, Callable[[Any, Any], bool]], ...] = (
    (float, lambda one, other: struct.pack(">d", one) == struct.pack(">d", other)),
    (Decimal, lambda one, other: str(one) == str(other)),
    (
        np.ndarray,
        lambda one, other: (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes()),
    ),
    (list, lambda one, other: len(one) == len(other) and all(map(same, one, other))),
    (tuple, lambda one, other: len(one) == len(other) and all(map(same, one, other))),
    (dict, lambda one, other: list(one) == list(other) and all(same(one[name], other[name]) for name in one)),
)


@given(values)
def test_every_value_comes_back_to_the_last_bit(value: Any) -> None:
    data = encode(value)
    assert same(decode(data), value)
    assert encode(decode(data)) == data


def test_a_fill_and_a_market_come_back_equal() -> None:
    market = Market(
        "BTC/USDT", "BTC-USDT", MarketKind.SPOT, "BTC", "USDT", "USDT", Decimal("0.1"), Decimal("1e-8"),
        Decimal("0.00001"), Decimal(0), None, Decimal(1), Decimal("0.0008"), Decimal("0.001"),
    )  # fmt: skip
    fill = Fill(
        "okx", "1", "2", None, "BTC/USDT", Side.SELL, Decimal("0.10"), Decimal("64000.1"), Decimal("-0.00"), "USDT",
        datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert decode(encode((market, fill, {"one": fill}))) == (market, fill, {"one": fill})


def test_arrays_come_back_unchangeable() -> None:
    array = decode(encode(np.eye(3)))
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 2.0


def test_equal_values_have_one_digest_and_others_another() -> None:
    assert digest(encode({"weight": 0.1})) == digest(encode({"weight": 0.1}))
    assert digest(encode({"weight": 0.1})) != digest(encode({"weight": math.nextafter(0.1, 1)}))


@given(st.data())
def test_damaged_bytes_are_refused_with_one_kind_of_error(data: st.DataObject) -> None:
    whole = encode({"at": datetime(2026, 1, 1, tzinfo=UTC), "weights": np.arange(5.0), "side": Side.BUY})
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(damaged), whole[:place], whole + b"\0"):
        with pytest.raises(CodecError):
            decode(bad)


@dataclass(frozen=True)
class _Foreign:
    value: int


@pytest.mark.parametrize(
    "value",
    [_Foreign(1), object(), 1j, datetime(2026, 1, 1), np.zeros(2, dtype=complex), "\ud800"],  # noqa: DTZ001  # refused
)
def test_what_the_format_does_not_know_is_refused(value: object) -> None:
    with pytest.raises(CodecError):
        encode(value)


@pytest.mark.parametrize(
    "text",
    [
        '{"~class": "os:system", "is": {}}',
        '{"~class": "exchanges.port:ZERO", "is": {}}',
        '{"~class": "exchanges.port:Nothing", "is": {}}',
        '{"~class": "exchanges.nothing:Fill", "is": {}}',
        '{"~class": "exchanges.port:Side", "is": {}}',
        '{"~class": "exchanges.port:Balance", "is": {"currency": "BTC", "colour": 1}}',
        '{"~class": "exchanges.port:Balance", "is": {"currency": "BTC"}}',
        '{"~enum": "exchanges.port:Balance", "is": "BTC"}',
        '{"~enum": "exchanges.port:Side", "is": "hold"}',
        '{"~array": "x", "type": "|O", "shape": [1]}',
        '{"~what": 1}',
        "{",
    ],
)
def test_nothing_is_built_but_our_own_values(text: str) -> None:
    with pytest.raises(CodecError):
        codec.loads(text)


def test_a_field_that_came_later_is_read_with_its_default() -> None:
    position = Position("BTC/USDT:USDT", Decimal(1), Decimal(2), Decimal(3), Decimal(4), leverage=Decimal(5))
    old = codec.dumps(position).decode().replace(',"leverage":{"~dec":"5"}', "")
    assert codec.loads(old) == replace(position, leverage=None)
