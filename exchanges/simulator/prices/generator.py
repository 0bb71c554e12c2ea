r"""Seeded, correlated, fat-tailed, volatility-clustered price paths for all series at once.

The log return of series i over a step of h (in days of market time) is

.. math:: r_i = \sigma_i a v \sqrt h (\beta m + \gamma s_{g(i)} + \delta e_i) + J + j_i + \mu h - c_i

where m, s (one per sector) and e_i are independent unit-variance Student-t shocks, :math:`\beta^2+\gamma^2+\delta^2=1`,
a is the multiplier of the regime (calm, normal or turbulent: a Markov chain in continuous time), v = exp(x) with x a
mean-reverting Gaussian process (stochastic volatility, centred so that E[v²] = 1), J a market-wide jump and j_i jumps
of single series, both of compound Poisson type with normal sizes. The correction c_i, half the variance of the step,
keeps the expected price near its start when the drift mu is 0. Shocks are cut at `TAIL` standard deviations. Everything
is drawn once per step, so that two runs agree when their steps do.

Sources: Cont, Empirical properties of asset returns (2001), for the facts that are to be met; Taylor (1986) for the
log-normal stochastic volatility; Merton (1976) for the jumps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exchanges.simulator.prices.source import History, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DAY_MS = 86_400_000.0
TAIL = 12.0


@dataclass(frozen=True, slots=True)
class Regime:
    """A state of the market: its volatility as a multiple, and how long it lasts on average, in days."""

    name: str
    multiplier: float
    days: float


@dataclass(frozen=True, slots=True)
class Model:
    """Parameters of the generator.

    Args:
        annual_volatility: Volatility of a series with multiplier 1, per year of 365 days.
        market_share: Share of the variance that all series have in common; `sector_share` what a sector shares.
        degrees: Degrees of freedom of the Student-t shocks, above 2.
        clustering: Standard deviation of the log volatility x, and `memory_days` its half-life.
        regimes: At least one; the chain leaves each at random for any of the others.
        market_jumps: Per year, for all series together; `market_jump_size` its standard deviation, as a log return.
        jumps: Per year and series; `jump_size` likewise.
        drift: Expected log return per year, for all series.
    """

    annual_volatility: float = 0.7
    market_share: float = 0.5
    sector_share: float = 0.15
    degrees: float = 4.0
    clustering: float = 0.4
    memory_days: float = 1.0
    regimes: tuple[Regime, ...] = (
        Regime("calm", 0.6, 10.0),
        Regime("normal", 1.0, 10.0),
        Regime("turbulent", 2.2, 2.0),
    )
    market_jumps: float = 12.0
    market_jump_size: float = 0.03
    jumps: float = 6.0
    jump_size: float = 0.05
    drift: float = 0.0


@dataclass(frozen=True, slots=True)
class Path:
    """One series to generate: its price at the start, group, volatility multiple and turnover in quote coin per day."""

    name: str
    price: float
    sector: str = ""
    volatility: float = 1.0
    turnover: float = 20e6


class _Process:
    """The state of the random process: everything but the prices."""

    def __init__(self, paths: Sequence[Path], model: Model, seed: np.random.SeedSequence) -> None:
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._model = model
        sectors = sorted({path.sector for path in paths})
        self._sector = np.array([sectors.index(path.sector) for path in paths])
        self._sectors = len(sectors)
        self._daily = np.array([path.volatility for path in paths]) * model.annual_volatility / np.sqrt(365)
        self._beta = np.sqrt(model.market_share)
        self._gamma = np.sqrt(model.sector_share)
        self._delta = np.sqrt(1 - model.market_share - model.sector_share)
        self._regime = int(self._random.integers(len(model.regimes)))
        self._log_volatility = model.clustering * float(self._random.standard_normal())
        self._scale = np.sqrt(1 - 2 / model.degrees)

    @property
    def volatility(self) -> Floats:
        """Volatility of each series per square root of a day, at present."""
        model = self._model
        clustered = np.exp(self._log_volatility - model.clustering**2)
        return np.asarray(self._daily * model.regimes[self._regime].multiplier * clustered)

    def step(self, days: float) -> Floats:
        """Return the log returns over a step and move on."""
        model, random = self._model, self._random
        self._switch(days)
        keep = 2.0 ** (-days / model.memory_days)
        shock = model.clustering * np.sqrt(1 - keep * keep) * random.standard_normal()
        self._log_volatility = keep * self._log_volatility + shock
        count = len(self._daily)
        draws = self._scale * random.standard_t(model.degrees, 1 + self._sectors + count)
        draws = np.clip(draws, -TAIL, TAIL)
        mixed = self._beta * draws[0] + self._gamma * draws[1 + self._sector] + self._delta * draws[-count:]
        sigma: Floats = self.volatility * np.sqrt(days)
        jumps, variance = self._jumps(days, count)
        returns: Floats = sigma * mixed + jumps + model.drift * days / 365 - (sigma**2 + variance) / 2
        return returns

    def _switch(self, days: float) -> None:
        regimes = self._model.regimes
        if len(regimes) > 1 and self._random.random() < -np.expm1(-days / regimes[self._regime].days):
            step = int(self._random.integers(1, len(regimes)))
            self._regime = (self._regime + step) % len(regimes)

    def _jumps(self, days: float, count: int) -> tuple[Floats, float]:
        model, random, years = self._model, self._random, days / 365
        common = random.poisson(model.market_jumps * years)
        own = random.poisson(model.jumps * years, count)
        jumps = model.jump_size * np.sqrt(own) * random.standard_normal(count)
        jumps += model.market_jump_size * np.sqrt(common) * random.standard_normal()
        variance = years * (model.market_jumps * model.market_jump_size**2 + model.jumps * model.jump_size**2)
        return jumps, variance


class GeneratedPrices:
    """A `PriceSource` of random paths.

    Args:
        paths: What to generate.
        seed: Equal seeds and equal steps give equal prices.
        start_ms: Market time of the first price.
        model: The parameters.
        run: How often these paths were gone on from: another future each time, with the same past.
    """

    def __init__(
        self, paths: Sequence[Path], seed: int, start_ms: int = 0, model: Model | None = None, run: int = 0
    ) -> None:
        self.model = model or Model()
        self.series: list[str] = [path.name for path in paths]
        self.start_ms = start_ms
        first, backward, *later = np.random.SeedSequence(seed).spawn(2 + run)
        forward = later[-1] if later else first
        self._process = _Process(paths, self.model, forward)
        self._past = _Process(paths, self.model, backward)
        self._past_random = np.random.Generator(np.random.PCG64(backward.spawn(1)[0]))
        self._log = np.log([path.price for path in paths])
        self._past_log = self._log.copy()
        self._now_ms = float(start_ms)
        self._alive = np.ones(len(paths), dtype=bool)
        self._turnover = np.array([path.turnover for path in paths]) / (DAY_MS / 1e3)

    def step(self, market_ms: float) -> Step:
        """Return all series at this market time."""
        if market_ms > self._now_ms:
            self._log = self._log + self._process.step((market_ms - self._now_ms) / DAY_MS)
            self._now_ms = market_ms
        mid = np.exp(self._log)
        return Step(mid=mid, volume_rate=self._turnover / mid, alive=self._alive)

    def history(self, end_ms: float, bar_ms: float, count: int) -> History:
        """Return bars of a path that leads to the start, each stretch joining the one before.

        High and low are those of a Brownian bridge between open and close: with range R = |ln(close/open)|,
        the maximum lies (sqrt(r² - 2 s² ln U) ± r) / 2 above, for U uniform and s the bar's volatility.
        """
        del end_ms
        shape = (count, len(self.series))
        returns, sigma = np.empty(shape), np.empty(shape)
        days = bar_ms / DAY_MS
        for row in range(count - 1, -1, -1):
            returns[row] = self._past.step(days)
            sigma[row] = self._past.volatility * np.sqrt(days)
        after = np.cumsum(returns[::-1], axis=0)[::-1]
        opened = self._past_log - after
        closed = opened + returns
        up, down = (np.sqrt(returns**2 - 2 * sigma**2 * np.log(1 - self._past_random.random(shape))) for _ in range(2))
        high = np.maximum(opened + (returns + up) / 2, np.maximum(opened, closed))
        low = np.minimum(opened + (returns - down) / 2, np.minimum(opened, closed))
        if count:
            self._past_log = opened[0]
        activity = self._past_random.gamma(4.0, 0.25, shape)
        middle = np.exp((opened + closed) / 2)
        volume = self._turnover * bar_ms / 1e3 / middle * activity
        return History(np.exp(opened), np.exp(high), np.exp(low), np.exp(closed), volume)
