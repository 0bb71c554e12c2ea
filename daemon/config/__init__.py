"""The settings of a portfolio's daemon: one TOML file, read into frozen values, refused in the operator's words."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.engine import URL, make_url

from daemon.config.errors import ConfigError, Problem, explain, syntax_problems
from daemon.config.orders import Execution, Limits
from daemon.config.portfolio import Hedge, Optimiser, Portfolio, Signals
from daemon.config.positions import Positions, scan
from daemon.config.rules import breaches
from daemon.config.service import Cycle, Lease, MarketData, Service, Store, Venue
from daemon.config.types import STORED, Section, section

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PATH = "keelward.toml"
LARGEST_FILE = 1_000_000


class Settings(Section):
    """A whole configuration. Durations are in seconds, weights fractions of equity, times as each key says."""

    portfolio: Portfolio = Field(description="What the portfolio is made of.")
    venue: Venue = Field(description="The account at an exchange.")
    market_data: MarketData = section("Streams of prices and the bars made from them.", MarketData)
    signals: Signals = section("How volatility, correlation and expected returns are measured.", Signals)
    optimiser: Optimiser = section("The convex problem.", Optimiser)
    hedge: Hedge = section("Net beta held inside a band.", Hedge)
    execution: Execution = section("How orders are placed.", Execution)
    cycle: Cycle = section("When a decision is made.", Cycle)
    limits: Limits = section("The pre-trade gate.", Limits)
    store: Store = section("The SQL database.", Store)
    service: Service = section("The page, the metrics and the log.", Service)
    lease: Lease = section("Leadership.", Lease)

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        found = breaches(self)
        if found:
            raise PydanticCustomError("breaches", "keys that do not go together", {"breaches": found})
        return self

    def weight_bounds(self, symbol: str) -> tuple[float, float]:
        """Return the least and the greatest weight of an asset."""
        low, high = self.optimiser.min_weight, self.optimiser.max_weight
        override = self.portfolio.overrides.get(symbol)
        if override is not None:
            low = low if override.min_weight is None else override.min_weight
            high = high if override.max_weight is None else override.max_weight
        return low, high

    def expected_return(self, symbol: str) -> float | None:
        """Return the operator's own expected return of an asset, per year."""
        override = self.portfolio.overrides.get(symbol)
        return None if override is None else override.expected_return

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every market that is watched: the assets, then the hedge's instrument."""
        hedge = self.hedge.instrument if self.hedge.enabled else None
        return self.portfolio.assets if hedge is None else (*self.portfolio.assets, hedge)

    @property
    def allowed_symbols(self) -> frozenset[str]:
        """Every market in which an order may be placed."""
        return frozenset(self.limits.allowed_symbols or self.symbols)

    @property
    def is_live(self) -> bool:
        """Whether real money moves."""
        return self.venue.mode == "live"


class LiveNotConfirmedError(Exception):
    """The configuration says live, and the second switch does not."""


def confirm_live(settings: Settings, argument: str | None, environment: Mapping[str, str]) -> None:
    """Demand the second switch of live trading: `--live NAME` or KEELWARD_LIVE=NAME, NAME being the portfolio's.

    Raises:
        LiveNotConfirmedError: real money would move and nobody outside the file said so, or for another portfolio.
    """
    if not settings.is_live:
        return
    given = argument if argument is not None else environment.get("KEELWARD_LIVE")
    name = settings.portfolio.name
    if given != name:
        was = "is missing" if not given else f'names "{given}"'
        raise LiveNotConfirmedError(
            f'venue.mode is "live" and the second switch {was}: say --live {name} or set KEELWARD_LIVE={name}'
        )


def default_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return where the configuration is looked for when no path is given."""
    return Path((os.environ if environment is None else environment).get("KEELWARD_CONFIG") or DEFAULT_PATH)


def load(path: Path | str) -> Settings:
    """Read a configuration.

    Raises:
        ConfigError: every problem found, each with file, line, key, what it was and what it must be.
    """
    file = Path(path)
    text = _read(file)
    tree, positions = _parse(file, text)
    try:
        return _absolute(Settings.model_validate(tree), file.resolve().parent)
    except ValidationError as error:
        raise ConfigError(explain(error, Settings, tree, positions, str(file))) from None


def to_plain(settings: Settings) -> Mapping[str, object]:
    """Return settings as plain values, for a snapshot."""
    return settings.model_dump()


def from_plain(plain: Mapping[str, object]) -> Settings:
    """Return the settings that `to_plain` was given."""
    return Settings.model_validate(plain, context=STORED)


def config_hash(settings: Settings) -> str:
    """Return 32 hex digits that change when any setting does, defaults included."""
    canonical = json.dumps(settings.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def _read(file: Path) -> str:
    def refused(was: str, must: str) -> ConfigError:
        return ConfigError([Problem(str(file), None, (), None, was, must)])

    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise refused("missing", "a TOML file; name it with --config PATH or KEELWARD_CONFIG") from None
    except IsADirectoryError:
        raise refused("a folder", "a TOML file") from None
    except OSError as error:
        raise refused(f"unreadable ({error.strerror})", "a file that this user may read") from None
    if len(data) > LARGEST_FILE:
        raise refused(f"larger than {LARGEST_FILE} bytes", "a configuration")
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(file), line, (), None, "not UTF-8", "text in UTF-8")]) from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("Infinity")  # beyond any exponent: refused with its key and line, as not finite


def _parse(file: Path, text: str) -> tuple[dict[str, Any], Positions]:
    try:
        tree = tomllib.loads(text, parse_float=_decimal)
        return tree, scan(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(syntax_problems(error, text, str(file))) from None


def _absolute(settings: Settings, folder: Path) -> Settings:
    """Return the settings with a relative SQLite path taken from the file's folder, wherever we were started."""
    url: URL = make_url(settings.store.url)
    if url.get_backend_name() != "sqlite" or url.database is None or Path(url.database).is_absolute():
        return settings
    absolute = url.set(database=str(folder / url.database)).render_as_string(hide_password=False)
    return settings.model_copy(update={"store": settings.store.model_copy(update={"url": absolute})})
