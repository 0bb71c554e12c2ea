"""What may be concluded from every exception that ccxt can raise."""

from __future__ import annotations

import inspect
import json
from typing import Any

import aiohttp
import ccxt.async_support
import pytest
from ccxt.base import errors as ccxt_errors

from exchanges.classify import BY_CLASS, Action, Trace, classify, classify_code
from exchanges.errors import (
    Ambiguous,
    Conclusion,
    Denied,
    Duplicate,
    NotFound,
    Rejected,
    Throttled,
    Unavailable,
    VenueError,
)

OKX_CODES: dict[str, type[Exception]] = ccxt.async_support.okx().exceptions["exact"]
CLASSES = [cls for cls in vars(ccxt_errors).values() if inspect.isclass(cls)]


def conclude(
    error: Exception,
    action: Action = Action.CREATE,
    *,
    sent: bool = True,
    status: int | None = None,
    body: str = "",
    cause: BaseException | None = None,
) -> VenueError:
    if cause is not None:
        error.__cause__ = cause
    trace = Trace(sent=sent, status=status, body=body)
    return classify(error, venue="okx", action=action, trace=trace, known_codes=OKX_CODES)


def okx_answer(code: str, row_code: str | None = None, message: str = "no") -> str:
    rows = [] if row_code is None else [{"clOrdId": "", "ordId": "", "sCode": row_code, "sMsg": message}]
    return json.dumps({"code": code, "data": rows, "msg": message}, separators=(",", ":"))


def test_every_class_of_ccxt_has_its_conclusion() -> None:
    assert set(CLASSES) == set(BY_CLASS)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_read_never_ends_in_doubt(cls: type[Exception]) -> None:
    error = conclude(cls("okx something"), Action.READ)
    assert error.conclusion is not Conclusion.AMBIGUOUS


@pytest.mark.parametrize(
    "cls",
    [
        ccxt_errors.RequestTimeout,
        ccxt_errors.NetworkError,
        ccxt_errors.ExchangeNotAvailable,
        ccxt_errors.BadResponse,
        ccxt_errors.NullResponse,
        ccxt_errors.OperationFailed,
        ccxt_errors.ExchangeError,
        KeyError,
        TypeError,
    ],
)
def test_a_create_that_left_without_a_clear_answer_is_in_doubt(cls: type[Exception]) -> None:
    assert type(conclude(cls("okx something"))) is Ambiguous


def test_a_connection_that_was_never_made_carried_nothing() -> None:
    key: Any = None
    refused = aiohttp.ClientConnectorError(key, OSError(111, "refused"))
    error = ccxt_errors.ExchangeNotAvailable("okx POST")
    assert type(conclude(error, cause=refused)) is Unavailable
    slow = aiohttp.ConnectionTimeoutError("dial")
    assert type(conclude(ccxt_errors.RequestTimeout("okx POST"), cause=slow)) is Unavailable


@pytest.mark.parametrize(
    "cause",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(104, "reset"),
        aiohttp.SocketTimeoutError("read"),
        aiohttp.ClientPayloadError("half an answer"),
    ],
)
def test_a_connection_that_broke_may_have_carried_the_order(cause: Exception) -> None:
    for cls in (ccxt_errors.ExchangeNotAvailable, ccxt_errors.ExchangeError, ccxt_errors.RequestTimeout):
        assert type(conclude(cls("okx POST"), cause=cause)) is Ambiguous


def test_what_never_left_is_rejected() -> None:
    error = conclude(ccxt_errors.InvalidOrder("amount must be greater than the precision"), sent=False)
    assert type(error) is Rejected
    assert type(conclude(KeyError("symbol"), sent=False)) is Rejected
    assert type(conclude(ccxt_errors.NetworkError("stream closed"), sent=False)) is Unavailable
    assert type(conclude(ccxt_errors.AuthenticationError("okx requires apiKey"), sent=False)) is Denied


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, Unavailable),
        (403, Unavailable),
        (404, Unavailable),
        (408, Ambiguous),
        (409, Ambiguous),
        (429, Throttled),
        (500, Ambiguous),
        (502, Ambiguous),
        (503, Ambiguous),
        (504, Ambiguous),
    ],
)
def test_bare_http_answers_to_a_create(status: int, expected: type[VenueError]) -> None:
    html = f"okx POST http://venue/x {status} Bad <html>gone</html>"
    assert type(conclude(ccxt_errors.ExchangeNotAvailable(html), status=status)) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("51008", Rejected),
        ("51121", Rejected),
        ("51020", Rejected),
        ("51016", Duplicate),
        ("51011", Duplicate),
        ("50011", Throttled),
        ("50061", Throttled),
        ("50113", Denied),
        ("50102", Denied),
        ("50001", Unavailable),
        ("50004", Ambiguous),
        ("50013", Ambiguous),
        ("51025", Rejected),  # a code that ccxt knows only as ExchangeError
        ("59999", Ambiguous),  # a code that nobody knows
    ],
)
def test_okx_codes_in_the_answer_to_a_create(code: str, expected: type[VenueError]) -> None:
    body = okx_answer("1", code)
    raised = OKX_CODES.get(code, ccxt_errors.ExchangeError)(f"okx {body}")
    error = conclude(raised, status=200, body=body)
    assert type(error) is expected
    assert error.code == code
    row = classify_code("okx", code, "no", OKX_CODES)
    assert type(row) is expected


@pytest.mark.parametrize(
    ("venue", "message"),
    [
        ("bybit", 'bybit {"retCode":110072,"retMsg":"OrderLinkedID is duplicate"}'),
        ("binanceusdm", 'binance {"code":-4116,"msg":"ClientOrderId is duplicated."}'),
        ("binance", 'binance {"code":-2010,"msg":"Duplicate order sent."}'),
        ("somewhere", 'somewhere {"error":"client order id already exist"}'),
    ],
)
def test_a_known_client_id_means_look_it_up_whatever_the_class(venue: str, message: str) -> None:
    for cls in (ccxt_errors.InvalidOrder, ccxt_errors.BadRequest, ccxt_errors.ExchangeError):
        error = classify(cls(message), venue=venue, action=Action.CREATE)
        assert isinstance(error, Duplicate)


@pytest.mark.parametrize("code", ["51400", "51401", "51402", "51603"])
def test_a_cancel_or_look_up_of_what_is_gone_is_not_found(code: str) -> None:
    for action in (Action.CANCEL, Action.READ):
        assert type(conclude(OKX_CODES[code](f"okx {okx_answer('1', code)}"), action)) is NotFound


def test_not_found_is_no_answer_to_a_create() -> None:
    assert type(conclude(ccxt_errors.OrderNotFound("okx what"))) is Rejected


def test_how_long_to_wait_is_passed_on() -> None:
    trace = Trace(sent=True, status=429, retry_after=2.5)
    error = classify(ccxt_errors.RateLimitExceeded("okx"), venue="okx", action=Action.READ, trace=trace)
    assert isinstance(error, Throttled)
    assert error.retry_after == 2.5


def test_messages_are_one_short_line() -> None:
    error = conclude(ccxt_errors.BadResponse("okx <html>\n" + "x" * 5000))
    assert "\n" not in error.message
    assert len(error.message) < 400
