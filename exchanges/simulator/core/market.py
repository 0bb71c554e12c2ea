"""The market of all instruments: mids, marks, books, tape and candles, moved step by step.

Arrays have shape (instruments,) in the order of the listing.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from exchanges.simulator.core.bars import CLOSE, OPEN, Bars, stack
from exchanges.simulator.core.instruments import InstrumentState
from exchanges.simulator.core.perpetuals import Premiums
from exchanges.simulator.core.refusals import Refusal, Refused
from exchanges.simulator.core.resting import RestingBook
from exchanges.simulator.core.synthetic import SIDES, SyntheticBooks
from exchanges.simulator.core.tape import Tape
from exchanges.simulator.core.values import Book, Level, Quote, Side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from exchanges.simulator.core.accounts import Working
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.journal import Journal
    from exchanges.simulator.core.settings import Settings
    from exchanges.simulator.core.synthetic import Floats, Ints
    from exchanges.simulator.prices.source import PriceSource, Step

SIDE_INDEX = {Side.BUY: 0, Side.SELL: 1}


class Market:
    """Everything public.

    Args:
        instruments: What is listed; each needs a series named like it or like its underlying.
        prices: Where the mids come from.
        journal: The clock.
        settings: The rules.
        seed: Of books, premiums and tape.

    Raises:
        ValueError: If an instrument has no series.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        prices: PriceSource,
        journal: Journal,
        settings: Settings,
        seed: int,
    ) -> None:
        self._prices = prices
        self._journal = journal
        self._settings = settings
        self._start_ms = self._stepped_ms = journal.now_ms
        self.instruments = {each.inst_id: each for each in instruments}
        self.rules = list(self.instruments.values())
        self.places = {inst_id: place for place, inst_id in enumerate(self.instruments)}
        count = len(self.rules)
        series = {name: place for place, name in enumerate(prices.series)}
        missing = [each.inst_id for each in self.rules if not {each.inst_id, each.underlying} & set(series)]
        if missing:
            raise ValueError(f"no price series for {', '.join(missing)}")
        self._own = np.array([series.get(each.inst_id, series.get(each.underlying, 0)) for each in self.rules])
        self._index = np.array(
            [series.get(each.underlying, own) for each, own in zip(self.rules, self._own, strict=True)]
        )
        self._follows = np.array([not each.is_spot and each.inst_id not in series for each in self.rules])
        self._derivative = np.array([not each.is_spot for each in self.rules])
        self._trading = np.array([each.state is InstrumentState.LIVE for each in self.rules])
        self._ended = np.zeros(count, dtype=bool)
        self._begun = np.zeros(count, dtype=bool)
        children = np.random.SeedSequence(seed).generate_state(3, np.uint64)
        liquidity = [settings.books.get(each.inst_id, settings.liquidity) for each in self.rules]
        self.synthetic = SyntheticBooks(self.rules, liquidity, int(children[0]))
        self.premiums = Premiums(count, settings.funding, int(children[1]))
        self._random = np.random.Generator(np.random.PCG64(int(children[2])))
        self._trade_rate = np.array([each.trades_per_second / 1e3 for each in liquidity])
        self._owed = np.zeros(count)
        self.books = [RestingBook() for _ in range(count)]
        self.tape = Tape(count, journal.first_trade_id)
        self.bars = Bars(count, journal.now_ms)
        self.sequences = np.zeros(count, dtype=np.int64)
        self.mid: Floats = np.full(count, np.nan)
        self.index: Floats = np.full(count, np.nan)
        self.mark_ticks: Ints = np.zeros(count, dtype=np.int64)
        self._tick = np.array([float(each.tick_size) for each in self.rules])
        self._lot_base = np.array([float(each.lot_size * each.contract_value) for each in self.rules])
        self.bars.seed(self._history)
        self._waiting = np.zeros(count, dtype=bool)
        self._take(prices.step(self._market_ms()), 0.0)
        self._waiting = self._trading & ~self._begun
        for place in np.flatnonzero(self._waiting).tolist():
            self.set_state(self.rules[place].inst_id, InstrumentState.PREOPEN)

    # ---- time -------------------------------------------------------------------------------------------------------

    def step(self) -> list[tuple[int, Side, int]]:
        """Follow the clock and return the synthetic trades that come due, as (place, taker's side, lots)."""
        elapsed = float(self._journal.now_ms - self._stepped_ms)
        self._stepped_ms = self._journal.now_ms
        market = elapsed * self._settings.speed
        self.premiums.move(market)
        step = self._prices.step(self._market_ms())
        self._take(step, elapsed)
        return self._prints(step, elapsed)

    def due_states(self) -> list[tuple[str, InstrumentState]]:
        """Return the instruments whose series has begun or ended, with the state that they should have now."""
        begun = self._waiting & self._begun
        ended = self._ended & self._trading
        if not (begun.any() or ended.any()):
            return []
        self._waiting &= ~begun
        due = [(begun, InstrumentState.LIVE), (ended, InstrumentState.EXPIRED)]
        return [(self.rules[place].inst_id, state) for mask, state in due for place in np.flatnonzero(mask).tolist()]

    def _market_ms(self) -> float:
        return self._prices.start_ms + (self._journal.now_ms - self._start_ms) * self._settings.speed

    def _take(self, step: Step, elapsed_ms: float) -> None:
        index = step.mid[self._index]
        mid = np.where(self._follows, index * (1 + self.premiums.premium), step.mid[self._own])
        alive = step.alive[self._own]
        self._ended |= self._begun & ~alive
        self._begun |= alive
        known = alive & np.isfinite(mid)
        self.mid = np.where(known, mid, self.mid)
        self.index = np.where(np.isfinite(index), index, self.mid)
        live = self._rebook(step, elapsed_ms)
        self.sequences += live
        with np.errstate(invalid="ignore"):
            premium = np.nan_to_num(self.mid / self.index - 1)
        self.premiums.observe(premium, elapsed_ms * self._settings.speed)
        smoothed = self.index * (1 + self.premiums.smoothed)
        mark = np.where(self._derivative, smoothed, self.mid)
        moves = np.isfinite(mark) & live
        self.mark_ticks[moves] = np.maximum(np.rint(mark[moves] / self._tick[moves]), 1).astype(np.int64)
        self.bars.roll(self._journal.now_ms)
        self.bars.see(np.where(live, np.rint(self.mid / self._tick) * self._tick, np.nan))

    def _rebook(self, step: Step, elapsed_ms: float) -> NDArray[np.bool_]:
        """Make all synthetic books anew and return which are live."""
        self._last = step
        live = self._trading & self._begun & ~self._ended & np.isfinite(self.mid)
        self.synthetic.step(self.mid, live, elapsed_ms)
        if step.bid is not None and step.ask is not None:
            self._overrule(step)
        return live

    def _overrule(self, step: Step) -> None:
        sides = ((step.bid, step.bid_size), (step.ask, step.ask_size))
        for side, (price, size) in enumerate(sides):
            if price is None:
                continue
            own = np.where(self._follows, np.nan, price[self._own])
            sizes = np.full_like(own, np.nan) if size is None else size[self._own]
            self.synthetic.quote(side, own, sizes)
        self.synthetic.uncross()

    def _prints(self, step: Step, elapsed_ms: float) -> list[tuple[int, Side, int]]:
        """Draw how many trades each instrument has; together they are to carry the source's volume."""
        live = self.synthetic.top[0] > 0
        rate = np.nan_to_num(step.volume_rate[self._own])
        self._owed += rate / self._lot_base * elapsed_ms / 1e3 * self._settings.speed
        counts = self._random.poisson(self._trade_rate * elapsed_ms)
        due: list[tuple[int, Side, int]] = []
        for place in np.flatnonzero(live & (counts > 0)).tolist():
            number = int(counts[place])
            total = max(int(self._owed[place]), number)
            self._owed[place] -= total
            shares = self._random.multinomial(total - number, self._random.dirichlet(np.ones(number))) + 1
            sides = self._random.integers(0, 2, number)
            due += [(place, SIDES[side], lots) for side, lots in zip(sides.tolist(), shares.tolist(), strict=True)]
        return due

    def _history(self, end_ms: int, bar_ms: int, bars: int) -> Floats:
        speed = self._settings.speed
        end = self._prices.start_ms + (end_ms - self._start_ms) * speed
        data: Floats = stack(self._prices.history(end, bar_ms * speed, bars))[self._own].copy()
        data[:, CLOSE + 1 :] /= self._lot_base[:, None, None]
        data[:, OPEN : CLOSE + 1] = (
            np.rint(data[:, OPEN : CLOSE + 1] / self._tick[:, None, None]) * self._tick[:, None, None]
        )
        return data

    # ---- listing ----------------------------------------------------------------------------------------------------

    def place(self, inst_id: str) -> int:
        """Return an instrument's place in the arrays."""
        try:
            return self.places[inst_id]
        except KeyError:
            raise Refused(Refusal.NO_INSTRUMENT, inst_id) from None

    def set_rules(self, instrument: Instrument) -> None:
        """Replace the rules of a listed instrument."""
        place = self.place(instrument.inst_id)
        old = self.rules[place]
        self.instruments[instrument.inst_id] = self.rules[place] = instrument
        self._trading[place] = instrument.state is InstrumentState.LIVE
        if old.tick_size != instrument.tick_size or old.lot_size != instrument.lot_size:
            self._tick[place] = float(instrument.tick_size)
            lot_base = float(instrument.lot_size * instrument.contract_value)
            self.bars.rescale(place, self._lot_base[place] / lot_base)
            self._lot_base[place] = lot_base
            self.tape.clear(place)
            self.mark_ticks[place] = max(round(float(old.price(int(self.mark_ticks[place]))) / self._tick[place]), 1)
        self.synthetic.set_rules(place, instrument)
        self._rebook(self._last, 0.0)
        self.touch(place)

    def set_state(self, inst_id: str, state: InstrumentState) -> Instrument:
        """Change whether an instrument trades."""
        instrument = replace(self.rules[self.place(inst_id)], state=state)
        self.set_rules(instrument)
        return instrument

    # ---- books ------------------------------------------------------------------------------------------------------

    def touch(self, place: int) -> None:
        """Note that a book changed."""
        self.sequences[place] += 1

    def ladder(self, place: int, side: Side) -> tuple[Ints, Ints]:
        """Return the synthetic (ticks, lots) of a side, best first."""
        return self.synthetic.ladder(place, SIDE_INDEX[side])

    def best_synthetic(self, place: int, side: Side) -> tuple[int, int]:
        """Return (ticks, lots) of the best synthetic level, (0, 0) on an empty side."""
        index = SIDE_INDEX[side]
        if not self.synthetic.taken[index, place]:
            return int(self.synthetic.best[index, place]), int(self.synthetic.top[index, place])
        ticks, lots = self.synthetic.ladder(place, index)
        return (int(ticks[0]), int(lots[0])) if len(ticks) else (0, 0)

    def synthetic_at(self, place: int, side: Side, ticks: int) -> int:
        """Return the synthetic lots at one price."""
        prices, lots = self.ladder(place, side)
        return int(lots[prices == ticks].sum())

    def synthetic_through(self, place: int, side: Side, ticks: int) -> int:
        """Return the synthetic lots of a side at a price or better."""
        best, depth = self.best_synthetic(place, side)
        if not depth or side.sign * (ticks - best) > 0:
            return 0
        prices, lots = self.ladder(place, side)
        return int(lots[side.sign * (ticks - prices) <= 0].sum())

    def consume(self, place: int, side: Side, ticks: int, lots: int) -> None:
        """Take synthetic lots from the front of a side; clients' orders at that price move up."""
        self.synthetic.consume(place, SIDE_INDEX[side], lots)
        for working in self.books[place][side].queue(ticks):
            working.ahead = max(working.ahead - lots, 0)
        self.touch(place)

    def best(self, place: int, side: Side) -> tuple[int, int]:
        """Return (ticks, lots) of the best price, clients' orders included."""
        ticks, lots = self.best_synthetic(place, side)
        resting = self.books[place][side].best()
        if resting is None:
            return ticks, lots
        own = sum(each.remaining for each in self.books[place][side].queue(resting))
        if not lots or side.sign * (resting - ticks) > 0:
            return resting, own
        return ticks, lots + own if resting == ticks else lots

    def quote(self, place: int) -> Quote:
        """Return best bid and offer."""
        bid, bid_lots = self.best(place, Side.BUY)
        ask, ask_lots = self.best(place, Side.SELL)
        sequence = int(self.sequences[place])
        return Quote(bid, bid_lots, ask, ask_lots, sequence, self._journal.now_ms)

    def book(self, place: int, depth: int) -> Book:
        """Return up to `depth` levels of each side."""
        bids, asks = (self._levels(place, side, depth) for side in SIDES)
        return Book(bids, asks, int(self.sequences[place]), self._journal.now_ms)

    def _levels(self, place: int, side: Side, depth: int) -> list[Level]:
        ticks, lots = (each[:depth] for each in self.ladder(place, side))
        orders = 1 + lots % 7
        rows = zip(ticks.tolist(), lots.tolist(), orders.tolist(), strict=True)
        resting = self.books[place][side]
        if not resting:
            return list(map(Level._make, rows))
        levels = {price: (size, number) for price, size, number in rows}
        for price, queue in resting.levels():
            size, number = levels.get(price, (0, 0))
            levels[price] = (size + sum(each.remaining for each in queue), number + len(queue))
        best_first = sorted(levels, reverse=side is Side.BUY)[:depth]
        return [Level(price, *levels[price]) for price in best_first]

    def rest(self, working: Working) -> None:
        """Put an order into the book, behind the synthetic lots at its price."""
        working.ahead = self.synthetic_at(working.place, working.side, working.ticks)
        self.books[working.place][working.side].add(working)
        self.touch(working.place)

    def withdraw(self, working: Working) -> None:
        """Take an order out of the book."""
        self.books[working.place][working.side].remove(working)
        self.touch(working.place)

    # ---- prices -----------------------------------------------------------------------------------------------------

    def mark(self, inst_id: str) -> int:
        """Return the mark price in ticks."""
        return int(self.mark_ticks[self.places[inst_id]])

    def mark_price(self, inst_id: str) -> Decimal:
        """Return the mark price."""
        return self.instruments[inst_id].price(self.mark(inst_id))

    def index_price(self, inst_id: str) -> Decimal:
        """Return the price of the underlying, rounded to the instrument's tick."""
        place = self.places[inst_id]
        index = self.index[place]
        return self.rules[place].price(round(index / self._tick[place])) if np.isfinite(index) else Decimal(0)

    def band(self, place: int, band: Decimal) -> tuple[int, int]:
        """Return (highest price of a buy, lowest of a sell) in ticks."""
        mark = int(self.mark_ticks[place])
        return int(mark * (1 + band)), max(-int(-mark * (1 - band) // 1), 1)

    def print_trade(self, place: int, ticks: int, lots: int, side: Side) -> int:
        """Put a trade on the tape and into the candles, and return its id; `side` is the taker's."""
        self.bars.trade(place, ticks * self._tick[place], lots)
        return self.tape.add(place, ticks, lots, side, self._journal.now_ms)
