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
    names: dict[int, tuple[str, str | None]] = {
        int(row) - zero: label(found.limit, int(entry), problem)
        for found in compiled.limits
        for row, entry in zip(found.rows, found.entries, strict=True)
        if row >= zero
    }
    soft = np.array(sorted(names), dtype=np.intp)
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
    give = [Violation(*names[row], float(by)) for row, by in zip(soft, eased, strict=True) if by > EASING]
    against = [
        Violation(*names[row], 0.0) for row, by, price in zip(soft, eased, prices, strict=True) if by <= EASING < price
    ]
    return Infeasible(tuple(sorted(give, key=lambda violation: -violation.amount)), tuple(against))


def label(limit: Limit, entry: int, problem: PortfolioProblem) -> tuple[str, str | None]:
    """Return what a row of a limit is called, and its asset if it is one asset's."""
    if limit.group is not None:
        return f"group:{problem.limits.groups[limit.group].name}", None
    if limit.level.ndim == 0:
        return limit.name, None
    name = FROZEN if frozen_assets(problem)[entry] else limit.name
    return name, problem.assets[entry]
