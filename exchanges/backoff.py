"""Capped exponential back-off with full jitter, so that many clients of a venue that returns do not come as one."""

from __future__ import annotations

import random


class Backoff:
    """How long to wait before the next attempt; `reset` after a success."""

    def __init__(self, first: float = 0.1, most: float = 5.0, chance: random.Random | None = None) -> None:
        self._first = first
        self._most = most
        self._chance = chance or random.Random()  # noqa: S311  # spreads load, keeps no secret
        self._attempts = 0

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self._attempts = 0

    def next(self) -> float:
        """Return the seconds to wait: between half of the present step and all of it, and double the step."""
        step = min(self._most, self._first * 2.0 ** min(self._attempts, 30))
        self._attempts += 1
        return step * (0.5 + 0.5 * self._chance.random())
