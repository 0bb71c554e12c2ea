"""Markets come and go while the venue is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.ccxt_client import Credentials
from exchanges.ccxt_venue import CcxtVenue
from exchanges.simulator.core.instruments import InstrumentState

if TYPE_CHECKING:
    from exchanges.simulator.serve import RunningExchange


async def test_a_market_that_is_delisted_stays_known_and_is_no_longer_active(exchange: RunningExchange) -> None:
    keys = exchange.credentials
    credentials = Credentials(keys.api_key, keys.secret, keys.passphrase)
    venue = CcxtVenue("okx", credentials, urls={"rest": exchange.rest, "ws": exchange.ws})
    try:
        await venue.open()
        before = venue.markets["ETH/USDT"]
        assert before.active
        exchange.exchange.set_state("ETH-USDT", InstrumentState.EXPIRED)
        await venue.load_markets()
        after = venue.markets["ETH/USDT"]
        assert not after.active
        assert (after.tick_size, after.lot_size) == (before.tick_size, before.lot_size)
        assert venue.markets["BTC/USDT"].active
    finally:
        await venue.close()
