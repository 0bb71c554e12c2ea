"""The border between the service and `risk.limits`: configuration, book and orders in the gate's own numbers.

`decide` asks the gate about its target and its legs, and `execute` asks it again about each order just before
it is sent, with the prices of that moment; both come through here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.port import Side
from risk.limits import AccountState, Denial, Holding, Limits, MarketState, Order, check_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from daemon.book import Book
    from daemon.config import Settings
    from daemon.snapshot import Account, Instrument
    from exchanges.port import Quote
    from risk.limits import Window

BPS = 1e-4


def limits_of(settings: Settings) -> Limits:
    """Return the operator's limits in the gate's form."""
    own = settings.limits
    hedge = (settings.hedge.instrument,) if settings.hedge.enabled and settings.hedge.instrument else ()
    return Limits(
        symbols=frozenset(own.allowed_symbols or (*settings.portfolio.assets, *hedge)),
        quote_age=own.stale_after,
        price_band_mid=own.price_band_bps * BPS,
        price_band_last=own.last_price_band_bps * BPS,
        order_notional=float(own.max_order_notional),
        book_depth=own.max_depth_share,
        position_weight=own.max_position_weight,
        gross_leverage=own.max_gross,
        net_leverage=own.max_net,
        cycle_turnover=own.max_turnover_cycle,
        day_turnover=own.max_turnover_day,
        orders_per_minute=own.max_orders_minute,
        orders_per_day=own.max_orders_day,
        open_orders=own.max_open_orders,
        reserve=own.fee_reserve_bps * BPS,
        value_at_risk=own.max_value_at_risk,
        expected_shortfall=own.max_expected_shortfall,
        daily_loss=own.max_daily_loss,
        drawdown=own.max_drawdown,
    )


def market_state(instrument: Instrument, quote: Quote, age: float, leverage: Decimal, side: Side | None) -> MarketState:
    """Return a market as the gate sees it.

    Args:
        instrument: its rules, fees and last price.
        quote: best bid and offer now.
        age: of the quote, in seconds.
        leverage: of derivatives.
        side: of the order that is asked about, which tells the depth; None takes the thinner side.
    """
    market = instrument.market
    depths = {Side.BUY: quote.ask * quote.ask_size, Side.SELL: quote.bid * quote.bid_size}
    middle = float(quote.mid)
    return MarketState(
        mid=middle,
        last=middle if instrument.last is None else instrument.last,
        quote_age=age,
        depth=float(min(depths.values()) if side is None else depths[side]),
        lot_size=float(market.lot_size),
        min_quantity=float(market.min_amount),
        min_notional=float(market.min_notional),
        margin=1.0 if market.is_spot else float(1 / leverage),
        fee=float(max(instrument.taker_fee, instrument.maker_fee)),
        spot=market.is_spot,
    )


def account_state(
    now: float,
    book: Book,
    account: Account,
    instruments: Iterable[Instrument],
    markets: Mapping[str, MarketState],
    windows: tuple[Window, Window],
) -> AccountState:
    """Return the account as the gate sees it, with nothing in flight.

    Args:
        now: epoch seconds.
        book: what it is worth.
        account: its cash, and equity's history.
        instruments: what is held.
        markets: by symbol.
        windows: orders sent in the last minute and the last day.
    """
    equity = float(book.equity)
    start, peak = account.day_start_equity, account.peak_equity
    return AccountState(
        now=now,
        equity=equity,
        day_start_equity=equity if start is None else float(start),
        peak_equity=equity if peak is None else max(equity, float(peak)),
        free_quote=float(account.free_cash),
        holdings={held.symbol: Holding(float(held.quantity)) for held in instruments if held.quantity},
        markets=markets,
        minute=windows[0],
        day=windows[1],
    )


def ask(
    symbol: str, side: Side, quantity: Decimal, price: Decimal, state: AccountState, limits: Limits
) -> tuple[tuple[Denial, ...], AccountState]:
    """Ask about one order; return its denials, and the state with the order counted where it passed."""
    order = Order(symbol, float(side.sign * quantity), float(price))
    denials = check_order(order, state, limits)
    return denials, state if denials else state.count_sent(order, state.now)
