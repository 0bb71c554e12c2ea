"""An answer is a pure function of its question, to the last bit: what a replay rests on."""

import hashlib
import subprocess
import sys

import pytest

from risk.portfolio.optimiser import Optimiser
from risk.portfolio.region import rebalance
from risk.portfolio.types import Optimal
from tests.portfolio_cases import Kind, random_problem

KINDS = {
    "linear": Kind(impact=False),
    "linear, long-short, factors": Kind(impact=False, factors=True, shorts=True),
    "impact": Kind(),
    "impact, long-short, factors": Kind(factors=True, shorts=True),
}


def digest(optimiser: Optimiser, seed: int, kind: Kind, size: int = 20) -> str:
    answer = rebalance(random_problem(seed, size, kind), optimiser)
    assert isinstance(answer.outcome, Optimal)
    parts = (answer.weights, answer.centre, answer.half_width, answer.cost, answer.outcome.shadow_price)
    told = hashlib.sha256(b"".join(part.tobytes() for part in parts))
    told.update(repr((answer.outcome.objective, answer.outcome.binding, answer.gain)).encode())
    return told.hexdigest()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_earlier_questions_leave_no_trace(kind: Kind) -> None:
    seeds = [1, 2, 3, 4]
    fresh = {seed: digest(Optimiser(), seed, kind) for seed in seeds}
    assert len(set(fresh.values())) == len(seeds)
    used = Optimiser()
    for seed in [1, 2, 1, 3, 4, 2, 4, 4, 1, 3]:
        assert digest(used, seed, kind) == fresh[seed]


def test_another_process_gives_the_same_bits() -> None:
    script = (
        "from tests.unit.risk.test_optimiser_repeats import KINDS, digest\n"
        "from risk.portfolio.optimiser import Optimiser\n"
        "print(*(digest(Optimiser(), 2, kind) for kind in KINDS.values()))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    used = Optimiser()
    for kind in KINDS.values():
        digest(used, 7, kind)
    assert told.stdout.split() == [digest(used, 2, kind) for kind in KINDS.values()]
