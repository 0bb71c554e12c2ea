"""What a benchmark reports, and how it is shown."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

VERDICTS = {True: "met", False: "MISSED", None: ""}


@dataclass(frozen=True, slots=True)
class Result:
    """One measured value; `ok` says whether the goal was met, None where there is none."""

    name: str
    value: float
    unit: str
    goal: str
    ok: bool | None


def show(results: Sequence[Result]) -> None:
    """Print results as a table."""
    heads = ("benchmark", "value", "unit", "goal", "")
    rows = [(one.name, f"{one.value:,.4g}", one.unit, one.goal, VERDICTS[one.ok]) for one in results]
    sizes = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for name, value, *rest in (heads, *rows):
        others = "  ".join(cell.ljust(size) for cell, size in zip(rest, sizes[2:], strict=True))
        sys.stdout.write(f"{name.ljust(sizes[0])}  {value.rjust(sizes[1])}  {others}".rstrip() + "\n")
