"""What the simulated exchange's core costs by itself: the share of one core that its clock, books and orders take."""

from __future__ import annotations

import time
from decimal import Decimal

from exchanges.simulator.core.exchange import Exchange
from exchanges.simulator.core.universe import COINS, universe
from exchanges.simulator.core.values import OrderRequest, OrderType, Side
from exchanges.simulator.prices.generator import GeneratedPrices, Path
from tests.benchmarks.result import Result

SECONDS = 20
UPDATES = 20


def _exchange() -> Exchange:
    paths = [Path(f"{coin.name}-USDT", coin.price, coin.sector, 1.0, coin.turnover * 1e6) for coin in COINS]
    cash = {"USDT": Decimal(10_000_000)}
    return Exchange(universe(), GeneratedPrices(paths, seed=7), {"bench": cash}, seed=7, now_ms=1_790_000_000_000)


def _advance(exchange: Exchange, look: bool) -> float:
    names = list(exchange.instruments)
    start = time.process_time()
    for _ in range(SECONDS * UPDATES):
        exchange.advance(exchange.now_ms + 1_000 // UPDATES)
        if look:
            for name in names:
                exchange.quote(name)
        exchange.drain()
    return (time.process_time() - start) / SECONDS


def run() -> list[Result]:
    """Measure start, clock, orders and books."""
    begun = time.process_time()
    exchange = _exchange()
    made = time.process_time() - begun
    count = len(exchange.instruments)
    bare = _advance(exchange, look=False)
    orders = [
        OrderRequest(name, Side.BUY, OrderType.LIMIT, rules.min_size * 20, exchange.price_limits(name)[1])
        for name, rules in exchange.instruments.items()
    ]
    for order in orders:
        exchange.place("bench", order)
    looked = _advance(exchange, look=True)
    start = time.process_time()
    rounds = 1_000
    for _ in range(rounds):
        placed = exchange.place("bench", orders[0])
        exchange.cancel("bench", orders[0].inst_id, order_id=placed.order_id)
    pair = (time.process_time() - start) / rounds
    start = time.process_time()
    for _ in range(SECONDS * 50):
        exchange.book("BTC-USDT", 400)
        exchange.market.synthetic.step(exchange.market.mid, exchange.market.mark_ticks > 0, 1.0)
    book = (time.process_time() - start) / SECONDS / 50
    return [
        Result(f"start with {count} instruments and their history", made, "s", "", None),
        Result(
            f"{count} instruments x {UPDATES}/s: books, tape, candles", bare * 100, "% of a core", "< 40", bare < 0.4
        ),
        Result("the same, an order in each book, all quotes read", looked * 100, "% of a core", "< 40", looked < 0.4),
        Result("a limit order placed and canceled", pair * 1e6, "us", "", None),
        Result("a book of 400 levels a side, built anew", book * 1e6, "us", "", None),
    ]


if __name__ == "__main__":
    for result in run():
        print(f"{result.name:60} {result.value:10.2f} {result.unit}")
