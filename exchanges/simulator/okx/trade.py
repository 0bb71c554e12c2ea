"""Orders and fills read over REST, and what acts on the whole account: closing a position, the dead man's switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.refusals import Refused
from exchanges.simulator.core.values import OrderState
from exchanges.simulator.okx.endpoints import Endpoint
from exchanges.simulator.okx.errors import OkxError
from exchanges.simulator.okx.face import TRADING
from exchanges.simulator.okx.rows_private import fill_row, order_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchanges.simulator.okx.face import Face, Row
    from exchanges.simulator.okx.params import Params

DAY_MS = 86_400_000
RECENT_FILLS_MS = 3 * DAY_MS
RECENT_ORDERS_MS = 7 * DAY_MS
ARCHIVE_MS = 90 * DAY_MS
LONGEST_TIMER = 120


def order(face: Face, params: Params) -> list[Row]:
    """Tell one order, by the venue's id or the client's."""
    inst_id = face.instrument(params.required("instId")).inst_id
    order_id, client_id = params.integer("ordId"), params.client_id()
    if order_id is None and not client_id:
        raise OkxError("51003")
    try:
        found = face.exchange.order(TRADING, inst_id, order_id=order_id, client_id=client_id)
    except Refused as refused:
        raise OkxError.of(refused) from None
    return [order_row(face, found)]


def orders_pending(face: Face, params: Params) -> list[Row]:
    """List open orders, newest first."""
    found = face.exchange.open_orders(
        TRADING,
        kind=params.kind(),
        inst_id=params.text("instId") or None,
        after_id=params.integer("after"),
        before_id=params.integer("before"),
        limit=params.limit(),
    )
    state, kind = params.text("state"), params.text("ordType")
    return [
        order_row(face, o)
        for o in found
        if (not state or o.state.value == state) and (not kind or o.request.type.value in kind.split(","))
    ]


def _history(face: Face, params: Params, span_ms: int) -> list[Row]:
    params.required("instType")
    oldest = face.now_ms() - span_ms
    found = face.exchange.closed_orders(
        TRADING,
        kind=params.kind(),
        inst_id=params.text("instId") or None,
        state=params.choice("state", OrderState) if params.text("state") else None,
        begin_ms=max(params.integer("begin") or 0, oldest),
        end_ms=params.integer("end"),
        after_id=params.integer("after"),
        before_id=params.integer("before"),
        limit=params.limit(),
    )
    kind = params.text("ordType")
    return [order_row(face, o) for o in found if not kind or o.request.type.value in kind.split(",")]


def orders_history(face: Face, params: Params) -> list[Row]:
    """List the orders of 7 days that ended, newest first."""
    return _history(face, params, RECENT_ORDERS_MS)


def orders_archive(face: Face, params: Params) -> list[Row]:
    """List the orders of 3 months that ended, newest first."""
    return _history(face, params, ARCHIVE_MS)


def _fills(face: Face, params: Params, span_ms: int) -> list[Row]:
    found = face.exchange.fills(
        TRADING,
        kind=params.kind(),
        inst_id=params.text("instId") or None,
        order_id=params.integer("ordId"),
        begin_ms=max(params.integer("begin") or 0, face.now_ms() - span_ms),
        end_ms=params.integer("end"),
        after_id=params.integer("after"),
        before_id=params.integer("before"),
        limit=params.limit(),
    )
    return [fill_row(face, fill) for fill in found]


def fills(face: Face, params: Params) -> list[Row]:
    """List the fills of 3 days, newest first."""
    return _fills(face, params, RECENT_FILLS_MS)


def fills_history(face: Face, params: Params) -> list[Row]:
    """List the fills of 3 months, newest first."""
    params.required("instType")
    return _fills(face, params, ARCHIVE_MS)


def close_position(face: Face, params: Params) -> list[Row]:
    """Close a position at the market, after canceling what would be in the way where `autoCxl` says so."""
    instrument = face.instrument(params.required("instId"))
    if params.required("mgnMode") != "cross":
        raise OkxError("51000", "mgnMode")
    if params.text("posSide", "net") != "net":
        raise OkxError("51000", "posSide")
    client_id, tag = params.client_id(), params.tag()
    if params.flag("autoCxl"):
        face.exchange.cancel_all(TRADING, instrument.inst_id)
    try:
        face.exchange.close_position(TRADING, instrument.inst_id, client_id, tag)
    except Refused as refused:
        raise OkxError.of(refused) from None
    return [{"instId": instrument.inst_id, "posSide": "net", "clOrdId": client_id, "tag": tag}]


def cancel_all_after(face: Face, params: Params) -> list[Row]:
    """Arm the timer that cancels all orders unless it is armed again; 0 disarms."""
    params.required("timeOut")
    seconds = params.integer("timeOut") or 0
    if seconds and not 10 <= seconds <= LONGEST_TIMER:
        raise OkxError("51000", "timeOut")
    trigger = face.exchange.cancel_all_after(TRADING, seconds * 1000)
    return [{"triggerTime": str(trigger), "tag": params.tag(), "ts": str(face.now_ms())}]


def account_rate_limit(face: Face, params: Params) -> list[Row]:
    """Tell how many orders the account may send in 2 seconds."""
    del params
    return [
        {
            "accRateLimit": "1000",
            "fillRatio": "",
            "mainFillRatio": "",
            "nextAccRateLimit": "",
            "ts": str(face.now_ms()),
        }
    ]


TRADE: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "/api/v5/trade/order"): Endpoint(order, private=True, count=60),
    ("GET", "/api/v5/trade/orders-pending"): Endpoint(orders_pending, private=True, count=60),
    ("GET", "/api/v5/trade/orders-history"): Endpoint(orders_history, private=True, count=40),
    ("GET", "/api/v5/trade/orders-history-archive"): Endpoint(orders_archive, private=True),
    ("GET", "/api/v5/trade/fills"): Endpoint(fills, private=True, count=60),
    ("GET", "/api/v5/trade/fills-history"): Endpoint(fills_history, private=True, count=10),
    ("POST", "/api/v5/trade/close-position"): Endpoint(close_position, private=True),
    ("POST", "/api/v5/trade/cancel-all-after"): Endpoint(cancel_all_after, private=True, count=1, seconds=1.0),
    ("GET", "/api/v5/trade/account-rate-limit"): Endpoint(account_rate_limit, private=True, count=1, seconds=1.0),
}
