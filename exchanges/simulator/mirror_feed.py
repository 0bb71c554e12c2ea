"""A live venue's top of book, taken over ccxt and pushed into the simulated exchange: paper trading on real prices.

The quotes are read from ccxt's cache, not from what its watch call returns: one wake-up may stand for many updates.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ccxt
import ccxt.pro
import numpy as np

from exchanges.simulator.core.instruments import Instrument, InstrumentKind
from exchanges.simulator.core.universe import FIRST_CODE, LIST_MS, QUOTE
from exchanges.simulator.prices.mirror import MirrorSource
from exchanges.simulator.prices.source import History

if TYPE_CHECKING:
    from collections.abc import Sequence

HISTORY_BARS = {60_000: "1m", 3_600_000: "1h"}
HISTORY_LENGTH = 300
PAUSE = 1.0
"""Seconds to wait after a network error; ccxt dials again on the next call."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """An instrument and its market at the other venue; `size` is base coin per unit of the venue's amounts."""

    instrument: Instrument
    symbol: str
    size: float


def _client(exchange_id: str, url: str) -> Any:
    if exchange_id not in ccxt.pro.exchanges:
        raise ValueError(f"--mirror {exchange_id!r}: ccxt has no streams for it")
    config: dict[str, Any] = {"enableRateLimit": not url}
    if url:
        if exchange_id != "okx":
            raise ValueError("--mirror-url: only for an exchange that speaks OKX's API")
        root = url.rstrip("/")
        config["urls"] = {"api": {"rest": root, "ws": root.replace("http", "ws", 1) + "/ws/v5"}}
    return getattr(ccxt.pro, exchange_id)(config)


def _mirrored(market: dict[str, Any], number: int) -> Mirrored:
    """Return the instrument with the other venue's own rules."""
    base, spot = str(market["base"]), bool(market["spot"])
    contract = Decimal(1) if spot else Decimal(str(market["contractSize"]))
    lot = Decimal(str(market["precision"]["amount"]))
    least = market["limits"]["amount"]["min"]
    instrument = Instrument(
        inst_id=f"{base}-{QUOTE}" if spot else f"{base}-{QUOTE}-SWAP",
        kind=InstrumentKind.SPOT if spot else InstrumentKind.SWAP,
        base=base,
        quote=QUOTE,
        settle=QUOTE,
        tick_size=Decimal(str(market["precision"]["price"])),
        lot_size=lot,
        min_size=lot if least is None else max(lot, Decimal(str(least))),
        contract_value=contract,
        max_leverage=Decimal(1 if spot else 50),
        list_ms=LIST_MS,
        code=FIRST_CODE + number,
    )
    return Mirrored(instrument, str(market["symbol"]), float(contract))


class MirrorFeed:
    """Keeps a `MirrorSource` at another venue's best bid and offer; made by `connect`."""

    def __init__(self, client: Any, mirrored: Sequence[Mirrored], source: MirrorSource) -> None:
        self.source = source
        self.mirrored = tuple(mirrored)
        self._client = client
        self._seen: dict[str, Any] = {}

    @classmethod
    async def connect(cls, exchange_id: str, url: str, coins: Sequence[str], now_ms: int) -> MirrorFeed:
        """Load the markets of these coins with their rules, recent bars and present quotes.

        Raises:
            ValueError: If the venue is unknown to ccxt, lists none of the coins, or cannot be reached.
        """
        client = _client(exchange_id, url)
        try:
            feed = await cls._load(client, coins, now_ms)
        except ccxt.BaseError as error:
            await client.close()
            raise ValueError(f"--mirror {exchange_id}: {error}") from error
        except BaseException:
            await client.close()
            raise
        return feed

    @classmethod
    async def _load(cls, client: Any, coins: Sequence[str], now_ms: int) -> MirrorFeed:
        await client.load_markets()
        symbols = [f"{coin}/{QUOTE}{tail}" for tail in ("", f":{QUOTE}") for coin in coins]
        markets = [client.markets[symbol] for symbol in symbols if symbol in client.markets]
        if not markets:
            raise ValueError(f"{client.id} lists none of {', '.join(coins)} against {QUOTE}")
        mirrored = [_mirrored(market, number) for number, market in enumerate(markets)]
        source = MirrorSource([each.instrument.inst_id for each in mirrored], now_ms)
        feed = cls(client, mirrored, source)
        for bar_ms, timeframe in HISTORY_BARS.items():
            source.set_history(bar_ms, await feed._history(timeframe))
        for group in (True, False):
            chosen = [each for each in mirrored if each.instrument.is_spot is group]
            tickers = await client.fetch_tickers([each.symbol for each in chosen]) if chosen else {}
            for each in chosen:
                ticker = tickers.get(each.symbol, {})
                volume = (ticker.get("baseVolume") or 0.0) * each.size
                source.set_volume(each.instrument.inst_id, volume)
                feed._push(each, ticker)
        return feed

    async def _history(self, timeframe: str) -> History:
        bars = await asyncio.gather(
            *(self._client.fetch_ohlcv(each.symbol, timeframe, limit=HISTORY_LENGTH) for each in self.mirrored)
        )
        columns = np.full((5, HISTORY_LENGTH, len(bars)), np.nan)
        for place, rows in enumerate(bars):
            # The last one is not closed yet: it is what the mirror itself will see.
            table = np.array([row[1:6] for row in rows[:-1]], dtype=np.float64)
            if len(table):
                table[:, 4] *= self.mirrored[place].size
                columns[:, -len(table) :, place] = table.T
        return History(*columns)

    def _push(self, each: Mirrored, quote: dict[str, Any]) -> None:
        bid, ask = quote.get("bid"), quote.get("ask")
        if bid is None or ask is None:
            return
        sizes = [(quote.get(name) or 0.0) * each.size for name in ("bidVolume", "askVolume")]
        stamp = int(quote.get("timestamp") or time.time() * 1000)
        self.source.push(each.instrument.inst_id, bid, sizes[0], ask, sizes[1], stamp)

    async def run(self) -> None:
        """Follow the venue until cancelled; a lost connection leaves the last quotes standing until it is back."""
        by_symbol = {each.symbol: each for each in self.mirrored}
        while True:
            try:
                await self._client.watch_bids_asks(list(by_symbol))
            except ccxt.NetworkError as error:
                log.warning("the mirrored venue is out of reach: %s", error)
                await asyncio.sleep(PAUSE)
                continue
            for symbol, each in by_symbol.items():
                quote = self._client.bidsasks.get(symbol)
                if quote is not None and quote is not self._seen.get(symbol):
                    self._seen[symbol] = quote
                    self._push(each, quote)

    async def close(self) -> None:
        """Close the connections to the other venue."""
        await self._client.close()
