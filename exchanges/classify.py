"""Every ccxt exception into the port's error tree, by what may be concluded from it.

ccxt's classes say what kind of trouble there was. What follows from it depends on three more facts: whether
the request could change anything, whether it had left this process, and what the venue answered. Where they
leave a doubt about a request that may have acted, the answer is `Ambiguous`: a look-up costs a second, a
wrong guess costs money.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from socket import gaierror
from typing import TYPE_CHECKING

import aiohttp
from ccxt.base import errors as ccxt

from exchanges.errors import Ambiguous, Denied, Duplicate, NotFound, Rejected, Throttled, Unavailable, VenueError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Action(Enum):
    """What the request was for."""

    READ = auto()
    CREATE = auto()
    CANCEL = auto()
    CHANGE = auto()  # leverage, dead man's switch: may be repeated without harm


@dataclass(slots=True)
class Trace:
    """What is known of one request besides the exception that it ended in."""

    sent: bool = False
    status: int | None = None
    retry_after: float | None = None
    body: str = ""


BY_CLASS: Mapping[type[Exception], type[VenueError]] = {
    ccxt.BaseError: Ambiguous,
    # The venue, or ccxt before it sent anything, said no.
    ccxt.ExchangeError: Ambiguous,  # the class for codes that ccxt does not know: see `_unknown_code`
    ccxt.AuthenticationError: Denied,
    ccxt.PermissionDenied: Denied,
    ccxt.AccountNotEnabled: Denied,
    ccxt.AccountSuspended: Denied,
    ccxt.ArgumentsRequired: Rejected,
    ccxt.BadRequest: Rejected,
    ccxt.BadSymbol: Rejected,
    ccxt.OperationRejected: Rejected,
    ccxt.NoChange: Rejected,
    ccxt.MarginModeAlreadySet: Rejected,
    ccxt.MarketClosed: Rejected,
    ccxt.ManualInteractionNeeded: Denied,
    ccxt.RestrictedLocation: Denied,
    ccxt.InsufficientFunds: Rejected,
    ccxt.InvalidAddress: Rejected,
    ccxt.AddressPending: Rejected,
    ccxt.InvalidOrder: Rejected,
    ccxt.OrderNotFound: NotFound,
    ccxt.OrderNotCached: NotFound,
    ccxt.OrderImmediatelyFillable: Rejected,
    ccxt.OrderNotFillable: Rejected,
    ccxt.DuplicateOrderId: Duplicate,
    ccxt.ContractUnavailable: Rejected,
    ccxt.NotSupported: Rejected,
    ccxt.InvalidProxySettings: Unavailable,
    ccxt.ExchangeClosedByUser: Unavailable,
    # Something on the way failed.
    ccxt.OperationFailed: Ambiguous,
    ccxt.NetworkError: Ambiguous,
    ccxt.DDoSProtection: Throttled,
    ccxt.RateLimitExceeded: Throttled,
    ccxt.ExchangeNotAvailable: Ambiguous,
    ccxt.OnMaintenance: Unavailable,
    ccxt.InvalidNonce: Denied,  # a signature outside the venue's window of time is refused unread
    ccxt.ChecksumError: Ambiguous,
    ccxt.RequestTimeout: Ambiguous,
    ccxt.BadResponse: Ambiguous,
    ccxt.NullResponse: Ambiguous,
    ccxt.CancelPending: Ambiguous,
    ccxt.UnsubscribeError: Ambiguous,
}
"""The conclusion from each class about a request that may have acted; a read turns Ambiguous into Unavailable."""

BY_CODE: Mapping[tuple[str, str], type[VenueError]] = {
    # A client id that the venue knows already: ccxt calls most of these plain InvalidOrder or BadRequest.
    ("okx", "51011"): Duplicate,
    ("okx", "51016"): Duplicate,
    ("binance", "-4116"): Duplicate,
    ("binanceusdm", "-4116"): Duplicate,
    ("bybit", "110072"): Duplicate,
    ("bybit", "170141"): Duplicate,
    ("bitget", "40786"): Duplicate,
    # Answers whose ccxt class says less, or something else, than the venue's manual.
    ("okx", "50061"): Throttled,  # the account's own limit of new orders
    ("okx", "50102"): Denied,
}

# What HTTP alone says where the body says nothing.
_BY_STATUS: Mapping[int, type[VenueError]] = {
    400: Unavailable,
    401: Denied,
    403: Unavailable,
    404: Unavailable,
    405: Unavailable,
    407: Unavailable,
    410: Unavailable,
    413: Unavailable,
    414: Unavailable,
    415: Unavailable,
    418: Throttled,
    422: Rejected,
    429: Throttled,
    451: Denied,
    511: Unavailable,
}

_DUPLICATE = re.compile(
    r"duplicate[d]?\W+(client|order|cl)|client\W?(order)?\W?id.{0,40}(exist|duplicate)", re.IGNORECASE
)
_CODE = re.compile(r'"(?:sCode|retCode|code|error_code|label)"\s*:\s*"?(-?\w+)"?')
_NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, gaierror)
_LONGEST_MESSAGE = 300


def classify(
    error: Exception,
    *,
    venue: str,
    action: Action,
    trace: Trace | None = None,
    known_codes: Mapping[str, type[Exception]] | None = None,
) -> VenueError:
    """Return what may be concluded from an exception that a ccxt call ended in.

    Args:
        error: the exception.
        venue: ccxt's id of the exchange.
        action: what the request was for.
        trace: what else is known of the request; None counts as sent and unanswered.
        known_codes: the venue's codes that ccxt knows (`exchange.exceptions["exact"]`).
    """
    trace = trace or Trace(sent=True)
    code = _code(trace.body) or _code(str(error))
    message = _message(error)
    kind = _kind(error, venue, code, trace, known_codes or {})
    if action is not Action.CREATE and kind is Duplicate:
        kind = Rejected
    if action is Action.CREATE and kind is NotFound:
        kind = Rejected
    if action is Action.READ and kind is Ambiguous:
        kind = Unavailable  # a read changes nothing, whatever became of it
    if kind is Throttled:
        return Throttled(message, code, venue=venue, retry_after=trace.retry_after)
    return kind(message, code, venue=venue)


def classify_code(venue: str, code: str, message: str, known_codes: Mapping[str, type[Exception]]) -> VenueError:
    """Return what may be concluded from the venue's answer to one row of a batch of new orders."""
    error = known_codes.get(code, ccxt.ExchangeError)(message)
    kind = _kind(error, venue, code, Trace(sent=True, status=200), known_codes)
    kind = Rejected if kind is NotFound else kind
    return kind(message, code, venue=venue)


def _kind(
    error: Exception, venue: str, code: str | None, trace: Trace, known_codes: Mapping[str, type[Exception]]
) -> type[VenueError]:
    if any(isinstance(cause, _NEVER_CONNECTED) for cause in _chain(error)):
        return Unavailable
    by_code = BY_CODE.get((venue, code or ""))
    if by_code is not None:
        return by_code
    by_class = next((BY_CLASS[cls] for cls in type(error).__mro__ if cls in BY_CLASS), Ambiguous)
    if not trace.sent:
        return _unsent(error, by_class)
    return _of_answer(error, by_class, code, trace, known_codes)


def _unsent(error: Exception, by_class: type[VenueError]) -> type[VenueError]:
    """Judge what ended before any request left: ccxt refused the arguments, or a stream failed."""
    if by_class in {Denied, Throttled, Unavailable}:
        return by_class
    return Unavailable if isinstance(error, ccxt.OperationFailed) else Rejected


def _of_answer(
    error: Exception,
    by_class: type[VenueError],
    code: str | None,
    trace: Trace,
    known_codes: Mapping[str, type[Exception]],
) -> type[VenueError]:
    if _DUPLICATE.search(f"{error} {trace.body}"):
        return Duplicate
    if any(isinstance(cause, aiohttp.ClientError) for cause in _chain(error)):
        return Ambiguous
    if type(error) is ccxt.ExchangeError and code in known_codes:
        return Rejected  # the venue's own code, which ccxt knows and only has no finer class for
    if by_class is Ambiguous and code is None:
        return _BY_STATUS.get(trace.status or 0, Ambiguous)
    return by_class


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__  # not the context: that may be some earlier trouble, since overcome
    return chain


def _code(text: str) -> str | None:
    """Return the venue's code in a message or body: a row's before the whole answer's, never a success."""
    return next((code for code in _CODE.findall(text) if code not in {"0", "1", "2"}), None)


def _message(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if not isinstance(error, ccxt.BaseError):
        text = f"an answer that cannot be read: {type(error).__name__} {text}"
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"
