"""A simulated exchange whose prices a test sets by hand: flat books of equal levels, no tape unless asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.exchange import Exchange
from exchanges.simulator.core.settings import FundingModel, Liquidity, Settings
from exchanges.simulator.core.universe import spot, swap
from exchanges.simulator.core.values import OrderRequest, OrderType, Side
from exchanges.simulator.prices.mirror import MirrorSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchanges.simulator.core.values import Order

START_MS = 1_790_000_000_000
SPOT = "BTC-USDT"
SWAP = "BTC-USDT-SWAP"
SETTINGS = Settings(
    default_leverage=Decimal(10),
    liquidity=Liquidity(
        levels=5, spacing_bps=10, top_notional=50_000, growth=0, noise=0, recovery_ms=1_000, trades_per_second=0
    ),
    funding=FundingModel(premium_deviation_bps=0),
)


@dataclass
class Desk:
    """BTC spot and swap: bids at 49,995, 49,950, 49,900, ... and asks at 50,005, 50,050, 50,100, ..., 1 BTC each."""

    exchange: Exchange
    prices: MirrorSource

    def order(
        self,
        side: Side,
        size: str,
        price: str | None = None,
        order_type: OrderType | None = None,
        inst_id: str = SPOT,
        account: str = "ann",
        **more: object,
    ) -> Order:
        kind = order_type or (OrderType.MARKET if price is None else OrderType.LIMIT)
        request = OrderRequest(inst_id, side, kind, Decimal(size), None if price is None else Decimal(price))
        return self.exchange.place(account, replace(request, **more))  # type: ignore[arg-type]

    def buy(self, size: str, price: str | None = None, order_type: OrderType | None = None, **more: object) -> Order:
        return self.order(Side.BUY, size, price, order_type, **more)  # type: ignore[arg-type]

    def sell(self, size: str, price: str | None = None, order_type: OrderType | None = None, **more: object) -> Order:
        return self.order(Side.SELL, size, price, order_type, **more)  # type: ignore[arg-type]

    def move(self, bid: float, ask: float, elapsed_ms: int = 100) -> None:
        now = self.exchange.now_ms + elapsed_ms
        assert self.prices.push(SPOT, bid, 1.0, ask, 1.0, now)
        self.exchange.advance(now)

    def state(self, order: Order, account: str = "ann") -> Order:
        return self.exchange.order(account, order.inst_id, order_id=order.order_id)

    def cash(self, coin: str, account: str = "ann") -> Decimal:
        return self.exchange.balances(account)[coin].cash


def desk(cash: Mapping[str, Mapping[str, str]] | None = None, settings: Settings = SETTINGS) -> Desk:
    prices = MirrorSource([SPOT])
    prices.push(SPOT, 49_995, 1.0, 50_005, 1.0, START_MS)
    chosen = cash or {name: {"USDT": "1000000", "BTC": "10"} for name in ("ann", "bob")}
    accounts = {name: {coin: Decimal(amount) for coin, amount in coins.items()} for name, coins in chosen.items()}
    instruments = [spot("BTC", 50_000), swap("BTC", 50_000)]
    exchange = Exchange(instruments, prices, accounts, seed=1, now_ms=START_MS, settings=settings)
    exchange.drain()
    return Desk(exchange, prices)
