"""Placing, amending and canceling over REST and WebSocket alike: one row of a request in, one row of an answer out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.core.refusals import Refusal, Refused
from exchanges.simulator.core.values import OrderRequest, OrderType, SelfTrade, Side, SizeUnit
from exchanges.simulator.okx.errors import AMEND_REFUSALS, CANCEL_REFUSALS, OkxError
from exchanges.simulator.okx.face import TRADING
from exchanges.simulator.okx.params import Params
from exchanges.simulator.okx.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.okx.face import Face, Row

MOST_IN_BATCH = 20
TRADE_MODES = {
    InstrumentKind.SPOT: frozenset({"cash"}),
    InstrumentKind.SWAP: frozenset({"cross"}),
    InstrumentKind.FUTURES: frozenset({"cross"}),
    InstrumentKind.OPTION: frozenset({"cross"}),
}


def _instrument(face: Face, params: Params) -> Instrument:
    code = params.integer("instIdCode")
    inst_id = params.text("instId")
    if inst_id:
        return face.instrument(inst_id)
    if code is None:
        raise OkxError("51000", "instId")
    return face.instrument_by_code(code)


def _order_type(params: Params) -> OrderType:
    # OKX's market order that cancels its rest is what a market order does here anyway.
    if params.text("ordType") == "optimal_limit_ioc":
        return OrderType.MARKET
    if not params.text("ordType"):
        raise OkxError("51000", "ordType")
    return params.choice("ordType", OrderType)


def _order_id(params: Params) -> tuple[int | None, str]:
    order_id, client_id = params.integer("ordId"), params.client_id()
    if order_id is None and not client_id:
        raise OkxError("51003")
    return order_id, client_id


def read_order(face: Face, params: Params) -> OrderRequest:
    """Read the row of an order that is to be placed.

    Raises:
        OkxError: 51000, 51001, 51010 or 51204.
    """
    instrument = _instrument(face, params)
    mode = params.text("tdMode")
    if not mode:
        raise OkxError("51000", "tdMode")
    if mode not in TRADE_MODES[instrument.kind]:
        raise OkxError("51010")
    if params.text("posSide", "net") != "net":
        raise OkxError("51000", "posSide")
    kind = _order_type(params)
    if not params.text("side"):
        raise OkxError("51000", "side")
    side = params.choice("side", Side)
    size, price = params.number("sz"), params.number("px")
    if size is None:
        raise OkxError("51000", "sz")
    if kind is not OrderType.MARKET and price is None:
        raise OkxError("51204")
    unit = SizeUnit.BASE
    if instrument.is_spot and kind is OrderType.MARKET:
        unit = params.choice("tgtCcy", SizeUnit, SizeUnit.QUOTE if side is Side.BUY else SizeUnit.BASE)
    return OrderRequest(
        inst_id=instrument.inst_id,
        side=side,
        type=kind,
        size=size,
        price=None if kind is OrderType.MARKET else price,
        client_id=params.client_id(),
        reduce_only=params.flag("reduceOnly"),
        size_unit=unit,
        self_trade=params.choice("stpMode", SelfTrade, SelfTrade.CANCEL_MAKER),
        trade_mode=mode,
        tag=params.tag(),
    )


def _place(face: Face, params: Params) -> Row:
    request = read_order(face, params)
    try:
        order = face.exchange.place(TRADING, request)
    except Refused as refused:
        raise _place_error(face, request, refused) from None
    return {"ordId": str(order.order_id), "clOrdId": order.client_id, "tag": request.tag}


def _place_error(face: Face, request: OrderRequest, refused: Refused) -> OkxError:
    instrument = face.exchange.instruments.get(request.inst_id)
    if refused.kind is Refusal.PRICE_OUT_OF_BAND:
        highest, lowest = face.exchange.price_limits(request.inst_id)
        return OkxError("51137", plain(highest)) if request.side is Side.BUY else OkxError("51138", plain(lowest))
    if refused.kind is Refusal.INSUFFICIENT_FUNDS and instrument is not None:
        return OkxError("51008", instrument.quote if request.side is Side.BUY else instrument.base)
    if refused.kind is Refusal.INSUFFICIENT_MARGIN and instrument is not None:
        return OkxError("51008", instrument.settle)
    return OkxError.of(refused)


def _cancel(face: Face, params: Params) -> Row:
    instrument = _instrument(face, params)
    order_id, client_id = _order_id(params)
    try:
        order = face.exchange.cancel(TRADING, instrument.inst_id, order_id=order_id, client_id=client_id)
    except Refused as refused:
        raise OkxError.of(refused, CANCEL_REFUSALS) from None
    return {"ordId": str(order.order_id), "clOrdId": order.client_id}


def _amend(face: Face, params: Params) -> Row:
    instrument = _instrument(face, params)
    order_id, client_id = _order_id(params)
    size, price = params.number("newSz"), params.number("newPx")
    if size is None and price is None:
        raise OkxError("51500")
    request_id = params.client_id("reqId")
    cancel_on_failure = params.flag("cxlOnFail")
    try:
        # The push of the amended order names the request, so it is remembered before the core tells of it.
        before = face.exchange.order(TRADING, instrument.inst_id, order_id=order_id, client_id=client_id)
        face.amendments[before.order_id] = request_id
        order = face.exchange.amend(
            TRADING,
            instrument.inst_id,
            order_id=before.order_id,
            size=size,
            price=price,
            cancel_on_failure=cancel_on_failure,
        )
    except Refused as refused:
        if refused.kind is not Refusal.UNKNOWN_ORDER:
            face.amendments.pop(before.order_id, None)
        raise OkxError.of(refused, AMEND_REFUSALS) from None
    return {"ordId": str(order.order_id), "clOrdId": order.client_id, "reqId": request_id}


@dataclass(frozen=True, slots=True)
class Operation:
    """What one row of a request does; `echoed` are the fields that a refused row repeats."""

    act: Callable[[Face, Params], Row]
    batch: bool
    echoed: tuple[str, ...]
    count: int


_PLACED, _CANCELED, _AMENDED = ("ordId", "clOrdId", "tag"), ("ordId", "clOrdId"), ("ordId", "clOrdId", "reqId")

OPERATIONS: Mapping[str, Operation] = {
    "order": Operation(_place, batch=False, echoed=_PLACED, count=60),
    "batch-orders": Operation(_place, batch=True, echoed=_PLACED, count=300),
    "cancel-order": Operation(_cancel, batch=False, echoed=_CANCELED, count=60),
    "batch-cancel-orders": Operation(_cancel, batch=True, echoed=_CANCELED, count=300),
    "amend-order": Operation(_amend, batch=False, echoed=_AMENDED, count=60),
    "batch-amend-orders": Operation(_amend, batch=True, echoed=_AMENDED, count=300),
}
REST_OPERATIONS: Mapping[str, str] = {
    "/api/v5/trade/order": "order",
    "/api/v5/trade/batch-orders": "batch-orders",
    "/api/v5/trade/cancel-order": "cancel-order",
    "/api/v5/trade/cancel-batch-orders": "batch-cancel-orders",
    "/api/v5/trade/amend-order": "amend-order",
    "/api/v5/trade/amend-batch-orders": "batch-amend-orders",
}
"""The operation that each endpoint carries out."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a request of one or more rows: code 0 all done, 1 none, 2 some."""

    code: str
    message: str
    rows: list[Row]


def operate(face: Face, name: str, args: Sequence[Mapping[str, object]], error: OkxError | None = None) -> Outcome:
    """Carry out each row of a request and answer for each; with `error` refuse every row with it.

    Raises:
        OkxError: 50000, 51111 or 51501 for a request that is not looked into at all.
    """
    operation = OPERATIONS[name]
    if not args:
        raise OkxError("50000")
    most = MOST_IN_BATCH if operation.batch else 1
    if len(args) > most:
        raise OkxError("51501" if "amend" in name else "51111", str(most))
    rows = [_answer(face, operation, Params(arg), error) for arg in args]
    failed = sum(row["sCode"] != "0" for row in rows)
    if not failed:
        return Outcome("0", "", rows)
    if failed == len(rows):
        return Outcome("1", "All operations failed", rows)
    return Outcome("2", "Bulk operation partially succeeded.", rows)


def _answer(face: Face, operation: Operation, params: Params, error: OkxError | None) -> Row:
    done: Row = {"ts": str(face.now_ms()), "sCode": "0", "sMsg": "", "subCode": ""}
    try:
        if error is not None:
            raise error
        return operation.act(face, params) | done
    except OkxError as refusal:
        repeated: Row = {name: params.echo(name) for name in operation.echoed}
        return repeated | done | {"sCode": refusal.code, "sMsg": refusal.message}
