"""The sections that say where the daemon trades and how it runs: venue, market data, cycle, store, service, lease."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from daemon.config.types import (
    Boolean,
    Duration,
    Kind,
    Number,
    Reference,
    Section,
    Text,
    Url,
    Whole,
    key,
    section,
)


class Urls(Section):
    """Addresses that replace the venue's own, for a simulated exchange or a proxy on this machine."""

    rest: Url | None = key("Base address of the REST interface.", default=None, example="http://127.0.0.1:8080")
    stream: Url | None = key("Base address of the streams.", default=None, example="ws://127.0.0.1:8080/ws/v5")


class Venue(Section):
    """The account at an exchange, and whose money it is.

    With `mode = "simulated"` both urls must lead to this machine. With `mode = "live"` real money moves, and a second
    switch outside this file must agree: `keelward run --live NAME`, or KEELWARD_LIVE=NAME in the environment, where
    NAME is `portfolio.name`.
    """

    exchange: Annotated[
        Text,
        Field(pattern=r"^[a-z][a-z0-9]*$"),
        Kind("exchange id", "the id of an exchange in ccxt, in lower case"),
    ] = key("The exchange's id in ccxt.", default="okx", example="okx")
    account: Text = key("Label of the account in the books; one key, one label.", default="main", example="main")
    mode: Literal["simulated", "live"] = key(
        "simulated: an exchange on this machine; live: real money.", default="simulated", example="simulated"
    )
    api_key: Reference = key("Where the API key is kept.", example={"credential": "api_key"})
    secret: Reference = key("Where the API secret is kept.", example={"credential": "secret"})
    passphrase: Reference | None = key(
        "Where the passphrase is kept, at exchanges that have one.",
        default=None,
        example={"credential": "passphrase"},
    )
    urls: Urls = section("Addresses that replace the venue's own.", Urls)
    request_timeout: Duration = key("How long to wait for an answer.", default="10s", example="10s", ge=0.1, le=120)
    time_scale: Number = key(
        "Market seconds that pass in one second; other than 1 only where both urls lead to this machine.",
        default=1.0,
        example=1,
        unit="market seconds per second",
        gt=0,
        le=100000,
    )


class MarketData(Section):
    """Streams of prices and the bars made from them."""

    bar_interval: Duration = key(
        "Length of a bar, in whole seconds of market time.",
        default="1m",
        example="1m",
        unit="market time",
        ge=1,
        le=86400,
    )
    warm_up_bars: Whole = key(
        "Closed bars fetched at the start, before the first decision.",
        default=300,
        example=300,
        unit="bars",
        ge=2,
        le=100000,
    )
    warm_up_interval: Duration = key(
        "Length of the bars fetched for the start, one the exchange has.",
        default="1h",
        example="1h",
        unit="market time",
        ge=1,
        le=604800,
    )
    stale_after: Duration = key(
        "A symbol without a message for this long is stale, and its stream is checked.",
        default="5s",
        example="5s",
        ge=0.05,
        le=3600,
    )
    cross_check_interval: Duration = key(
        "How often streamed prices are compared with REST.", default="1m", example="1m", ge=1, le=86400
    )
    cross_check_tolerance_bps: Number = key(
        "Greatest difference between a streamed mid and REST.",
        default=100.0,
        example=50,
        unit="basis points",
        gt=0,
        le=10000,
    )


class Cycle(Section):
    """When a decision is made. Intervals are of the wall clock."""

    interval: Duration = key(
        "Time between decisions when nothing else calls for one.",
        default="5m",
        example="5m",
        ge=0.05,
        le=604800,
    )
    min_interval: Duration = key(
        "Least time between two decisions, whatever calls for one.",
        default="5s",
        example="5s",
        ge=0,
        le=604800,
    )
    drift_trigger: Boolean = key(
        "Whether to decide as soon as a weight leaves the no-trade region.", default=True, example=True
    )
    volatility_trigger: Boolean = key(
        "Whether to decide as soon as volatility or the regime changes.", default=True, example=True
    )
    volatility_change: Number = key(
        "Relative change of portfolio volatility since the last decision that calls for one.",
        default=0.25,
        example=0.25,
        unit="fraction",
        gt=0,
        le=100,
    )
    debounce: Duration = key("A trigger must hold for this long.", default="500ms", example="500ms", ge=0, le=3600)


class Store(Section):
    """The SQL database, and how long rows are kept. Orders, fills, flows and halts are kept for ever."""

    url: Annotated[
        Text,
        Kind("database URL", "sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE, without a password"),
    ] = key(
        "The database. A relative SQLite path starts at this file's folder.",
        default="sqlite:///keelward.db",
        example="sqlite:////var/lib/keelward/main.db",
    )
    password: Reference | None = key(
        "Where the database password is kept, on PostgreSQL.",
        default=None,
        example={"credential": "database"},
    )
    keep_snapshots: Duration = key(
        "How long a decision can be explained and replayed; its row stays.",
        default="90d",
        example="90d",
        ge=3600,
        le=3153600000,
    )
    keep_bars: Duration = key("How long bars are kept.", default="400d", example="400d", ge=3600, le=3153600000)
    keep_equity: Duration = key(
        "How long the equity series is kept.", default="1000d", example="1000d", ge=3600, le=3153600000
    )


class Service(Section):
    """The page, the metrics and the log."""

    address: Text = key("Address that the page and the metrics listen on.", default="127.0.0.1", example="127.0.0.1")
    port: Whole = key(
        "Port of the page and the metrics; 0 takes any free one.", default=9321, example=9321, ge=0, le=65535
    )
    log_format: Literal["auto", "human", "json", "journal"] = key(
        "auto: human on a terminal, journal under systemd, JSON elsewhere.", default="auto", example="json"
    )
    log_level: Literal["debug", "info", "warning", "error"] = key(
        "Least level that is logged.", default="info", example="info"
    )


class Lease(Section):
    """Leadership: only the holder of the portfolio's lease sends orders."""

    ttl: Duration = key(
        "A lease that is not renewed ends after this long.", default="30s", example="30s", ge=0.5, le=3600
    )
    renew_interval: Duration = key("How often the holder renews.", default="10s", example="10s", ge=0.05, le=1800)
    margin: Duration = key(
        "The holder stops sending this long before the end.", default="5s", example="5s", ge=0.01, le=1800
    )
