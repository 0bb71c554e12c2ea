"""The two solvers behind one face: PIQP for quadratic programmes, Clarabel for those with further cones.

Both are set up once and then updated in place. Their own scaling of the matrices is switched off: what it
leaves behind depends on the matrices seen before, and an answer must be a pure function of its question, to
the last bit. The matrices are well scaled by nature (weights and rates), and `compiled` divides the
objective by its largest number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

import clarabel
import numpy as np
import piqp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from risk.portfolio.types import Array

# scipy has no types: its sparse matrices are `Any` here.
Sparse = Any


class Status(Enum):
    """What a solver says of its answer."""

    SOLVED = auto()
    INFEASIBLE = auto()
    UNBOUNDED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Solved:
    """A solver's answer: `duals` has one entry per row, at least zero for an inequality."""

    status: Status
    message: str
    x: Array
    duals: Array
    iterations: int
    gap: float


@dataclass(frozen=True, slots=True)
class Cones:
    """The cones of the rows, in this order: equalities, inequalities, second-order cones, power cones."""

    zero: int
    nonnegative: int
    second_order: tuple[int, ...]
    power: tuple[float, ...]

    @property
    def linear(self) -> bool:
        """Whether there are no others than equalities and inequalities."""
        return not self.second_order and not self.power


@dataclass(frozen=True, slots=True)
class Program:
    """``min 1/2 x'Px + q'x`` with ``b - Ax`` in the cones.

    The numbers change in place from solve to solve, the patterns never. `fixed` marks the entries of A that
    never change either.
    """

    quadratic: Sparse
    linear: Array
    matrix: Sparse
    right: Array
    cones: Cones
    fixed: NDArray[np.bool_]


class Solver(Protocol):
    """A solver set up for one program."""

    def solve(self) -> Solved:
        """Solve the program with the numbers that it has now."""


PIQP_STATUS = {
    piqp.Status.PIQP_SOLVED: Status.SOLVED,
    piqp.Status.PIQP_PRIMAL_INFEASIBLE: Status.INFEASIBLE,
    piqp.Status.PIQP_DUAL_INFEASIBLE: Status.UNBOUNDED,
}


class Piqp:
    """PIQP's sparse interior point for equalities and inequalities; rows on a single variable are bounds."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._split()
        self._solver = piqp.SparseSolver()
        settings = self._solver.settings
        settings.preconditioner_iter = 0
        settings.eps_abs, settings.eps_rel = 1e-9, 1e-10
        settings.eps_duality_gap_abs, settings.eps_duality_gap_rel = 1e-9, 1e-10
        self._ready = False

    def _split(self) -> None:
        """Sort the rows into equalities, bounds and other inequalities, once."""
        matrix, zero = self._program.matrix, self._program.cones.zero
        rows, columns = matrix.indices, np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
        count = np.bincount(rows, minlength=matrix.shape[0])
        lone = np.flatnonzero((count[rows] == 1) & self._program.fixed & (rows >= zero) & (matrix.data != 0))
        self._lower, self._upper = (lone[matrix.data[lone] < 0], lone[matrix.data[lone] > 0])
        # One bound per variable and side; a second one stays a row.
        self._lower = self._lower[np.unique(columns[self._lower], return_index=True)[1]]
        self._upper = self._upper[np.unique(columns[self._upper], return_index=True)[1]]
        bounds = np.union1d(rows[self._lower], rows[self._upper])
        self._rest = np.setdiff1d(np.arange(zero, matrix.shape[0]), bounds)
        self._lower_rows, self._lower_columns = rows[self._lower], columns[self._lower]
        self._upper_rows, self._upper_columns = rows[self._upper], columns[self._upper]
        self._lower_scale, self._upper_scale = matrix.data[self._lower], matrix.data[self._upper]
        self._equalities, self._equality_entries = _rows_of(matrix, np.arange(zero))
        self._others, self._other_entries = _rows_of(matrix, self._rest)

    def solve(self) -> Solved:
        """Solve the program with the numbers that it has now."""
        program, solver = self._program, self._solver
        zero, size = program.cones.zero, len(program.linear)
        data, right = program.matrix.data, program.right
        np.take(data, self._equality_entries, out=self._equalities.data)
        np.take(data, self._other_entries, out=self._others.data)
        lower, upper = np.full(size, -np.inf), np.full(size, np.inf)
        lower[self._lower_columns] = right[self._lower_rows] / self._lower_scale
        upper[self._upper_columns] = right[self._upper_rows] / self._upper_scale
        call = solver.update if self._ready else solver.setup
        call(
            program.quadratic,
            program.linear,
            self._equalities,
            right[:zero],
            self._others,
            np.full(len(self._rest), -np.inf),
            right[self._rest],
            lower,
            upper,
        )
        self._ready = True
        status = solver.solve()
        result, info = solver.result, solver.result.info
        duals = np.empty(len(right))
        duals[:zero] = result.y
        duals[self._rest] = result.z_u
        duals[self._lower_rows] = result.z_bl[self._lower_columns] / -self._lower_scale
        duals[self._upper_rows] = result.z_bu[self._upper_columns] / self._upper_scale
        return Solved(
            status=PIQP_STATUS.get(status, Status.FAILED),
            message=f"PIQP: {status.name}",
            x=np.array(result.x),
            duals=duals,
            iterations=int(info.iter),
            gap=float(info.duality_gap_rel),
        )


def _rows_of(matrix: Sparse, rows: NDArray[np.intp]) -> tuple[Sparse, NDArray[np.intp]]:
    """Return the rows of a CSC matrix as one of their own, and where in `matrix.data` its entries stand."""
    numbered = matrix.copy()
    numbered.data = np.arange(1.0, matrix.nnz + 1)  # from one, so that no entry is lost as a zero
    chosen = numbered.tocsr()[rows].tocsc()
    chosen.sort_indices()
    return chosen, (chosen.data - 1).astype(np.intp)


CLARABEL_STATUS = {
    clarabel.SolverStatus.Solved: Status.SOLVED,
    clarabel.SolverStatus.PrimalInfeasible: Status.INFEASIBLE,
    clarabel.SolverStatus.AlmostPrimalInfeasible: Status.INFEASIBLE,
    clarabel.SolverStatus.DualInfeasible: Status.UNBOUNDED,
    clarabel.SolverStatus.AlmostDualInfeasible: Status.UNBOUNDED,
}


class Clarabel:
    """Clarabel's conic interior point.

    It takes its Newton steps as they come: to refine each would cost a third more time and, with the answer
    checked afterwards, change nothing. When `careful` it refines them, scales the matrices and is set up
    anew for each solve; for what fails otherwise.
    """

    def __init__(self, program: Program, *, careful: bool = False) -> None:
        self._program = program
        self._careful = careful
        self._settings = clarabel.DefaultSettings()
        self._settings.verbose = False
        self._settings.max_threads = 1
        self._settings.presolve_enable = False
        self._settings.equilibrate_enable = careful
        self._settings.iterative_refinement_enable = careful
        self._settings.tol_gap_abs = self._settings.tol_gap_rel = 1e-9
        self._solver: Any = None

    def solve(self) -> Solved:
        """Solve the program with the numbers that it has now."""
        program, cones = self._program, self._program.cones
        numbers = program.quadratic, program.linear, program.matrix, program.right
        if self._solver is None or self._careful:
            kinds = [
                clarabel.ZeroConeT(cones.zero),
                clarabel.NonnegativeConeT(cones.nonnegative),
                *map(clarabel.SecondOrderConeT, cones.second_order),
                *map(clarabel.PowerConeT, cones.power),
            ]
            self._solver = clarabel.DefaultSolver(*numbers, kinds, self._settings)
        else:
            quadratic, linear, matrix, right = numbers
            self._solver.update(P=quadratic, q=linear, A=matrix, b=right)
        result = self._solver.solve()
        primal, dual = result.obj_val, result.obj_val_dual
        return Solved(
            status=CLARABEL_STATUS.get(result.status, Status.FAILED),
            message=f"Clarabel: {result.status}",
            x=np.array(result.x),
            duals=np.array(result.z),
            iterations=int(result.iterations),
            gap=abs(primal - dual) / max(1.0, min(abs(primal), abs(dual))),
        )
