"""From options to an exchange with its prices."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from exchanges.simulator.core.exchange import Exchange
from exchanges.simulator.core.settings import Settings
from exchanges.simulator.core.universe import COINS, QUOTE, Coin, universe
from exchanges.simulator.okx.face import FUNDING, TRADING
from exchanges.simulator.price_control import PriceControl
from exchanges.simulator.prices.generator import GeneratedPrices
from exchanges.simulator.prices.generator import Path as Series
from exchanges.simulator.prices.replay import ReplayPrices
from exchanges.simulator.state import load_state

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.prices.source import PriceSource
    from exchanges.simulator.state import SavedState

DEFAULT_BALANCE = {"USDT": Decimal(100_000)}


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How the simulated exchange is set up.

    Args:
        port: Port of REST and WebSocket on loopback; 0 for any that is free.
        admin_port: Port of the admin endpoint; 0 for any that is free.
        seed: Of everything random.
        speed: Market seconds that pass in one second.
        replay: Files of bars, CSV or parquet, one per series, to be played instead of generated prices.
        start: Market time at which to begin; None for the source's own.
        markets: How many coins are listed, each spot and as a swap, or which.
        balances: Starting cash by coin.
        update_rate: Steps of the market, and so book updates, per second.
        depth: Prices per side of a book.
        spread_bps: Full spread in basis points.
        history: Most bars of a minute, and as many of an hour before them, that are known at the start.
        trades_per_second: Trades on each market's tape per second.
        mirror: A ccxt exchange id whose top of book is copied live, instead of generated prices; empty for none.
        mirror_url: Where that exchange is, if not at its own address.
        constant_prices: Hold all prices where they begin.
        rate_limits: Enforce OKX's rate limits.
        state: A file from which cash, positions and prices go on, and to which they are written.
        api_key: The one key that is known; likewise `secret` and `passphrase`.
        settings: Further rules of the core; the fields above override it.
    """

    port: int = 0
    admin_port: int = 0
    seed: int = 1
    speed: float = 1.0
    replay: tuple[Path, ...] = ()
    start: datetime | None = None
    markets: int | tuple[str, ...] = 10
    balances: Mapping[str, Decimal] = field(default_factory=lambda: dict(DEFAULT_BALANCE))
    update_rate: float = 20.0
    depth: int = 400
    spread_bps: float = 1.0
    history: int = 10_000
    trades_per_second: float = 1.0
    mirror: str = ""
    mirror_url: str = ""
    constant_prices: bool = False
    rate_limits: bool = False
    state: Path | None = None
    api_key: str = "keelward-key"
    secret: str = field(default="keelward-secret", repr=False)
    passphrase: str = field(default="keelward-passphrase", repr=False)
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        if self.update_rate <= 0 or self.speed <= 0:
            raise ValueError("speed and update rate must be positive")
        if self.history < 0:
            raise ValueError("history must not be negative")
        if self.replay and self.mirror:
            raise ValueError("prices are either replayed or mirrored")
        if self.mirror and self.speed != 1:
            raise ValueError("a mirrored market runs at its own speed: speed must be 1")
        if self.mirror_url and not self.mirror:
            raise ValueError("mirror-url needs mirror")
        if self.state is not None and (self.replay or self.mirror):
            raise ValueError("only generated prices can go on from a state")


class Feed(Protocol):
    """Something that drives a price source from outside for as long as it runs."""

    async def run(self) -> None:
        """Drive it until cancelled."""

    async def close(self) -> None:
        """Let go of what it holds; idempotent."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """An exchange with the hand on its prices, and what feeds them from outside, if anything does."""

    exchange: Exchange
    prices: PriceControl
    feed: Feed | None
    runs: int


def coins(options: ServeOptions) -> list[Coin]:
    """Return the coins that the options ask for, the most traded first where they ask for a number.

    Raises:
        ValueError: If there are not so many, or one is unknown.
    """
    known = {coin.name: coin for coin in COINS}
    if isinstance(options.markets, int):
        if not 0 < options.markets <= len(COINS):
            raise ValueError(f"markets must be between 1 and {len(COINS)}")
        return sorted(COINS, key=lambda coin: -coin.turnover)[: options.markets]
    unknown = [name for name in options.markets if name not in known]
    if unknown:
        raise ValueError(f"unknown coins {', '.join(unknown)}: choose from {', '.join(known)}")
    return [known[name] for name in options.markets]


async def _prices(
    options: ServeOptions, now_ms: int, saved: SavedState | None
) -> tuple[PriceSource, list[Instrument], Feed | None]:
    start_ms = None if options.start is None else int(options.start.timestamp() * 1000)
    if options.replay:
        replay = ReplayPrices(options.replay, start_ms)
        ranges = replay.price_ranges()
        wanted = options.markets if isinstance(options.markets, tuple) else tuple(ranges)[: options.markets]
        missing = [name for name in wanted if name not in ranges]
        if missing:
            raise ValueError(f"no prices for {', '.join(missing)} in the files: they have {', '.join(ranges)}")
        return replay, universe({name: ranges[name] for name in wanted}), None
    chosen = coins(options)
    if options.mirror:
        # ccxt takes most of a second to import, and only the mirror needs it.
        from exchanges.simulator.mirror_feed import MirrorFeed  # noqa: PLC0415 - see above

        feed = await MirrorFeed.connect(options.mirror, options.mirror_url, [coin.name for coin in chosen], now_ms)
        return feed.source, [each.instrument for each in feed.mirrored], feed
    last = {} if saved is None else saved.prices
    series = [
        Series(name, last.get(name, coin.price), coin.sector, turnover=coin.turnover * 1e6)
        for coin in chosen
        for name in (f"{coin.name}-{QUOTE}",)
    ]
    run = 0 if saved is None else saved.runs
    source = GeneratedPrices(series, options.seed, now_ms if start_ms is None else start_ms, run=run)
    return source, universe({coin.name: (coin.price, coin.price) for coin in chosen}), None


async def assemble(options: ServeOptions, now_ms: int) -> Assembled:
    """Build the exchange; `now_ms` is the clients' clock.

    Raises:
        ValueError: If a coin or a file is unknown or makes no sense, or a venue to mirror is out of reach.
        OSError: If a file cannot be read.
    """
    saved = None if options.state is None else load_state(options.state)
    source, listed, feed = await _prices(options, now_ms, saved)
    prices = PriceControl(source, constant=options.constant_prices, most_bars=options.history)
    liquidity = replace(
        options.settings.liquidity,
        spread_bps=options.spread_bps,
        levels=options.depth,
        trades_per_second=options.trades_per_second,
    )
    settings = replace(options.settings, speed=options.speed, liquidity=liquidity)
    exchange = Exchange(listed, prices, {FUNDING: {}}, seed=options.seed, now_ms=now_ms, settings=settings)
    if saved is None:
        exchange.add_account(TRADING, options.balances)
    else:
        exchange.resume_account(TRADING, saved.cash, saved.positions)
    return Assembled(exchange, prices, feed, runs=1 if saved is None else saved.runs + 1)


def _balances(text: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for part in text.split(","):
        coin, _, amount = part.partition("=")
        try:
            value = Decimal(amount)
        except InvalidOperation:
            value = Decimal(-1)
        if not coin.strip() or not value.is_finite() or value < 0:
            raise ValueError(f"--balance {text!r}: expected COIN=AMOUNT[,...], e.g. USDT=100000,BTC=1")
        found[coin.strip().upper()] = value
    return found


def _markets(text: str) -> int | tuple[str, ...]:
    if text.isdecimal():
        return int(text)
    return tuple(part.strip().upper() for part in text.split(",") if part.strip())


def _start(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--start {text!r}: expected a date and time, e.g. 2024-01-01T00:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the simulated exchange to a parser."""
    net = parser.add_argument_group("where it listens (loopback only)")
    net.add_argument("--port", type=int, default=0, metavar="P", help="REST and WebSocket (default: any free one)")
    net.add_argument("--admin-port", type=int, default=0, metavar="P", help="admin endpoint (default: any free one)")
    net.add_argument("--rate-limits", action="store_true", help="enforce OKX's rate limits")
    market = parser.add_argument_group("the market")
    market.add_argument("--seed", type=int, default=1, metavar="S", help="of everything random (default: %(default)s)")
    market.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="market seconds per second (default: %(default)s)"
    )
    market.add_argument(
        "--markets",
        default="10",
        metavar="N|COINS",
        help="how many coins, or which (BTC,ETH,...): each spot and as a swap (default: %(default)s)",
    )
    market.add_argument(
        "--balance", default="USDT=100000", metavar="COIN=AMOUNT,...", help="starting cash (default: %(default)s)"
    )
    market.add_argument(
        "--update-rate", type=float, default=20.0, metavar="HZ", help="book updates per second (default: %(default)s)"
    )
    market.add_argument(
        "--depth", type=int, default=400, metavar="N", help="prices per side of a book (default: %(default)s)"
    )
    market.add_argument(
        "--spread-bps", type=float, default=1.0, metavar="X", help="full spread in basis points (default: %(default)s)"
    )
    market.add_argument(
        "--history", type=int, default=10_000, metavar="N", help="most minute bars known at the start (default: all)"
    )
    prices = parser.add_argument_group("where prices come from (default: a seeded generator)")
    prices.add_argument(
        "--replay", nargs="+", type=Path, default=[], metavar="FILE", help="play bars from CSV or parquet files"
    )
    prices.add_argument("--start", metavar="TIME", help="market time to begin at, e.g. 2024-01-01T00:00:00Z")
    prices.add_argument("--mirror", default="", metavar="EXCHANGE", help="copy the top of book of a ccxt exchange live")
    prices.add_argument("--mirror-url", default="", metavar="URL", help="its address, e.g. a second simulator's")
    prices.add_argument("--state", type=Path, metavar="FILE", help="go on from this file, and keep it up to date")
    prices.add_argument("--constant-prices", action="store_true", help="hold all prices where they begin")


def read_options(args: argparse.Namespace) -> ServeOptions:
    """Return the options that were parsed.

    Raises:
        ValueError: If one makes no sense.
    """
    return ServeOptions(
        port=args.port,
        admin_port=args.admin_port,
        seed=args.seed,
        speed=args.speed,
        replay=tuple(args.replay),
        start=_start(args.start),
        markets=_markets(args.markets),
        balances=_balances(args.balance),
        update_rate=args.update_rate,
        depth=args.depth,
        spread_bps=args.spread_bps,
        history=args.history,
        mirror=args.mirror,
        mirror_url=args.mirror_url,
        constant_prices=args.constant_prices,
        rate_limits=args.rate_limits,
        state=args.state,
    )
