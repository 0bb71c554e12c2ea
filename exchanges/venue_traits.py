"""What ccxt does not tell of a venue, in one table: batches, look-ups, deadlines, limits and paging.

A venue that is not listed gets the cautious defaults: one order at a time, look-up by scanning lists, no
deadline, ccxt's own rate limiter, pages by time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Traits:
    """Facts about a venue.

    Attributes:
        batch: how many orders one request may carry.
        finds_client_id: whether one order can be asked for by our id, for as long as the venue keeps it.
        deadline: how a request can be told to expire: by the `expTime` header, or by the signed window of
        time. signed_window: seconds after which the venue refuses a signed request, whatever else it says.
        limits_per_endpoint: requests of ccxt's unit cost that each endpoint takes per `window` seconds, where
        the
            venue counts each endpoint alone; None leaves ccxt's limiter in charge.
        kinds: market kinds that lists must be asked for one by one.
        page: rows of a full page of a list that is paged by row id.
        trade_cursor: the field of a trade by which its list is paged, None for paging by time.
        order_cursor: the field of an order by which its list is paged, None for paging by time.
        needs_symbol: whether lists of orders and trades exist per market only.
        private_stream: what the address of the account's stream contains; empty if all streams share one.
        account_pulse: seconds within which the account's stream says something although nothing happens.
        options: ccxt options that the edge relies on.
    """

    batch: int = 1
    finds_client_id: bool = False
    deadline: Literal["header", "window"] | None = None
    signed_window: float = 60.0
    limits_per_endpoint: float | None = None
    window: float = 2.0
    kinds: tuple[str, ...] = ()
    page: int = 100
    trade_cursor: str | None = None
    order_cursor: str | None = None
    needs_symbol: bool = False
    private_stream: str = ""
    account_pulse: float | None = None
    options: Mapping[str, object] = field(default_factory=dict)


TRAITS: Mapping[str, Traits] = {
    "okx": Traits(
        batch=20,
        finds_client_id=True,
        deadline="header",
        signed_window=30.0,
        limits_per_endpoint=20.0,
        kinds=("spot", "swap"),
        trade_cursor="billId",
        order_cursor="ordId",
        private_stream="/private",
        account_pulse=5.0,
        options={"fetchMarkets": {"types": ["spot", "swap"]}},
    ),
    "binance": Traits(finds_client_id=True, deadline="window", signed_window=5.0, needs_symbol=True),
    "binanceusdm": Traits(batch=5, finds_client_id=True, deadline="window", signed_window=5.0, needs_symbol=True),
    "bybit": Traits(batch=10, signed_window=5.0),
    "bitget": Traits(batch=50, finds_client_id=True),
    "gate": Traits(finds_client_id=True),
    "krakenfutures": Traits(batch=100),
}


def traits_of(exchange_id: str) -> Traits:
    """Return what is known of a venue, or the cautious defaults."""
    return TRAITS.get(exchange_id, Traits())
