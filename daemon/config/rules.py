"""What the keys of a configuration must be to each other: rules over the whole, each a generator of breaches."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from daemon.config.types import format_duration, is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.config import Settings

KeyPath = tuple[str | int, ...]
SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Breach:
    """A key that does not go with the others: where, what it was, what it must be, and one that would do."""

    path: KeyPath
    was: str
    must: str
    example: object = None


def nearest(word: str, words: object) -> str | None:
    """Return the known word that an unknown one was probably meant to be."""
    known = [str(candidate) for candidate in words] if isinstance(words, list | tuple | set | dict) else []
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def _assets(settings: Settings) -> Iterator[Breach]:
    portfolio = settings.portfolio
    if not portfolio.assets:
        yield Breach(("portfolio", "assets"), "empty", "at least one symbol")
    for index, symbol in enumerate(portfolio.assets):
        path: KeyPath = ("portfolio", "assets", index)
        if symbol in portfolio.assets[:index]:
            yield Breach(path, "there twice", "listed once")
        elif ":" in symbol:
            yield Breach(path, "a derivative", "a spot market", symbol.partition(":")[0])
        elif symbol.partition("/")[2] != portfolio.quote:
            wanted = f"{symbol.partition('/')[0]}/{portfolio.quote}"
            yield Breach(path, "priced in another currency", f"priced in portfolio.quote = {portfolio.quote}", wanted)
        elif symbol.partition("/")[0] == portfolio.quote:
            yield Breach(path, "the quote currency itself", "another coin")
    for symbol in portfolio.overrides:
        if symbol not in portfolio.assets:
            near = nearest(symbol, portfolio.assets)
            yield Breach(("portfolio", "overrides", symbol), "for no asset", "for one of portfolio.assets", near)


def _weights(settings: Settings) -> Iterator[Breach]:
    optimiser, portfolio = settings.optimiser, settings.portfolio
    if optimiser.long_only and optimiser.min_weight < 0:
        yield Breach(("optimiser", "min_weight"), "negative", "0 or more when optimiser.long_only is true", 0)
    if optimiser.min_weight > optimiser.max_weight:
        yield Breach(("optimiser", "min_weight"), "above optimiser.max_weight", f"at most {optimiser.max_weight:g}")
    for symbol, override in portfolio.overrides.items():
        path: KeyPath = ("portfolio", "overrides", symbol)
        low, high = settings.weight_bounds(symbol)
        if low > high:
            name = "max_weight" if override.min_weight is None else "min_weight"
            yield Breach((*path, name), f"a range from {low:g} to {high:g}", "a least weight up to the greatest")
        if optimiser.long_only and override.min_weight is not None and override.min_weight < 0:
            yield Breach((*path, "min_weight"), "negative", "0 or more when optimiser.long_only is true", 0)
    if portfolio.cash_floor > portfolio.cash_ceiling:
        yield Breach(("portfolio", "cash_floor"), "above portfolio.cash_ceiling", f"at most {portfolio.cash_ceiling:g}")


def _feasible(settings: Settings) -> Iterator[Breach]:
    optimiser, portfolio = settings.optimiser, settings.portfolio
    bounds = [settings.weight_bounds(symbol) for symbol in portfolio.assets]
    least, most = fsum(low for low, _ in bounds), fsum(high for _, high in bounds)
    must_invest, may_invest = 1 - portfolio.cash_ceiling, 1 - portfolio.cash_floor
    if bounds and most < must_invest - SLACK:
        yield Breach(
            ("portfolio", "cash_ceiling"),
            f"less than what stays uninvested: the greatest weights sum to {most:g}",
            f"at least {1 - most:g}",
        )
    if least > may_invest + SLACK:
        yield Breach(
            ("portfolio", "cash_floor"),
            f"too high for least weights that sum to {least:g}",
            f"at most {1 - least:g}",
        )
    for name, cap in (("max_gross", optimiser.max_gross), ("max_net", optimiser.max_net)):
        if cap < must_invest - SLACK:
            yield Breach(("optimiser", name), "below what portfolio.cash_ceiling demands", f"at least {must_invest:g}")
        if cap < least - SLACK:
            yield Breach(("optimiser", name), f"below the least weights' sum of {least:g}", f"at least {least:g}")


def _groups(settings: Settings) -> Iterator[Breach]:
    groups, assets = settings.optimiser.groups, settings.portfolio.assets
    for index, group in enumerate(groups):
        path: KeyPath = ("optimiser", "groups", index)
        if group.name in {other.name for other in groups[:index]}:
            yield Breach((*path, "name"), "the name of another group", "unique")
        if not group.assets:
            yield Breach((*path, "assets"), "empty", "at least one of portfolio.assets")
        for place, symbol in enumerate(group.assets):
            if symbol not in assets:
                yield Breach((*path, "assets", place), "no asset", "one of portfolio.assets", nearest(symbol, assets))
            elif symbol in group.assets[:place]:
                yield Breach((*path, "assets", place), "there twice", "listed once")
        bounds = [settings.weight_bounds(symbol) for symbol in group.assets]
        least, most = fsum(low for low, _ in bounds), fsum(high for _, high in bounds)
        if group.min > group.max:
            yield Breach((*path, "min"), "above max", f"at most {group.max:g}")
        if bounds and group.min > most + SLACK:
            yield Breach((*path, "min"), f"above its assets' greatest weights, {most:g} in sum", f"at most {most:g}")
        if bounds and group.max < least - SLACK:
            yield Breach((*path, "max"), f"below its assets' least weights, {least:g} in sum", f"at least {least:g}")


def _signals(settings: Settings) -> Iterator[Breach]:
    signals, regime = settings.signals, settings.signals.regime
    path: KeyPath = ("signals", "regime")
    if signals.short_half_life >= signals.half_life:
        yield Breach(
            ("signals", "short_half_life"),
            "not below signals.half_life",
            f"below {format_duration(signals.half_life)}",
        )
    if regime.stressed <= regime.elevated:
        yield Breach((*path, "stressed"), "not above signals.regime.elevated", f"above {regime.elevated:g}")
    if regime.stressed_risk_aversion < regime.elevated_risk_aversion:
        yield Breach(
            (*path, "stressed_risk_aversion"),
            "below the elevated one",
            f"at least {regime.elevated_risk_aversion:g}",
        )
    if regime.stressed_interval > regime.elevated_interval:
        yield Breach((*path, "stressed_interval"), "above the elevated one", f"at most {regime.elevated_interval:g}")
    if signals.expected_returns.model == "given":
        overrides = settings.portfolio.overrides
        for symbol in settings.portfolio.assets:
            if symbol not in overrides or overrides[symbol].expected_return is None:
                yield Breach(
                    ("signals", "expected_returns", "model"),
                    f'"given" without a number for {symbol}',
                    f'completed by expected_return in [portfolio.overrides."{symbol}"]',
                    "expected_return = 0.1",
                )


def _hedge(settings: Settings) -> Iterator[Breach]:
    hedge, portfolio = settings.hedge, settings.portfolio
    path: KeyPath = ("hedge", "instrument")
    example = f"{portfolio.assets[0] if portfolio.assets else 'BTC/USDT'}:{portfolio.quote}"
    if hedge.enabled and hedge.instrument is None:
        yield Breach(path, "missing", "a linear swap when hedge.enabled is true", example)
    if hedge.instrument is not None and hedge.instrument in portfolio.assets:
        yield Breach(path, "one of portfolio.assets", "a swap that is no asset of the portfolio", example)
    elif hedge.instrument is not None and hedge.instrument.partition(":")[2] != portfolio.quote:
        yield Breach(path, f"not settled in {portfolio.quote}", "a swap settled in portfolio.quote", example)
    if hedge.min_beta >= hedge.max_beta:
        yield Breach(("hedge", "min_beta"), "not below hedge.max_beta", f"below {hedge.max_beta:g}")


def _limits(settings: Settings) -> Iterator[Breach]:
    limits, optimiser, execution = settings.limits, settings.optimiser, settings.execution
    hedge = settings.hedge.max_weight if settings.hedge.enabled else 0.0
    largest = max((settings.weight_bounds(symbol)[1] for symbol in settings.portfolio.assets), default=0.0)
    at_least = (
        ("price_band_bps", limits.price_band_bps, "execution.price_cap_bps", execution.price_cap_bps),
        ("max_order_notional", limits.max_order_notional, "execution.max_slice_notional", execution.max_slice_notional),
        ("max_depth_share", limits.max_depth_share, "execution.max_depth_share", execution.max_depth_share),
        ("max_position_weight", limits.max_position_weight, "the greatest weight allowed", max(largest, hedge)),
        ("max_gross", limits.max_gross, "optimiser.max_gross and the hedge", optimiser.max_gross + hedge),
        ("max_net", limits.max_net, "optimiser.max_net", optimiser.max_net),
        ("max_turnover_cycle", limits.max_turnover_cycle, "optimiser.max_turnover", optimiser.max_turnover),
        ("max_turnover_day", limits.max_turnover_day, "limits.max_turnover_cycle", limits.max_turnover_cycle),
        ("max_orders_day", limits.max_orders_day, "limits.max_orders_minute", limits.max_orders_minute),
        ("max_drawdown", limits.max_drawdown, "limits.max_daily_loss", limits.max_daily_loss),
        ("max_expected_shortfall", limits.max_expected_shortfall, "limits.max_value_at_risk", limits.max_value_at_risk),
    )  # fmt: skip
    for name, value, what, floor in at_least:
        if value < floor:
            yield Breach(("limits", name), f"below {what}", f"at least {floor}", floor)
    allowed = {*settings.portfolio.assets, settings.hedge.instrument}
    for index, symbol in enumerate(limits.allowed_symbols):
        if symbol not in allowed:
            near = nearest(symbol, settings.portfolio.assets)
            yield Breach(("limits", "allowed_symbols", index), "no asset", "an asset or the hedge's instrument", near)


def _venue(settings: Settings) -> Iterator[Breach]:
    venue = settings.venue
    local = all(url is not None and is_loopback(url) for url in (venue.urls.rest, venue.urls.stream))
    if venue.mode == "simulated":
        for name, example in (("rest", "http://127.0.0.1:8080"), ("stream", "ws://127.0.0.1:8080/ws/v5")):
            url = getattr(venue.urls, name)
            if url is None or not is_loopback(url):
                yield Breach(
                    ("venue", "urls", name),
                    "missing" if url is None else "another machine",
                    'an address of this machine when venue.mode is "simulated"',
                    example,
                )
    elif venue.time_scale != 1 and not local:
        yield Breach(("venue", "time_scale"), "no real market's pace", "1 unless both urls lead to this machine", 1)


def _times(settings: Settings) -> Iterator[Breach]:
    data, cycle, lease = settings.market_data, settings.cycle, settings.lease
    for name, seconds in (("bar_interval", data.bar_interval), ("warm_up_interval", data.warm_up_interval)):
        if seconds != int(seconds):
            yield Breach(("market_data", name), "a part of a second", "whole seconds", "1m")
    if cycle.min_interval > cycle.interval:
        yield Breach(("cycle", "min_interval"), "above cycle.interval", f"at most {format_duration(cycle.interval)}")
    needed = 2 * lease.renew_interval + lease.margin
    if lease.ttl < needed:
        yield Breach(
            ("lease", "ttl"),
            "too short for two renewals and the margin",
            f"at least {format_duration(needed)}",
            format_duration(needed),
        )
    deadline = settings.execution.request_deadline
    if lease.margin < deadline:
        yield Breach(
            ("lease", "margin"),
            "below execution.request_deadline: a request could outlive the lease",
            f"at least {format_duration(deadline)}",
            format_duration(deadline),
        )


def _store(settings: Settings) -> Iterator[Breach]:
    store = settings.store
    path: KeyPath = ("store", "url")
    try:
        url = make_url(store.url)
    except (ArgumentError, ValueError):
        yield Breach(path, "no database URL", "sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE")
        return
    if url.password is not None:
        yield Breach(path, "with a password", "without one: put a reference to it in store.password")
    if url.get_backend_name() == "sqlite":
        if url.drivername not in {"sqlite", "sqlite+pysqlite"} or url.host or url.query:
            yield Breach(path, "a form of SQLite that is not used here", "sqlite:///PATH")
        elif not url.database or url.database == ":memory:" or Path(url.database).name in {"", "."}:
            yield Breach(path, "without a file", "sqlite:///PATH")
        if store.password is not None:
            yield Breach(("store", "password"), "there", "left out with SQLite")
    elif url.drivername not in {"postgresql", "postgresql+psycopg"}:
        yield Breach(path, "another database", "sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE")
    elif not url.database:
        yield Breach(path, "without a database", "postgresql+psycopg://USER@HOST/DATABASE")


def _address(settings: Settings) -> Iterator[Breach]:
    address = settings.service.address
    if address != "localhost":
        try:
            ip_address(address)
        except ValueError:
            yield Breach(("service", "address"), "no IP address", "an IP address of this machine", "127.0.0.1")


RULES: tuple[Callable[[Settings], Iterator[Breach]], ...] = (
    _assets, _weights, _feasible, _groups, _signals, _hedge, _limits, _venue, _times, _store, _address,
)  # fmt: skip


def breaches(settings: Settings) -> list[Breach]:
    """Return every breach of every rule."""
    return [breach for rule in RULES for breach in rule(settings)]
