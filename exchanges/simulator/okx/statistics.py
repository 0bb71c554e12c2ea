"""Trading statistics: open interest over time, valued at each bar's close.

The simulated market's open interest does not vary with time; its worth and the volume beside it do.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.okx.bars import BARS, bar_ms
from exchanges.simulator.okx.endpoints import Endpoint
from exchanges.simulator.okx.errors import OkxError
from exchanges.simulator.okx.text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchanges.simulator.core.values import Candle
    from exchanges.simulator.okx.face import Face
    from exchanges.simulator.okx.params import Params

MOST = 100


def _bars(face: Face, params: Params, inst_id: str) -> list[Candle]:
    period = params.text("period", "5m").removesuffix("utc")
    name = period if period in BARS else f"{period}utc"
    begin, end = params.integer("begin"), params.integer("end")
    after = None if begin is None else begin - 1
    before = None if end is None else end + 1
    return face.exchange.candles(
        inst_id, bar_ms(name), before_ms=before, after_ms=after, limit=params.limit(MOST, MOST)
    )


def open_interest_history(face: Face, params: Params) -> list[list[str]]:
    """Tell [time, contracts, coins, USD] per period, newest first."""
    instrument = face.instrument(params.required("instId"))
    if instrument.is_spot:
        raise OkxError("51000", "instId")
    contracts = face.exchange.open_interest(instrument.inst_id)
    coins = contracts * instrument.contract_value
    return [
        [str(bar.start_ms), plain(contracts), plain(coins), plain(coins * bar.close)]
        for bar in _bars(face, params, instrument.inst_id)
    ]


def open_interest_and_volume(face: Face, params: Params) -> list[list[str]]:
    """Tell [time, open interest in USD, volume in USD] of a coin's swaps per period, newest first."""
    coin = params.text("ccy", "BTC")
    swaps = [i for i in face.exchange.instruments.values() if i.kind is InstrumentKind.SWAP and i.base == coin]
    if not swaps:
        raise OkxError("51000", "ccy")
    sums: dict[int, tuple[Decimal, Decimal]] = {}
    for swap in swaps:
        coins = face.exchange.open_interest(swap.inst_id) * swap.contract_value
        for bar in _bars(face, params, swap.inst_id):
            interest, volume = sums.get(bar.start_ms, (Decimal(0), Decimal(0)))
            sums[bar.start_ms] = interest + coins * bar.close, volume + bar.quote_volume
    return [[str(t), plain(interest), plain(volume)] for t, (interest, volume) in sorted(sums.items())[::-1]]


STATISTICS: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "/api/v5/rubik/stat/contracts/open-interest-history"): Endpoint(
        open_interest_history, private=False, count=10
    ),
    ("GET", "/api/v5/rubik/stat/contracts/open-interest-volume"): Endpoint(
        open_interest_and_volume, private=False, count=5
    ),
}
