"""What a benchmark reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One measured value; `ok` says whether the goal was met, None where there is none."""

    name: str
    value: float
    unit: str
    goal: str
    ok: bool | None
