"""A ccxt client set up for trading: exact numbers, our limits, no retries, no secrets in logs, a trace per call.

ccxt keeps what it last heard in one place per instance, which concurrent calls overwrite. Here each call has
its own `Trace` in a context variable: whether the request left, what HTTP answered, and how long to wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import ccxt.pro
from ccxt.base.errors import BadResponse, BaseError, NetworkError

from exchanges.ccxt_guards import guard_connections
from exchanges.classify import Action, Trace, classify
from exchanges.rate_limits import EndpointLimits
from exchanges.venue_traits import traits_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Mapping

    from exchanges.errors import VenueError

Result = TypeVar("Result")

_TRACE: ContextVar[Trace | None] = ContextVar("trace", default=None)
_EXPIRES: ContextVar[int | None] = ContextVar("expires", default=None)  # venue's time in milliseconds
_ORDER_PATHS = frozenset({"trade/order", "trade/batch-orders"})
_SIGNATURES = re.compile(r"((?:signature|sign|api_?key|accesskeyid)=)[^&\s]+", re.IGNORECASE)

_SHORTEST_SECRET = 6

# ccxt writes whole requests to its logger at debug level, and with them the key.
_QUIET = logging.getLogger(f"{__name__}.ccxt")
_QUIET.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A key to one account; never shown."""

    api_key: str
    secret: str
    passphrase: str = ""

    def __repr__(self) -> str:
        return "Credentials(***)"


def make_client(
    exchange_id: str,
    credentials: Credentials | None,
    *,
    urls: Mapping[str, Any] | None,
    timeout: float,
    keep_alive: float,
    options: Mapping[str, Any] | None,
) -> Any:
    """Return a streaming ccxt client of the exchange, guarded and traced.

    Args:
        exchange_id: ccxt's id, e.g. "okx".
        credentials: None for public data alone.
        urls: replaces entries of ccxt's `urls["api"]`, to reach a simulated exchange.
        timeout: seconds until a request counts as unanswered.
        keep_alive: seconds between pings of a stream; a dead peer is noticed after two to three of them.
        options: ccxt options on top of ours.

    Raises:
        ValueError: ccxt has no such exchange.
    """
    cls = getattr(ccxt.pro, exchange_id, None) or getattr(ccxt.async_support, exchange_id, None)
    if cls is None or exchange_id not in ccxt.exchanges:
        raise ValueError(f"ccxt knows no exchange {exchange_id!r}")
    traits = traits_of(exchange_id)
    config: dict[str, Any] = {
        "timeout": round(timeout * 1000),
        "options": {"maxRetriesOnFailure": 0, **traits.options, **(options or {})},
    }
    if urls:
        config["urls"] = {"api": dict(urls)}
    if credentials is not None:
        config |= {
            "apiKey": credentials.api_key,
            "secret": credentials.secret,
            "password": credentials.passphrase,
        }
    client = cls(config)
    client.number = str  # every parsed number stays the decimal text that the venue sent
    client.streaming = {**client.streaming, "keepAlive": round(keep_alive * 1000)}
    client.logger = _QUIET
    client.verbose = False
    client.timeout_on_exit = 0
    _trace_requests(client)
    if traits.deadline == "header":
        _stamp_deadlines(client)
    if traits.limits_per_endpoint is not None:
        limits = EndpointLimits(traits.limits_per_endpoint, traits.window, time.monotonic)
        client.calculate_rate_limiter_cost = limits.charge
        client.throttle = limits.acquire
    guard_connections(client)
    return client


async def call(client: Any, action: Action, request: Awaitable[Result], trace: Trace | None = None) -> Result:
    """Await a ccxt request and raise its failure as a `VenueError`.

    Raises:
        VenueError: what may be concluded from the failure.
    """
    trace = trace or Trace()
    token = _TRACE.set(trace)
    try:
        return await request
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # ours
        failure = classify(NetworkError("ccxt gave the request up"), venue=client.id, action=action, trace=trace)
        raise failure from None
    except (BaseError, OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        # Besides its own errors ccxt lets slip what its parsers stumble over when an answer is not what it
        # expects.
        failure = classify(error, venue=client.id, action=action, trace=trace, known_codes=known_codes(client))
        raise without_secrets(client, failure) from None  # the cause may hold signed addresses
    finally:
        _TRACE.reset(token)


@contextlib.contextmanager
def expiring(milliseconds: int) -> Iterator[None]:
    """Have requests for new orders inside expire at this moment of the venue's clock."""
    token = _EXPIRES.set(milliseconds)
    try:
        yield
    finally:
        _EXPIRES.reset(token)


def known_codes(client: Any) -> dict[str, type[Exception]]:
    """Return the venue's error codes that ccxt knows, with its class for each."""
    exact = client.exceptions.get("exact", {})
    codes: dict[str, type[Exception]] = {}
    for key, value in exact.items():
        codes |= value if isinstance(value, dict) else {key: value}
    return codes


def without_secrets(client: Any, error: VenueError) -> VenueError:
    """Blank keys, secrets and signatures in an error's message."""
    error.message = redact(client, error.message)
    return error


def redact(client: Any, text: str) -> str:
    """Blank keys, secrets and signatures in a text."""
    for secret in (client.secret, client.password, client.apiKey):
        if secret and len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return _SIGNATURES.sub(r"\1***", text)


def _trace_requests(client: Any) -> None:
    fetch, on_response = client.fetch, client.on_rest_response

    async def traced_fetch(*args: Any, **kwargs: Any) -> Any:
        trace = _TRACE.get()
        if trace is not None:
            trace.sent = True
        return await fetch(*args, **kwargs)

    def traced_response(
        status: int, reason: str, url: str, method: str, headers: Mapping[str, str], body: str, *rest: Any
    ) -> Any:
        trace = _TRACE.get()
        if trace is not None:
            trace.status = status
            trace.body = body
            trace.retry_after = _seconds({name.lower(): value for name, value in headers.items()})
        if status == HTTPStatus.OK and not _readable(client, body):
            # ccxt takes junk for an empty list, or for an order without an id
            raise BadResponse(f"{client.id} {method} {url} unreadable answer: {body[:100]}")
        return on_response(status, reason, url, method, headers, body, *rest)

    client.fetch = traced_fetch
    client.on_rest_response = traced_response


def _readable(client: Any, body: str) -> bool:
    content = client.parse_json(body)
    if client.id == "okx":
        return isinstance(content, dict) and isinstance(content.get("data"), list)
    return content is not None


def _seconds(headers: Mapping[str, str]) -> float | None:
    with contextlib.suppress(KeyError, ValueError):
        return float(headers["retry-after"])
    return None


def _stamp_deadlines(client: Any) -> None:
    client.sign = partial(_sign_with_deadline, client.sign)


def _sign_with_deadline(sign: Any, path: str, *args: Any, **kwargs: Any) -> Any:
    request = sign(path, *args, **kwargs)
    expires = _EXPIRES.get()
    if expires is not None and path in _ORDER_PATHS:
        request["headers"]["expTime"] = str(expires)
    return request
