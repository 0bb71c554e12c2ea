"""What the bars teach: covariance, regime and volume, kept up to date bar by bar, and expected returns.

`SignalBoard` is the state that grows with each bar; what a decision sees of it is a frozen `Signals`, from
which the expected returns are computed inside the decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.snapshot import Signals
from risk.signals import expected_returns as models
from risk.signals.ewma import EwmaCovariance
from risk.signals.realised import ReturnWindow
from risk.signals.regime import RegimeSettings, RegimeSignal, assess
from risk.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    from datetime import datetime

    from daemon.config import Settings
    from daemon.snapshot import Array
    from exchanges.bars import BarSet

LEAST_BARS = 20
WINDOW_BARS = 1_000
DAY = 86_400.0
LOOKBACKS = 4


def regime_settings(settings: Settings) -> RegimeSettings:
    """Return the thresholds and factors of the configuration."""
    own = settings.signals.regime
    enter = (own.elevated, own.stressed)
    return RegimeSettings(
        enter=enter,
        leave=(enter[0] - own.hysteresis, enter[1] - own.hysteresis),
        interval_factors=(1.0, own.elevated_interval, own.stressed_interval),
        risk_aversion_factors=(1.0, own.elevated_risk_aversion, own.stressed_risk_aversion),
    )


class SignalBoard:
    """Signals over `symbols`, fed with bars of any length; everything per year of market time."""

    def __init__(self, settings: Settings) -> None:
        self._symbols = settings.symbols
        self._scale = settings.venue.time_scale
        count = len(self._symbols)
        self._long = EwmaCovariance(count, settings.signals.half_life)
        self._short = EwmaCovariance(count, settings.signals.short_half_life)
        self._window = ReturnWindow(count, WINDOW_BARS)
        self._regime_settings = regime_settings(settings)
        self._regime: RegimeSignal | None = None
        self._close = np.full(count, np.nan)
        self._half_life = settings.signals.half_life
        self._traded = np.zeros(count)
        self._traded_weight = 0.0
        self._volume_until: datetime | None = None
        self.bars = 0

    def add(self, bars: BarSet) -> None:
        """Take in the bars of one interval; the first one only sets where returns begin."""
        seconds = bars.seconds * self._scale
        with np.errstate(invalid="ignore", divide="ignore"):
            returns = bars.close / self._close - 1.0
        returns[~np.isfinite(returns)] = np.nan
        seen = np.isfinite(bars.close) & (bars.close > 0)
        self.learn_volume(bars)
        np.copyto(self._close, bars.close, where=seen)
        if np.isfinite(returns).any():
            self._long.update(returns, seconds)
            self._short.update(returns, seconds)
            self._window.push(returns, seconds)
            self.bars += 1

    def learn_volume(self, bars: BarSet) -> None:
        """Keep the traded value per day of market time, weighted by age; bars built from quotes tell none."""
        if not (bars.volume > 0).any() or (self._volume_until is not None and bars.end <= self._volume_until):
            return
        self._volume_until = bars.end
        seconds = bars.seconds * self._scale
        decay = 0.5 ** (seconds / self._half_life)
        traded = np.nan_to_num(bars.volume * bars.close)
        self._traded = decay * self._traded + (1 - decay) * traded * DAY / seconds
        self._traded_weight = decay * self._traded_weight + (1 - decay)

    @property
    def last(self) -> Array:
        """The latest close of each symbol, NaN before the first, shape (n,)."""
        return self._close

    @property
    def daily_volume(self) -> Array:
        """Traded value in quote coin per day of market time, NaN where not known, shape (n,)."""
        if not self._traded_weight:
            return np.full(len(self._symbols), np.nan)
        volume: Array = np.where(self._traded > 0, self._traded / self._traded_weight, np.nan)
        return volume

    def covariance(self) -> Array:
        """Return the covariance per year as it stands, shape (n, n)."""
        return self._long.covariance()

    def regime(self, weights: Array) -> RegimeSignal:
        """Return the regime of a book with these weights; the state it was in before counts (hysteresis)."""
        self._regime = assess(
            self._short.covariance(), self._long.covariance(), weights, self._regime_settings, self._regime
        )
        return self._regime

    def signals(self, weights: Array) -> Signals | None:
        """Return what a decision may see, or None while too little is known of some symbol."""
        observations = self._long.effective_observations
        if self.bars < LEAST_BARS or not (self._long.age > 0).all():
            return None
        covariance = self._long.covariance()
        if not np.isfinite(covariance).all() or (covariance.diagonal() <= 0).any():
            return None
        return Signals(
            covariance=covariance,
            returns=self._window.window(),
            seconds=self._window.seconds(),
            regime=self.regime(weights),
            observations=float(np.min(observations)),
        )


def expected_returns(signals: Signals, settings: Settings) -> Array:
    """Return what each of the portfolio's assets is expected to earn per year, shape (n,)."""
    own = settings.signals.expected_returns
    assets = settings.portfolio.assets
    count = len(assets)
    covariance = signals.covariance[:count, :count]
    returns, seconds = signals.returns[:, :count], signals.seconds
    recent = np.cumsum(seconds[::-1])[::-1] <= own.window
    returns, seconds = returns[recent], seconds[recent]
    if own.model == "given":
        views = {asset: settings.expected_return(asset) for asset in assets}
        return models.given(assets, {asset: view for asset, view in views.items() if view is not None})
    if own.model == "none" or len(seconds) < LEAST_BARS:
        return models.none(count)
    if own.model == "shrunk":
        rate = models.mean_rate(returns, seconds)
        mean = np.where(np.isfinite(rate), rate, 0.0)
        estimate = models.bayes_stein(mean, covariance, float(seconds.sum()) / SECONDS_PER_YEAR)
    else:
        bars = len(seconds)
        lookbacks = sorted({max(2, bars // 2**power) for power in range(LOOKBACKS)})
        estimate = models.momentum(
            returns,
            np.sqrt(covariance.diagonal()),
            float(seconds.mean()),
            lookbacks,
            strength=own.strength,
        )
    return np.clip(estimate, -own.cap, own.cap)
