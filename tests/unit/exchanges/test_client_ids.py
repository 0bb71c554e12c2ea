"""Client ids: derived, distinct, and read back from every venue's spelling."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.client_ids import client_id, decode, encode

ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
VENUES = ["okx", "binance", "bybit", "kraken", "krakenfutures", "gate", "gateio", "hyperliquid", "another"]


def test_an_id_is_the_same_in_every_process() -> None:
    assert client_id("main", 42, 3, 0) == "5dd44ae4fa7c4d97c77741760cbd30e7"


def test_different_intents_have_different_ids() -> None:
    decisions: list[str | int] = [1, 11, "1", "a"]
    intents = itertools.product(["a", "a1", "1"], decisions, [0, 1, 11], [0, 1, 10])
    made = [client_id(*intent) for intent in intents]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("venue", VENUES)
@given(ours=ids)
def test_every_spelling_is_read_back(venue: str, ours: str) -> None:
    assert decode(venue, encode(venue, ours)) == ours


@given(ours=ids)
def test_spellings_keep_the_venues_rules(ours: str) -> None:
    assert re.fullmatch(r"[0-9A-Za-z]{1,32}", encode("okx", ours))
    assert re.fullmatch(r"t-[0-9A-Za-z_.-]{1,26}", encode("gate", ours))
    assert re.fullmatch(r"0x[0-9a-f]{32}", encode("hyperliquid", ours))
    assert re.fullmatch(r"[0-9A-Za-z_:/-]{1,36}", encode("binance", ours))


@pytest.mark.parametrize(
    ("venue", "foreign"),
    [
        ("okx", None),
        ("okx", ""),
        ("okx", "e847386590ce4dBC0123456789abcdef"),
        ("okx", "ab" * 15),
        ("binance", "x-TKT5PX2F0123456789abcdef0123456789"),
        ("gate", "t-order1"),
        ("gate", "t-" + "a" * 25 + "b"),  # the last letter holds bits that 128 do not have
        ("hyperliquid", "ab" * 16),
    ],
)
def test_ids_of_others_are_not_taken_for_ours(venue: str, foreign: str | None) -> None:
    assert decode(venue, foreign) is None


def test_only_our_own_shape_is_encoded() -> None:
    with pytest.raises(ValueError, match="not 32 lowercase hex digits"):
        encode("okx", "order-1")
