"""Public data: instruments, funding, marks, limits, open interest, tiers, time and status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.okx.endpoints import Endpoint, selected
from exchanges.simulator.okx.errors import OkxError
from exchanges.simulator.okx.rows_public import (
    funding_history_row,
    funding_row,
    instrument_row,
    mark_row,
    open_interest_row,
    price_limit_row,
    tier_row,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.okx.face import Face, Row
    from exchanges.simulator.okx.params import Params


def instruments(face: Face, params: Params) -> list[Row]:
    """List instruments; also `account/instruments`."""
    params.required("instType")
    return [instrument_row(i) for i in selected(face, params)]


def _derivatives(face: Face, params: Params) -> list[Instrument]:
    params.required("instType")
    return [i for i in selected(face, params) if not i.is_spot]


def funding_rate(face: Face, params: Params) -> list[Row]:
    """Tell the present funding of one swap, or of `ANY`."""
    inst_id = params.required("instId")
    if inst_id == "ANY":
        swaps = [i for i in face.exchange.instruments.values() if i.kind is InstrumentKind.SWAP]
    else:
        swaps = [_swap(face, inst_id)]
    return [funding_row(face.exchange.funding(i.inst_id), face.now_ms()) for i in swaps]


def _swap(face: Face, inst_id: str) -> Instrument:
    instrument = face.instrument(inst_id)
    if instrument.kind is not InstrumentKind.SWAP:
        raise OkxError("51001")
    return instrument


def funding_history(face: Face, params: Params) -> list[Row]:
    """Tell the rates that a swap has paid, newest first."""
    swap = _swap(face, params.required("instId"))
    before, after = params.integer("before"), params.integer("after")
    settled = [
        row
        for row in face.exchange.funding_history(swap.inst_id, 400)
        if (after is None or row.time_ms < after) and (before is None or row.time_ms > before)
    ]
    return [funding_history_row(row) for row in settled[: params.limit(400, 400)]]


def mark_price(face: Face, params: Params) -> list[Row]:
    """Tell mark prices."""
    return [mark_row(i, face.exchange.mark_price(i.inst_id), face.now_ms()) for i in _derivatives(face, params)]


def price_limit(face: Face, params: Params) -> list[Row]:
    """Tell the highest buy and the lowest sell of an instrument."""
    instrument = face.instrument(params.required("instId"))
    return [price_limit_row(instrument, face.exchange.price_limits(instrument.inst_id), face.now_ms())]


def open_interest(face: Face, params: Params) -> list[Row]:
    """Tell open interest."""
    exchange = face.exchange
    return [
        open_interest_row(i, exchange.open_interest(i.inst_id), exchange.mark_price(i.inst_id), face.now_ms())
        for i in _derivatives(face, params)
    ]


def position_tiers(face: Face, params: Params) -> list[Row]:
    """Tell margin tiers of the families asked for."""
    params.required("tdMode")
    kind = params.choice("instType", InstrumentKind)
    families = set((params.text("instFamily") or params.required("uly")).split(","))
    tier = params.integer("tier")
    return [
        tier_row(instrument, row)
        for instrument in face.exchange.instruments.values()
        if instrument.kind is kind and instrument.underlying in families
        for row in face.exchange.margin_tiers(instrument.inst_id)
        if tier is None or row.tier == tier
    ]


def underlying(face: Face, params: Params) -> list[list[str]]:
    """List the underlyings of a kind of derivative."""
    kind = params.choice("instType", InstrumentKind)
    found = dict.fromkeys(i.underlying for i in face.exchange.instruments.values() if i.kind is kind)
    return [list(found)]


def time(face: Face, params: Params) -> list[Row]:
    """Tell the venue's time."""
    del params
    return [{"ts": str(face.now_ms())}]


def status(face: Face, params: Params) -> list[Row]:
    """Tell planned maintenance, of which there is none: what is not planned is answered with 50001."""
    del face, params
    return []


def index_components(face: Face, params: Params) -> list[Row]:
    """Tell what an index is made of: the simulated market's own price."""
    index = params.required("index")
    price = str(face.exchange.index_price(face.instrument(index).inst_id))
    component = {"exch": "OKX", "symbol": index.replace("-", "/"), "symPx": price, "wgt": "1", "cnvPx": price}
    return [{"components": [component], "last": price, "index": index, "ts": str(face.now_ms())}]


PUBLIC: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "/api/v5/public/instruments"): Endpoint(instruments, private=False),
    ("GET", "/api/v5/public/funding-rate"): Endpoint(funding_rate, private=False, count=10),
    ("GET", "/api/v5/public/funding-rate-history"): Endpoint(funding_history, private=False, count=10),
    ("GET", "/api/v5/public/mark-price"): Endpoint(mark_price, private=False, count=10),
    ("GET", "/api/v5/public/price-limit"): Endpoint(price_limit, private=False),
    ("GET", "/api/v5/public/open-interest"): Endpoint(open_interest, private=False),
    ("GET", "/api/v5/public/position-tiers"): Endpoint(position_tiers, private=False, count=10),
    ("GET", "/api/v5/public/underlying"): Endpoint(underlying, private=False),
    ("GET", "/api/v5/public/time"): Endpoint(time, private=False, count=10),
    ("GET", "/api/v5/system/status"): Endpoint(status, private=False, count=1, seconds=5.0),
    ("GET", "/api/v5/market/index-components"): Endpoint(index_components, private=False),
    ("GET", "/api/v5/account/instruments"): Endpoint(instruments, private=True),
}
