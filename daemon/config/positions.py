"""Where each key of a TOML text stands. `tomllib` gives values without places; errors need both.

The scanner walks the text by the grammar of TOML 1.0 (tables, arrays of tables, dotted and quoted keys, inline tables,
arrays and strings over several lines, comments) and keeps the place of every key and every element. It does not judge
values: that is `tomllib`'s work, done before. It does notice what `tomllib` reports without a place: a key or a table
defined twice.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KeyPath = tuple[str | int, ...]

BLANK = re.compile(r"[ \t]*")
FILLER = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
SCALAR = re.compile(r"[^,\]}#\n]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A key or table that is defined a second time."""

    path: KeyPath
    first: Place
    second: Place


@dataclass(frozen=True, slots=True)
class Positions:
    """The place of every key and element by its path, and what was defined twice."""

    places: Mapping[KeyPath, Place]
    duplicates: Sequence[Duplicate] = ()

    def line(self, path: KeyPath) -> int | None:
        """Return the line of a path, or of the nearest table around it that is written down."""
        for length in range(len(path), 0, -1):
            place = self.places.get(path[:length])
            if place is not None:
                return place.line
        return None


def scan(text: str) -> Positions:
    """Return the places of all keys of a TOML text.

    Raises:
        ValueError: the text is not TOML.
    """
    scanner = _Scanner(text)
    scanner.document()
    return Positions(scanner.places, scanner.duplicates)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.places: dict[KeyPath, Place] = {}
        self.duplicates: list[Duplicate] = []
        self.implicit: set[KeyPath] = set()
        self.lengths: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        while True:
            self.skip(FILLER)
            if self.at >= len(self.text):
                return
            table = self.header() if self.peek("[") else self.pair(table)

    def header(self) -> KeyPath:
        start = self.at
        is_array = self.peek("[[")
        self.at += 2 if is_array else 1
        path: KeyPath = ()
        parts = self.key()
        for part in parts[:-1]:
            path = self.inside((*path, part), start)
        path = (*path, parts[-1])
        if is_array:
            self.places.setdefault(path, self.place(start))
            index = self.lengths.get(path, 0)
            self.lengths[path] = index + 1
            path = (*path, index)
        self.define(path, start)
        self.expect("]]" if is_array else "]")
        return path

    def inside(self, path: KeyPath, start: int) -> KeyPath:
        """Return the table meant by a part of a dotted name: of an array of tables, its latest."""
        if path not in self.places:
            self.places[path] = self.place(start)
            self.implicit.add(path)
        return (*path, self.lengths[path] - 1) if path in self.lengths else path

    def pair(self, table: KeyPath) -> KeyPath:
        start = self.at
        parts = self.key()
        path = table
        for part in parts[:-1]:
            path = self.inside((*path, part), start)
        path = (*path, parts[-1])
        self.define(path, start)
        self.expect("=")
        self.skip(BLANK)
        self.value(path)
        return table

    def key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self.skip(BLANK)
            quoted = STRING.match(self.text, self.at)
            match = quoted or BARE_KEY.match(self.text, self.at)
            if match is None:
                raise self.error("no key")
            parts.append(tomllib.loads(f"key = {match[0]}")["key"] if quoted else match[0])
            self.at = match.end()
            self.skip(BLANK)
            if not self.peek("."):
                return parts
            self.at += 1

    def value(self, path: KeyPath) -> None:
        if self.peek("["):
            self.at += 1
            self.array(path)
        elif self.peek("{"):
            self.at += 1
            self.inline_table(path)
        else:
            pattern = STRING if self.peek('"') or self.peek("'") else SCALAR
            match = pattern.match(self.text, self.at)
            if match is None:
                raise self.error("no value")
            self.at = match.end()

    def array(self, path: KeyPath) -> None:
        index = 0
        self.skip(FILLER)
        while not self.peek("]"):
            self.places[*path, index] = self.place(self.at)
            self.value((*path, index))
            index += 1
            self.skip(FILLER)
            if self.peek(","):
                self.at += 1
                self.skip(FILLER)
            elif not self.peek("]"):
                raise self.error("neither , nor ]")
        self.at += 1

    def inline_table(self, path: KeyPath) -> None:
        self.skip(FILLER)
        while not self.peek("}"):
            self.pair(path)
            self.skip(FILLER)
            if self.peek(","):
                self.at += 1
                self.skip(FILLER)
            elif not self.peek("}"):
                raise self.error("neither , nor }")
        self.at += 1

    def define(self, path: KeyPath, start: int) -> None:
        first = self.places.get(path)
        if first is None or path in self.implicit:
            self.implicit.discard(path)
            self.places[path] = self.place(start)
        else:
            self.duplicates.append(Duplicate(path, first, self.place(start)))

    def skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def peek(self, what: str) -> bool:
        return self.text.startswith(what, self.at)

    def expect(self, what: str) -> None:
        self.skip(BLANK)
        if not self.peek(what):
            raise self.error(f"no {what}")
        self.at += len(what)

    def place(self, offset: int) -> Place:
        line = bisect_right(self.line_starts, offset)
        return Place(line, offset - self.line_starts[line - 1] + 1)

    def error(self, what: str) -> ValueError:
        place = self.place(self.at)
        return ValueError(f"{what} (at line {place.line}, column {place.column})")
