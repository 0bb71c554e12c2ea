"""Which limits contradict one another when no weights keep them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from risk.portfolio.inputs import frozen_assets
from risk.portfolio.types import Infeasible, Violation

if TYPE_CHECKING:
    from risk.portfolio.compiled import Compiled
    from risk.portfolio.problem import Limit
    from risk.portfolio.types import PortfolioProblem

# What the two bounds of an asset are called while it may not be traded.
FROZEN = "frozen"

# Below this easing, as a fraction of equity, limits are taken to agree.
EASING = 1e-7


def conflicts(compiled: Compiled, problem: PortfolioProblem) -> Infeasible | None:
    """Return what must give for the limits to agree, or None if they do.

    The elastic programme may ease each limit and seeks the least total of easings. Limits with a price in its
    answer that are not eased themselves are the other side of the conflict.

    Args:
        compiled: Holding the numbers of the problem since its last solve.
        problem: For the names.
    """
    program = compiled.program
    zero, inequalities = program.cones.zero, program.cones.nonnegative
    matrix = program.matrix.tocsr()
    soft = compiled.limit_rows - zero
    easing = sparse.csr_array((-np.ones(len(soft)), (soft, np.arange(len(soft)))), shape=(inequalities, len(soft)))
    size = matrix.shape[1]
    answer = linprog(
        np.concatenate([np.zeros(size), np.ones(len(soft))]),
        A_ub=sparse.hstack([matrix[zero : zero + inequalities], easing]),
        b_ub=program.right[zero : zero + inequalities],
        A_eq=sparse.hstack([matrix[:zero], sparse.csr_array((zero, len(soft)))]) if zero else None,
        b_eq=program.right[:zero] if zero else None,
        bounds=[(None, None)] * size + [(0.0, None)] * len(soft),
        method="highs-ds",
    )
    if answer.status != 0 or answer.fun <= EASING:
        return None
    eased = answer.x[size:]
    prices = -answer.ineqlin.marginals[soft]
    names = Names(problem)
    called = [names.of(*compiled.limits[row]) for row in compiled.limit_rows]
    give = [Violation(*name, float(by)) for name, by in zip(called, eased, strict=True) if by > EASING]
    sides = zip(called, eased, prices, strict=True)
    against = [Violation(*name, 0.0) for name, by, price in sides if by <= EASING < price]
    return Infeasible(tuple(sorted(give, key=lambda violation: -violation.amount)), tuple(against))


class Names:
    """What the rows of a problem's limits are called."""

    def __init__(self, problem: PortfolioProblem) -> None:
        self._problem = problem
        self._frozen = frozen_assets(problem)

    def of(self, limit: Limit, entry: int) -> tuple[str, str | None]:
        """Return the name of a limit, and its asset if the row is one asset's."""
        if limit.group is not None:
            return f"group:{self._problem.limits.groups[limit.group].name}", None
        if limit.level.ndim == 0:
            return limit.name, None
        return FROZEN if self._frozen[entry] else limit.name, self._problem.assets[entry]
