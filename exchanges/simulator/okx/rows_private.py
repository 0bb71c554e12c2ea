"""Rows of orders, fills and bills, with every field that OKX documents."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.core.values import BillKind, CancelReason, OrderType, Side
from exchanges.simulator.okx.text import plain, signed_fee

if TYPE_CHECKING:
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.values import Bill, Fill, Order
    from exchanges.simulator.okx.face import Face, Row

ZERO = Decimal(0)

CANCEL_SOURCES = {
    CancelReason.USER: ("1", "Order canceled by user"),
    CancelReason.TIMER: ("20", "Cancel all after triggered"),
    CancelReason.UNFILLED: ("14", "Order canceled: IOC order was partially canceled due to incompletely filled"),
    CancelReason.KILLED: ("13", "Order canceled: FOK order was canceled due to incompletely filled"),
    CancelReason.WOULD_TAKE: ("31", "The current maker-only order will take liquidity in orderbook"),
    CancelReason.SELF_TRADE: ("32", "Self trade prevention"),
    CancelReason.REDUCE_ONLY: ("23", "Order canceled: reduce-only order has nothing left to reduce"),
    CancelReason.LIQUIDATION: ("3", "Order canceled: risk control"),
    CancelReason.DELISTED: ("0", "Order canceled by system"),
    CancelReason.AMEND_FAILED: ("1", "Order canceled: the amendment failed"),
    CancelReason.MARGIN: ("9", "Order canceled: insufficient balance after funding fees deducted"),
}
TRADE_SUBTYPES = {Side.BUY: "1", Side.SELL: "2"}
LIQUIDATION_SUBTYPES = {Side.BUY: "106", Side.SELL: "107"}
# OKX's bill types: transfer, trade, delivery, liquidation, funding, and the insurance fund's clawback.
BILL_TYPES = {
    BillKind.TRANSFER: "1",
    BillKind.TRADE: "2",
    BillKind.DELIVERY: "3",
    BillKind.LIQUIDATION: "5",
    BillKind.FUNDING: "8",
    BillKind.INSURANCE: "10",
}


def _other_coin(instrument: Instrument | None, currency: str) -> str:
    if instrument is None or not instrument.is_spot:
        return currency
    return instrument.quote if currency == instrument.base else instrument.base


def order_row(face: Face, order: Order) -> Row:
    """Return a row of `trade/order`, `orders-pending` and `orders-history`."""
    request = order.request
    fill = order.last_fill
    instrument = face.exchange.instruments.get(order.inst_id)
    spot = order.kind is InstrumentKind.SPOT
    source, reason = CANCEL_SOURCES[order.cancel_reason] if order.cancel_reason else ("", "")
    sized_market = spot and request.type is OrderType.MARKET
    return {
        "accFillSz": plain(order.filled),
        "algoClOrdId": "",
        "algoId": "",
        "attachAlgoClOrdId": "",
        "attachAlgoOrds": [],
        "avgPx": plain(order.average_price),
        "cTime": str(order.created_ms),
        "cancelSource": source,
        "cancelSourceReason": reason,
        "category": order.category.value,
        "ccy": "" if spot or instrument is None else instrument.settle,
        "clOrdId": order.client_id,
        "fee": signed_fee(order.fee),
        "feeCcy": order.fee_currency,
        "fillPx": plain(fill.price) if fill else "",
        "fillSz": plain(fill.size) if fill else "0",
        "fillTime": str(fill.time_ms) if fill else "",
        "instId": order.inst_id,
        "instType": order.kind.value,
        "isTpLimit": "false",
        "lever": "" if spot else plain(order.leverage),
        "linkedAlgoOrd": {"algoId": ""},
        "ordId": str(order.order_id),
        "ordType": request.type.value,
        "pnl": plain(order.pnl),
        "posSide": "net",
        "px": plain(order.price) if request.type is not OrderType.MARKET else "",
        "pxType": "",
        "pxUsd": "",
        "pxVol": "",
        "quickMgnType": "",
        "rebate": "0",
        "rebateCcy": _other_coin(instrument, order.fee_currency),
        "reduceOnly": "true" if request.reduce_only else "false",
        "side": order.side.value,
        "slOrdPx": "",
        "slTriggerPx": "",
        "slTriggerPxType": "",
        "source": "",
        "state": order.state.value,
        "stpId": "",
        "stpMode": request.self_trade.value,
        "sz": plain(request.size if sized_market else order.size),
        "tag": request.tag,
        "tdMode": request.trade_mode,
        "tgtCcy": request.size_unit.value if sized_market else "",
        "tpOrdPx": "",
        "tpTriggerPx": "",
        "tpTriggerPxType": "",
        "tradeId": str(fill.trade_id) if fill else "",
        "tradeQuoteCcy": instrument.quote if spot and instrument is not None else "",
        "uTime": str(order.updated_ms),
    }


def order_push_row(face: Face, order: Order) -> Row:
    """Return a row of the `orders` channel: the order, and what this update did."""
    row = order_row(face, order)
    fill = order.last_fill
    quote_usd = ZERO
    instrument = face.exchange.instruments.get(order.inst_id)
    if instrument is not None:
        quote_usd = face.usd_price(instrument.quote) * instrument.contract_value
        price = order.price or order.average_price or face.exchange.index_price(order.inst_id)
        row["notionalUsd"] = plain(order.size * price * quote_usd)
        row["lastPx"] = plain(face.exchange.ticker(order.inst_id).last)
    else:
        row["notionalUsd"] = row["lastPx"] = ""
    request_id = face.amendments.pop(order.order_id, None)
    row.update(
        {
            "amendResult": "" if request_id is None else "0",
            "amendSource": "" if request_id is None else "1",
            "avgPx": plain(order.average_price or ZERO),
            "code": "0",
            "execType": fill.liquidity.value if fill else "",
            "fillFee": signed_fee(fill.fee) if fill else "0",
            "fillFeeCcy": fill.fee_currency if fill else "",
            "fillFwdPx": "",
            "fillIdxPx": plain(fill.index_price) if fill else "",
            "fillMarkPx": plain(fill.mark_price) if fill and fill.kind is not InstrumentKind.SPOT else "",
            "fillMarkVol": "",
            "fillNotionalUsd": plain(fill.size * fill.price * quote_usd) if fill else "",
            "fillPnl": plain(fill.pnl) if fill else "0",
            "fillPxUsd": "",
            "fillPxVol": "",
            "msg": "",
            "reqId": request_id or "",
        }
    )
    del row["cancelSourceReason"]
    return row


def fill_row(face: Face, fill: Fill) -> Row:
    """Return a row of `trade/fills` and `trade/fills-history`."""
    spot = fill.kind is InstrumentKind.SPOT
    instrument = face.exchange.instruments.get(fill.inst_id)
    return {
        "billId": str(fill.bill_id),
        "clOrdId": fill.client_id,
        "execType": fill.liquidity.value,
        "fee": signed_fee(fill.fee),
        "feeCcy": fill.fee_currency,
        "feeRate": plain(-fill.fee_rate) if spot else "",
        "fillFwdPx": "",
        "fillIdxPx": plain(fill.index_price),
        "fillMarkPx": "" if spot else plain(fill.mark_price),
        "fillMarkVol": "",
        "fillPnl": plain(fill.pnl),
        "fillPx": plain(fill.price),
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillSz": plain(fill.size),
        "fillTime": str(fill.time_ms),
        "instId": fill.inst_id,
        "instType": fill.kind.value,
        "ordId": str(fill.order_id),
        "posSide": "net",
        "side": fill.side.value,
        "subType": TRADE_SUBTYPES[fill.side],
        "tag": fill.tag,
        "tradeId": str(fill.trade_id),
        "tradeQuoteCcy": instrument.quote if spot and instrument is not None else "",
        "ts": str(fill.time_ms),
    }


def fill_push_row(fill: Fill) -> Row:
    """Return a row of the `fills` channel, which tells a client id only where it is a positive 64-bit number."""
    numeric = fill.client_id.isdecimal() and 0 < int(fill.client_id) < 2**63
    return {
        "instId": fill.inst_id,
        "fillSz": plain(fill.size),
        "fillPx": plain(fill.price),
        "side": fill.side.value,
        "ts": str(fill.time_ms),
        "ordId": str(fill.order_id),
        "clOrdId": fill.client_id if numeric else "0",
        "tradeId": str(fill.trade_id),
        "execType": fill.liquidity.value,
        "count": "1",
    }


def bill_subtype(bill: Bill) -> str:
    """Return OKX's `subType` of a bill."""
    if bill.kind is BillKind.TRANSFER:
        return "11" if bill.change > 0 else "12"
    if bill.kind is BillKind.FUNDING:
        return "174" if bill.change > 0 else "173"
    if bill.kind is BillKind.DELIVERY:
        return "112" if bill.side is Side.SELL else "113"
    if bill.kind is BillKind.INSURANCE:
        return "201"
    subtypes = LIQUIDATION_SUBTYPES if bill.kind is BillKind.LIQUIDATION else TRADE_SUBTYPES
    return subtypes[bill.side or Side.BUY]


def bill_row(bill: Bill) -> Row:
    """Return a row of `account/bills` and `account/bills-archive`."""
    transfer = bill.kind is BillKind.TRANSFER
    incoming = bill.change > 0
    traded = bill.trade_id is not None
    mode = "" if not bill.inst_id else "cash" if bill.inst_kind is InstrumentKind.SPOT else "cross"
    return {
        "bal": plain(bill.balance),
        "balChg": plain(bill.change),
        "billId": str(bill.bill_id),
        "ccy": bill.currency,
        "clOrdId": bill.client_id,
        "earnAmt": "",
        "earnApr": "",
        "execType": bill.liquidity.value if bill.liquidity else "",
        "fee": signed_fee(bill.fee),
        "fillFwdPx": "",
        "fillIdxPx": "",
        "fillMarkPx": "",
        "fillMarkVol": "",
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillTime": str(bill.time_ms) if traded else "",
        "from": ("6" if incoming else "18") if transfer else "",
        "instId": bill.inst_id,
        "instType": bill.inst_kind.value if bill.inst_kind else "",
        "interest": "0",
        "mgnMode": mode,
        "notes": bill.note,
        "ordId": "" if bill.order_id is None else str(bill.order_id),
        "pnl": plain(bill.pnl),
        "posBal": "0",
        "posBalChg": "0",
        "px": plain(bill.price) if bill.price else "",
        "subType": bill_subtype(bill),
        "sz": plain(bill.size or abs(bill.change)),
        "tag": "",
        "to": ("18" if incoming else "6") if transfer else "",
        "tradeId": "" if bill.trade_id is None else str(bill.trade_id),
        "ts": str(bill.time_ms),
        "type": BILL_TYPES[bill.kind],
    }
