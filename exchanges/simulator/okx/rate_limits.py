"""OKX's rate limits: so many requests (or orders, in a batch) per so many seconds, per endpoint and instrument."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class RateLimits:
    """Sliding windows, one per name; `now` is monotonic seconds, passed in."""

    _taken: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    def admit(self, name: str, count: int, seconds: float, now: float, cost: int = 1) -> bool:
        """Return whether `cost` more fit into the window, and take them if so."""
        window = self._taken.setdefault(name, deque())
        while window and now - window[0][0] >= seconds:
            window.popleft()
        if sum(taken for _, taken in window) + cost > count:
            return False
        window.append((now, cost))
        return True
