"""The REST API: signature, deadline, rate limit, the endpoint, OKX's envelope, and what faults make of the answer."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from exchanges.simulator.core.refusals import Refused
from exchanges.simulator.faults import ANSWER_KINDS, Fault, FaultKind
from exchanges.simulator.okx.account import ACCOUNT
from exchanges.simulator.okx.asset import ASSET
from exchanges.simulator.okx.auth import verify_request
from exchanges.simulator.okx.errors import OkxError
from exchanges.simulator.okx.market import MARKET
from exchanges.simulator.okx.params import Params
from exchanges.simulator.okx.public import PUBLIC
from exchanges.simulator.okx.rate_limits import RateLimits
from exchanges.simulator.okx.statistics import STATISTICS
from exchanges.simulator.okx.trade import TRADE
from exchanges.simulator.okx.trade_requests import OPERATIONS, REST_OPERATIONS, operate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exchanges.simulator.okx.endpoints import Endpoint
    from exchanges.simulator.okx.face import Face

ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    **PUBLIC,
    **MARKET,
    **STATISTICS,
    **TRADE,
    **ACCOUNT,
    **ASSET,
}
PATHS = frozenset(path for _, path in ENDPOINTS) | frozenset(REST_OPERATIONS)

WEB_PAGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
BARE_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"

Envelope = dict[str, Any]


def envelope(code: str, message: str, data: Sequence[Any]) -> Envelope:
    """Return OKX's answer around the rows."""
    return {"code": code, "msg": message, "data": data}


def microseconds(face: Face) -> str:
    """Return the venue's time in microseconds, for `inTime` and `outTime`."""
    return str(face.now_ms() * 1000 + time.time_ns() // 1000 % 1000)


def check_deadline(face: Face, deadline: str) -> None:
    """Refuse a request whose `expTime` has passed.

    Raises:
        OkxError: 50036, or 51000 for what is no time.
    """
    if not deadline:
        return
    if not deadline.isdecimal():
        raise OkxError("51000", "expTime")
    if int(deadline) < face.now_ms():
        raise OkxError("50036")


def hidden(rows: list[Any], fault: Fault, now_ms: int) -> list[Any]:
    """Return the rows without orders and fills that are younger than the fault says."""
    newest = now_ms - fault.seconds * 1000
    return [row for row in rows if int(row.get("cTime") or row.get("ts") or 0) <= newest]


class RestApi:
    """Answers requests; `settle` is called after each that may have changed the account."""

    def __init__(self, face: Face, settle: Callable[[], None], closing: asyncio.Event) -> None:
        self._face = face
        self._settle = settle
        self._closing = closing
        self._limits = RateLimits()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, or do to it what a fault says."""
        body = await request.text()
        faults = self._face.faults
        line = f"{request.method} {request.path}"
        fault = faults.hit(line, ANSWER_KINDS) if faults else None
        if fault is not None and not fault.processed:
            if fault.kind is not FaultKind.LATE:
                return await self._wrong(request, fault, self._refusal(request, body, fault))
            await asyncio.sleep(fault.seconds)
        status, answer = self._answer(request, body)
        if fault is not None and fault.processed:
            if fault.kind is not FaultKind.LATE:
                return await self._wrong(request, fault, answer)
            await asyncio.sleep(fault.seconds)
        return _json(status, answer)

    def _answer(self, request: web.Request, body: str, error: OkxError | None = None) -> tuple[int, Envelope]:
        try:
            return HTTPStatus.OK, self._look_up(request, body, error)
        except OkxError as refused:
            return refused.status, envelope(refused.code, refused.message, [])
        except Refused as refused:
            translated = OkxError.of(refused)
            return translated.status, envelope(translated.code, translated.message, [])
        finally:
            if request.method == "POST":
                self._settle()

    def _look_up(self, request: web.Request, body: str, error: OkxError | None) -> Envelope:
        method, path = request.method, request.path
        operation = REST_OPERATIONS.get(path) if method == "POST" else None
        endpoint = ENDPOINTS.get((method, path))
        if operation is None and endpoint is None:
            if path in PATHS:
                raise OkxError("50115")
            raise OkxError("404")
        if operation is not None or (endpoint is not None and endpoint.private):
            now = self._face.now_ms() / 1000
            verify_request(self._face.credentials, request.headers, method, request.raw_path, body, now)
        if operation is not None:
            return self._operate(operation, request, body, error)
        assert endpoint is not None  # noqa: S101 - one of the two was found above
        values: Mapping[str, object] = _object(body) if method == "POST" else request.rel_url.query
        self._throttle(path, endpoint.count, endpoint.seconds, 1)
        rows = list(endpoint.handle(self._face, Params(values)))
        if method == "GET" and self._face.faults:
            rows = self._cut(f"GET {path}", rows)
        return envelope("0", "", rows)

    def _cut(self, line: str, rows: list[Any]) -> list[Any]:
        fault = self._face.faults.hit(line, {FaultKind.HIDDEN})
        if fault is None:
            return rows
        seen = hidden(rows, fault, self._face.now_ms())
        if rows and not seen and line.endswith("/trade/order"):
            raise OkxError("51603")
        return seen

    def _operate(self, name: str, request: web.Request, body: str, error: OkxError | None) -> Envelope:
        arrived = microseconds(self._face)
        check_deadline(self._face, request.headers.get("expTime", ""))
        operation = OPERATIONS[name]
        args = _objects(body) if operation.batch else [_object(body)]
        for instrument in {str(arg.get("instId") or arg.get("instIdCode")) for arg in args}:
            self._throttle(f"{name} {instrument}", operation.count, 2.0, len(args))
        outcome = operate(self._face, name, args, error)
        times = {"inTime": arrived, "outTime": microseconds(self._face)}
        return envelope(outcome.code, outcome.message, outcome.rows) | times

    def _throttle(self, name: str, count: int, seconds: float, cost: int) -> None:
        if self._face.rate_limits and not self._limits.admit(name, count, seconds, time.monotonic(), cost):
            raise OkxError("50011")

    def _refusal(self, request: web.Request, body: str, fault: Fault) -> Envelope:
        """Return the answer of a request that was refused by a fault, in rows where OKX answers in rows."""
        error = OkxError(fault.code)
        if fault.kind is FaultKind.CODE and request.path in REST_OPERATIONS and fault.code.startswith("51"):
            return self._answer(request, body, error)[1]
        return envelope(error.code, error.message, [])

    async def _wrong(self, request: web.Request, fault: Fault, answer: Envelope) -> web.StreamResponse:
        if fault.kind is FaultKind.SILENT:
            await self._closing.wait()
        if fault.kind in {FaultKind.SILENT, FaultKind.CUT}:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        build = WRONG_ANSWERS.get(fault.kind)
        return build(fault, answer) if build else _bytes(HTTPStatus.OK, damaged(fault, answer))


def _status_page(fault: Fault, answer: Envelope) -> web.Response:
    del answer
    phrase = f"{fault.status} {HTTPStatus(fault.status).phrase}"
    return web.Response(status=fault.status, text=BARE_PAGE.format(phrase), content_type="text/html")


def _web_page(fault: Fault, answer: Envelope) -> web.Response:
    del fault, answer
    return web.Response(text=WEB_PAGE, content_type="text/html")


def _throttled(fault: Fault, answer: Envelope) -> web.Response:
    del answer
    headers = {"Retry-After": f"{fault.seconds:g}"} if fault.seconds else {}
    if not fault.code:
        return web.Response(status=429, text="", headers=headers)
    return _json(429, envelope(fault.code, OkxError(fault.code).message, []), headers)


def _maintenance(fault: Fault, answer: Envelope) -> web.Response:
    del fault, answer
    error = OkxError("50001")
    return _json(error.status, envelope(error.code, error.message, []))


def _coded(fault: Fault, answer: Envelope) -> web.Response:
    if answer["data"] and not fault.processed:
        return _json(HTTPStatus.OK, answer)
    error = OkxError(fault.code)
    return _json(error.status, envelope(error.code, error.message, []))


WRONG_ANSWERS: Mapping[FaultKind, Callable[[Fault, Envelope], web.Response]] = {
    FaultKind.STATUS: _status_page,
    FaultKind.HTML: _web_page,
    FaultKind.THROTTLE: _throttled,
    FaultKind.MAINTENANCE: _maintenance,
    FaultKind.CODE: _coded,
}


def damaged(fault: Fault, answer: Envelope) -> bytes:
    """Return the answer cut in two, without rows, or with the first of its rows."""
    rows = answer["data"]
    if fault.kind is FaultKind.TRUNCATED:
        whole = orjson.dumps(answer)
        return whole[: len(whole) // 2]
    kept = int(len(rows) * fault.keep) if fault.kind is FaultKind.PARTIAL else 0
    return orjson.dumps(answer | {"data": rows[:kept]})


def _bytes(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _json(status: int, answer: Envelope, headers: Mapping[str, str] | None = None) -> web.Response:
    return _bytes(status, orjson.dumps(answer), headers)


def _parsed(body: str) -> Any:
    if not body:
        raise OkxError("50000")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise OkxError("50002") from None


def _object(body: str) -> dict[str, object]:
    value = _parsed(body)
    if not isinstance(value, dict):
        raise OkxError("50002")
    return value


def _objects(body: str) -> list[dict[str, object]]:
    value = _parsed(body)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise OkxError("50002")
    return value
