"""A bounded memory of numbered rows, read newest first in pages."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class Records(Generic[T]):
    """Rows by rising id; beyond `limit` the lowest ids are forgotten, a tenth at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ids: list[int] = []
        self._rows: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, row_id: int, row: T) -> list[T]:
        """Keep a row and return those forgotten for it."""
        if self._ids and row_id < self._ids[-1]:
            insort(self._ids, row_id)
        else:
            self._ids.append(row_id)
        self._rows[row_id] = row
        if len(self._ids) <= self._limit + self._limit // 10:
            return []
        excess = len(self._ids) - self._limit
        old, self._ids = self._ids[:excess], self._ids[excess:]
        return [self._rows.pop(each) for each in old]

    def get(self, row_id: int) -> T | None:
        """Return the row with this id."""
        return self._rows.get(row_id)

    def page(self, after_id: int | None, before_id: int | None, limit: int, keep: Callable[[T], bool]) -> list[T]:
        """Return up to `limit` rows, newest first, older than `after_id` and newer than `before_id`."""
        rows = (row for row in self._newest_first(after_id, before_id) if keep(row))
        return list(islice(rows, limit))

    def _newest_first(self, after_id: int | None, before_id: int | None) -> Iterator[T]:
        end = len(self._ids) if after_id is None else bisect_left(self._ids, after_id)
        begin = 0 if before_id is None else bisect_right(self._ids, before_id)
        return (self._rows[self._ids[place]] for place in range(end - 1, begin - 1, -1))
