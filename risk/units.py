"""What every number in `risk` is measured in: float64 arrays, and years of market time."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

SECONDS_PER_YEAR = 31_536_000.0
"""365 days: crypto markets never close."""
