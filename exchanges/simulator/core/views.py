"""What clients read off the market: tickers and candles in `Decimal`, and the largest order that would be accepted."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.bars import CLOSE, HIGH, LOW, OPEN, VALUE, VOLUME
from exchanges.simulator.core.money import quotient
from exchanges.simulator.core.refusals import Refusal, Refused
from exchanges.simulator.core.values import ZERO, Candle, Side, Ticker

if TYPE_CHECKING:
    from exchanges.simulator.core.accounts import Account
    from exchanges.simulator.core.bars import Floats
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.journal import Journal
    from exchanges.simulator.core.margin import Margins
    from exchanges.simulator.core.market import Market
    from exchanges.simulator.core.settings import Settings

CASH_COIN = "USDT"


class Views:
    """Read-only faces of the market and of what accounts may do in it."""

    def __init__(self, market: Market, margins: Margins, journal: Journal, settings: Settings) -> None:
        self._market = market
        self._margins = margins
        self._journal = journal
        self._settings = settings

    def last_price(self, place: int) -> Decimal:
        """Return the price of the last trade; the mark before the first."""
        last = self._market.tape.last(place)
        return self._market.rules[place].price(last.ticks if last else int(self._market.mark_ticks[place]))

    def usdt_price(self, coin: str) -> Decimal:
        """Return what a coin is worth in USDT: the mark of its spot market, 0 where it has none."""
        if coin == CASH_COIN:
            return Decimal(1)
        inst_id = f"{coin}-{CASH_COIN}"
        return self._market.mark_price(inst_id) if inst_id in self._market.instruments else ZERO

    def ticker(self, place: int) -> Ticker:
        """Return the last trade, best bid and offer and the last 24 hours."""
        market, rules = self._market, self._market.rules[place]
        quote = market.quote(place)
        last = market.tape.last(place)
        price = self.last_price(place)
        day = market.bars.day(place)
        volume = rules.size(round(day.volume)) if day else ZERO
        return Ticker(
            inst_id=rules.inst_id,
            last=price,
            last_size=rules.size(last.lots if last else 0),
            bid=rules.price(quote.bid_ticks),
            bid_size=rules.size(quote.bid_lots),
            ask=rules.price(quote.ask_ticks),
            ask_size=rules.size(quote.ask_lots),
            open_24h=_price(rules, day.open) if day else price,
            high_24h=max(_price(rules, day.high), price) if day else price,
            low_24h=min(_price(rules, day.low), price) if day else price,
            volume_24h=volume,
            base_volume_24h=volume * rules.contract_value,
            quote_volume_24h=_value(rules, day.value) if day else ZERO,
            open_utc=_price(rules, day.open_utc) if day else price,
            time_ms=self._journal.now_ms,
        )

    def candles(self, place: int, bar_ms: int, before_ms: int | None, after_ms: int | None, limit: int) -> list[Candle]:
        """Return bars newest first; see `Exchange.candles`."""
        now = self._journal.now_ms
        back = 0 if before_ms is None else max((now - before_ms) // max(bar_ms, 1), 0)
        try:
            rows = self._market.bars.rows(place, bar_ms, limit + back + 1)
        except ValueError as error:
            raise Refused(Refusal.BAD_BAR, str(error)) from None
        rules = self._market.rules[place]
        chosen = [
            number
            for number, start in enumerate(rows.start_ms.tolist())
            if (before_ms is None or start < before_ms) and (after_ms is None or start > after_ms)
        ]
        newest = chosen[: -limit - 1 : -1]
        return [_candle(rules, int(rows.start_ms[n]), rows.data[:, n], bar_ms, now) for n in newest]

    def max_size(self, account: Account, place: int, side: Side, price: Decimal | None) -> Decimal:
        """Return the largest order that the available balance or margin covers, in whole lots.

        Fees and the walk through the book are left out for derivatives; a market order is valued at the price limit.
        """
        rules = self._market.rules[place]
        highest, lowest = self._market.band(place, self._settings.band)
        ticks = highest if side is Side.BUY else lowest
        if price is not None:
            ticks = max(int(price // rules.tick_size), 1)
        if rules.is_spot:
            coin = rules.quote if side is Side.BUY else rules.base
            available = self._margins.available(account, coin)
            lot = rules.value(ticks, 1) if side is Side.BUY else rules.lot_size
            return rules.size(int(available // lot)) if lot else ZERO
        available = self._margins.available(account, rules.settle)
        mark = self._market.mark(rules.inst_id)
        per_lot = rules.value(max(ticks if price is not None else mark, mark), 1)
        leverage = self._margins.leverage(account, rules.inst_id)
        reducible = account.reducible(rules.inst_id, side)
        return rules.size(int(available * leverage // per_lot) + 2 * reducible) if per_lot else ZERO


def _price(rules: Instrument, price: float) -> Decimal:
    return rules.price(round(float(price) / float(rules.tick_size)))


def _value(rules: Instrument, value: float) -> Decimal:
    """Return lots x price as quote coin."""
    return quotient(Decimal(float(value)) * rules.lot_size * rules.contract_value, Decimal(1))


def _candle(rules: Instrument, start_ms: int, data: Floats, bar_ms: int, now_ms: int) -> Candle:
    volume = rules.size(round(float(data[VOLUME])))
    return Candle(
        start_ms=start_ms,
        open=_price(rules, data[OPEN]),
        high=_price(rules, data[HIGH]),
        low=_price(rules, data[LOW]),
        close=_price(rules, data[CLOSE]),
        volume=volume,
        base_volume=volume * rules.contract_value,
        quote_volume=_value(rules, data[VALUE]),
        closed=start_ms + bar_ms <= now_ms,
    )
