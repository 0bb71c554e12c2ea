"""A structure compiled by cvxpy once; then its tensors are applied and the solver is updated in place.

cvxpy turns the pieces into ``min 1/2 x'Px + q'x`` with ``b - Ax`` in cones, where q, A and b are linear in
the vector of all parameters. Those maps are kept as sparse matrices, so that a re-solve costs three
products of a sparse matrix and a vector and the solver's own time; walking the expressions again would cost
a millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cvxpy as cp
import numpy as np
from scipy import sparse

from risk.portfolio.problem import Numbers, Quadratic, Structure, Variables, parts
from risk.portfolio.solvers import Clarabel, Cones, Piqp, Program, Solver

if TYPE_CHECKING:
    from collections.abc import Sequence


class Compiled:
    """One structure, ready to be solved for any numbers; not for use by two threads at once.

    Attributes:
        program: What the solvers solve; `refill` puts numbers into it.
        solvers: To be tried in this order.
        weights: Where the weights stand among the program's variables.
        limits: The limit, and which entry of its level, that each of these rows stands for.
        limit_rows: The rows of limits, ascending.
        trade_rows: The rows that split each asset's trade; none in a structure without trading.
    """

    def __init__(self, structure: Structure) -> None:
        variables = Variables(structure)
        pieces = parts(variables)
        self._sources = [pair for piece in pieces for pair in piece.parameters]
        for parameter, _ in self._sources:
            parameter.value = np.ones(parameter.shape)  # cvxpy wants some value to compile with
        constraints = [constraint for piece in pieces for constraint in piece.constraints]
        problem = cp.Problem(cp.Maximize(sum(piece.reward for piece in pieces)), constraints)
        data, _, _ = problem.get_problem_data(cp.CLARABEL)
        program = data["param_prob"]

        self._columns = {
            parameter.id: slice(column, column + parameter.size)
            for parameter, _ in self._sources
            for column in [program.param_id_to_col[parameter.id]]
        }
        self._vector = np.zeros(program.total_param_size + 1)
        self._vector[-1] = 1.0  # the constant part is the last column of every map
        size = program.x.size
        self._linear = sparse.csr_array(program.q)[:size]
        matrix = self._split(sparse.coo_array(program.A), program.constr_size, size)
        quadratics = [(q, program.var_id_to_col[q.variable.id]) for piece in pieces for q in piece.quadratics]
        quadratic = self._place_quadratics(quadratics, size)

        self.weights = slice(*(program.var_id_to_col[variables.weights.id] + np.array([0, structure.size])))
        self.limits = {
            row: (limit, entry) for piece in pieces for limit in piece.limits for row, entry in self._rows(limit.level)
        }
        self.limit_rows = np.array(sorted(self.limits), dtype=np.intp)
        trades = [row for piece in pieces for level in piece.trades for row, _ in self._rows(level)]
        self.trade_rows = np.array(trades, dtype=np.intp)
        self.program = Program(
            quadratic=quadratic,
            linear=np.zeros(size),
            matrix=matrix,
            right=np.zeros(program.constr_size),
            cones=_cones(program.cone_dims),
            fixed=self._fixed,
        )
        quick: Solver = (Piqp if self.program.cones.linear else Clarabel)(self.program)
        self.solvers = (quick, Clarabel(self.program, careful=True))

    def _split(self, tensor: Any, height: int, size: int) -> Any:
        """Keep the maps of A's entries and of b, and return A's pattern.

        The rows of cvxpy's tensor are the entries of [-A b], column by column.
        """
        row, column = np.divmod(tensor.row, height)[::-1]
        shape = (height, len(self._vector))
        constant = column == size
        self._right = sparse.csr_array((tensor.data[constant], (row[constant], tensor.col[constant])), shape=shape)
        entries, entry = np.unique(tensor.row[~constant], return_inverse=True)
        self._matrix = sparse.csr_array(
            (-tensor.data[~constant], (entry, tensor.col[~constant])), shape=(len(entries), len(self._vector))
        )
        self._fixed = np.bincount(entry[tensor.col[~constant] < len(self._vector) - 1], minlength=len(entries)) == 0
        starts = np.searchsorted(entries // height, np.arange(size + 1))
        pattern = sparse.csc_matrix((np.zeros(len(entries)), entries % height, starts), shape=(height, size))
        np.copyto(pattern.data, self._matrix @ self._vector)
        return pattern

    def _place_quadratics(self, quadratics: Sequence[tuple[Quadratic, int]], size: int) -> Any:
        """Return P's pattern, and remember where each piece's entries stand in it."""
        keys = [(q.columns + offset) * size + q.rows + offset for q, offset in quadratics]
        entries = np.unique(np.concatenate(keys))
        self._quadratics = [
            (q.values, np.searchsorted(entries, key)) for (q, _), key in zip(quadratics, keys, strict=True)
        ]
        starts = np.searchsorted(entries // size, np.arange(size + 1))
        return sparse.csc_matrix((np.zeros(len(entries)), entries % size, starts), shape=(size, size))

    def _rows(self, level: Any) -> list[tuple[int, int]]:
        """Return the rows whose right side moves with a parameter, each with the entry it moves with, by entry."""
        moved = sparse.coo_array(self._right[:, self._columns[level.id]])
        pairs = sorted(zip(moved.col.tolist(), moved.row.tolist(), strict=True))
        return [(row, entry) for entry, row in pairs]

    def refill(self, numbers: Numbers) -> float:
        """Put numbers into the program and return what its objective was divided by."""
        vector, program = self._vector, self.program
        for parameter, source in self._sources:
            vector[self._columns[parameter.id]] = np.ravel(source(numbers), order="F")
        quadratic = program.quadratic.data
        quadratic[:] = 0.0
        for values, places in self._quadratics:
            quadratic[places] += values(numbers)
        program.linear[:] = self._linear @ vector
        program.matrix.data[:] = self._matrix @ vector
        program.right[:] = self._right @ vector
        scale = float(max(np.abs(quadratic).max(), np.abs(program.linear).max())) or 1.0
        quadratic /= scale
        np.divide(program.linear, scale, out=program.linear)
        return scale


def _cones(dims: Any) -> Cones:
    if dims.exp or dims.psd or dims.pnd:
        raise NotImplementedError("exponential, semidefinite and n-dimensional power cones have no mapping here")
    return Cones(dims.zero, dims.nonneg, tuple(dims.soc), tuple(dims.p3d))
