"""The scanner finds every key of a TOML text where it stands."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config.positions import Duplicate, KeyPath, Place, scan

TEXT = '''\
# a comment with "quotes", [brackets] and = signs
title = "x # no comment" # a comment
[portfolio] # with a comment
assets = [
    "BTC/USDT", # first
    # between
    'ETH/USDT',
    """SOL
/USDT""",
]
  indented   =   1
[portfolio.overrides."BTC/USDT"]
max_weight = 0.5
[ portfolio . overrides . 'ETH/USDT' ]
max_weight = 1979-05-27 07:32:00
[venue]
api_key = {file = "/a,b}", deep = {more = [1, {x = 2}]}}
urls.rest = "http://x"
urls . "stream" = """one
two \\""" " still
""\\""""
lone = \'\'\'
[not.a.table]
\'\'\'
[[optimiser.groups]]
name = "a"
[[optimiser.groups]]
name = "b"
assets = []
[optimiser.groups.more]
deep = true
'''


def lines() -> dict[KeyPath, int]:
    return {path: place.line for path, place in scan(TEXT).places.items()}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("portfolio",), 3),
        (("portfolio", "assets"), 4),
        (("portfolio", "assets", 0), 5),
        (("portfolio", "assets", 1), 7),
        (("portfolio", "assets", 2), 8),
        (("portfolio", "indented"), 11),
        (("portfolio", "overrides", "BTC/USDT"), 12),
        (("portfolio", "overrides", "BTC/USDT", "max_weight"), 13),
        (("portfolio", "overrides", "ETH/USDT"), 14),
        (("portfolio", "overrides", "ETH/USDT", "max_weight"), 15),
        (("venue", "api_key"), 17),
        (("venue", "api_key", "file"), 17),
        (("venue", "api_key", "deep", "more", 1, "x"), 17),
        (("venue", "urls", "rest"), 18),
        (("venue", "urls", "stream"), 19),
        (("venue", "lone"), 22),
        (("optimiser", "groups"), 25),
        (("optimiser", "groups", 0), 25),
        (("optimiser", "groups", 0, "name"), 26),
        (("optimiser", "groups", 1), 27),
        (("optimiser", "groups", 1, "name"), 28),
        (("optimiser", "groups", 1, "more"), 30),
        (("optimiser", "groups", 1, "more", "deep"), 31),
    ],
)
def test_every_key_is_found_in_its_line(path: KeyPath, line: int) -> None:
    assert lines()[path] == line


def paths(tree: object, path: KeyPath = ()) -> set[KeyPath]:
    found: set[KeyPath] = set()
    inside: list[tuple[Any, Any]] = []
    if isinstance(tree, dict):
        inside = list(tree.items())
    elif isinstance(tree, list):
        inside = list(enumerate(tree))
    for name, value in inside:
        found |= {(*path, name)} | paths(value, (*path, name))
    return found


def test_it_finds_exactly_the_keys_that_the_parser_finds() -> None:
    positions = scan(TEXT)
    assert set(positions.places) == paths(tomllib.loads(TEXT))
    assert positions.duplicates == []


def test_columns_count_from_one() -> None:
    assert scan("a = [1, 22]").places == {("a",): Place(1, 1), ("a", 0): Place(1, 6), ("a", 1): Place(1, 9)}


def test_what_is_not_written_is_near_what_is() -> None:
    positions = scan("\n[venue]\napi_key = {}\n")
    assert positions.line(("venue", "api_key", "file")) == 3
    assert positions.line(("venue", "secret")) == 2
    assert positions.line(("portfolio",)) is None


@pytest.mark.parametrize(
    ("text", "path", "first", "second"),
    [
        ("a = 1\nb = 2\na = 3", ("a",), 1, 3),
        ("[a]\n[b]\n[a]", ("a",), 1, 3),
        ("[a]\nx = 1\n[b]\n[a]\nx = 2", ("a",), 1, 4),
        ("a = {x = 1, x = 2}", ("a", "x"), 1, 1),
        ("a.b = 1\na.b = 2", ("a", "b"), 1, 2),
        ("a = 1\n[a]", ("a",), 1, 2),
    ],
)
def test_what_is_defined_twice_is_told_with_both_places(text: str, path: KeyPath, first: int, second: int) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text)
    found = [(one.path, one.first.line, one.second.line) for one in scan(text).duplicates]
    assert (path, first, second) in found
    assert all(isinstance(one, Duplicate) for one in scan(text).duplicates)


def test_a_table_named_after_its_child_is_no_duplicate() -> None:
    text = "[a.b]\nx = 1\n[a]\ny = 2"
    tomllib.loads(text)
    assert scan(text).duplicates == []
    assert scan(text).places["a",] == Place(3, 1)


@pytest.mark.parametrize("text", ["a", "= 1", "[a", "a = ", "a = [1", "a = {b = 1", "[[a]", 'a = "x'])
def test_what_is_not_toml_is_an_error_with_its_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1, column \d+"):
        scan(text)


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4)
values = st.recursive(
    st.integers(-5, 5) | st.booleans() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def write(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(write, value)) + "\n]"
    assert isinstance(value, dict)
    return "{" + ", ".join(f"{quote(name)} = {write(item)}" for name, item in value.items()) + "}"


def quote(text: str) -> str:
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


@given(st.dictionaries(names, st.dictionaries(names, values, max_size=3), max_size=3))
def test_scanner_and_parser_agree_on_any_document(tree: dict[str, dict[str, Any]]) -> None:
    lines = []
    for section, keys in tree.items():
        lines.append(f"[{quote(section)}] # comment")
        lines += [f"{quote(name)} = {write(value)}" for name, value in keys.items()]
    text = "\n".join(lines)
    # An inline table may hold a list over several lines only since TOML 1.1.
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    positions = scan(text)
    assert set(positions.places) == paths(parsed) == paths(tree)
    assert positions.duplicates == []
