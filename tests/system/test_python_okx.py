"""OKX's own Python client against the simulated exchange: account, market and public data, orders from end to end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from okx.Account import AccountAPI
from okx.Funding import FundingAPI
from okx.MarketData import MarketAPI
from okx.PublicData import PublicAPI
from okx.Status import StatusAPI
from okx.Trade import TradeAPI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from exchanges.simulator.serve import RunningExchange

# The client calls httpx and datetime in ways that these deprecate.
pytestmark = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning"),
]

SPOT, SWAP = "BTC-USDT", "BTC-USDT-SWAP"


class Apis:
    """The client's parts, all at one simulated exchange. Its calls block, so each runs on a thread."""

    def __init__(self, exchange: RunningExchange) -> None:
        credentials = exchange.credentials
        keys = (credentials.api_key, credentials.secret, credentials.passphrase)
        self.account = AccountAPI(*keys, flag="0", domain=exchange.rest)
        self.trade = TradeAPI(*keys, flag="0", domain=exchange.rest)
        self.funding = FundingAPI(*keys, flag="0", domain=exchange.rest)
        self.market = MarketAPI(flag="0", domain=exchange.rest)
        self.public = PublicAPI(flag="0", domain=exchange.rest)
        self.status = StatusAPI(flag="0", domain=exchange.rest)

    def close(self) -> None:
        """Close every connection."""
        for part in vars(self).values():
            part.close()


@pytest_asyncio.fixture
async def apis(exchange: RunningExchange) -> AsyncIterator[Apis]:
    made = Apis(exchange)
    assert all(part.domain.startswith("http://127.0.0.1:") for part in vars(made).values())
    yield made
    made.close()


async def ask(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the client and return the rows of a successful answer."""
    answer = await asyncio.to_thread(method, *args, **kwargs)
    assert answer["code"] == "0", answer
    return answer["data"]


async def resting_price(apis: Apis) -> str:
    (ticker,) = await ask(apis.market.get_ticker, SPOT)
    return f"{float(ticker['bidPx']) * 0.95:.1f}"


async def test_public_data(apis: Apis) -> None:
    rows = await ask(apis.public.get_instruments, "SPOT")
    assert {row["instId"] for row in rows} == {"BTC-USDT", "ETH-USDT", "SOL-USDT"}
    (swap,) = await ask(apis.public.get_instruments, "SWAP", instId=SWAP)
    assert swap["ctType"] == "linear"
    assert float(swap["ctVal"]) > 0
    (funding,) = await ask(apis.public.get_funding_rate, SWAP)
    assert int(funding["nextFundingTime"]) > int(funding["fundingTime"])
    (mark,) = await ask(apis.public.get_mark_price, "SWAP", instId=SWAP)
    (limit,) = await ask(apis.public.get_price_limit, SWAP)
    assert float(limit["sellLmt"]) < float(mark["markPx"]) < float(limit["buyLmt"])
    tiers = await ask(apis.public.get_position_tiers, "SWAP", "cross", instFamily="BTC-USDT")
    assert [int(tier["tier"]) for tier in tiers] == list(range(1, len(tiers) + 1))
    (interest,) = await ask(apis.public.get_open_interest, "SWAP", instId=SWAP)
    assert float(interest["oi"]) > 0
    assert await ask(apis.public.get_system_time)
    assert await ask(apis.status.status) == []


async def test_market_data(apis: Apis) -> None:
    assert len(await ask(apis.market.get_tickers, "SWAP")) == 3
    (book,) = await ask(apis.market.get_orderbook, SPOT, sz="5")
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert float(book["bids"][0][0]) < float(book["asks"][0][0])
    bars = await ask(apis.market.get_candlesticks, SPOT, bar="1H", limit="24")
    assert len(bars) == 24
    assert bars[0][8] == "0"
    assert {row[8] for row in bars[1:]} == {"1"}
    older = await ask(apis.market.get_history_candlesticks, SPOT, bar="1H", after=bars[-1][0], limit="3")
    assert [int(bars[-1][0]) - int(row[0]) for row in older] == [3_600_000, 7_200_000, 10_800_000]
    assert await ask(apis.market.get_index_tickers, instId=SPOT)
    assert isinstance(await ask(apis.market.get_trades, SPOT), list)


async def test_account_data(apis: Apis) -> None:
    (config,) = await ask(apis.account.get_account_config)
    assert (config["acctLv"], config["posMode"]) == ("2", "net_mode")
    (balance,) = await ask(apis.account.get_account_balance)
    assert [(row["ccy"], row["cashBal"]) for row in balance["details"]] == [("USDT", "100000")]
    assert await ask(apis.account.get_positions) == []
    (fees,) = await ask(apis.account.get_fee_rates, "SPOT", instId=SPOT)
    assert float(fees["taker"]) < float(fees["maker"]) <= 0
    (sizes,) = await ask(apis.account.get_max_order_size, SPOT, "cash")
    assert 0 < float(sizes["maxBuy"]) < 10
    (leverage,) = await ask(apis.account.set_leverage, "7", "cross", instId=SWAP)
    assert leverage["lever"] == "7"
    assert (await ask(apis.account.get_leverage, "cross", instId=SWAP))[0]["lever"] == "7"
    assert {row["type"] for row in await ask(apis.account.get_account_bills)} == {"1"}


async def test_funding_data(apis: Apis) -> None:
    assert {row["ccy"] for row in await ask(apis.funding.get_currencies)} == {"BTC", "ETH", "SOL", "USDT"}
    (moved,) = await ask(apis.funding.funds_transfer, "USDT", "150", "18", "6")
    (state,) = await ask(apis.funding.transfer_state, moved["transId"])
    assert state["state"] == "success"
    assert [row["bal"] for row in await ask(apis.funding.get_balances)] == ["150"]
    assert await ask(apis.funding.get_deposit_history) == []


async def test_an_order_is_placed_looked_up_amended_and_canceled(apis: Apis) -> None:
    price = await resting_price(apis)
    placing = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.01", "px": price}
    (placed,) = await ask(apis.trade.place_order, **placing, clOrdId="mine1")
    (found,) = await ask(apis.trade.get_order, SPOT, clOrdId="mine1")
    assert (found["ordId"], found["state"]) == (placed["ordId"], "live")
    await ask(apis.trade.amend_order, SPOT, ordId=placed["ordId"], newSz="0.02", reqId="amend1")
    assert [row["sz"] for row in await ask(apis.trade.get_order_list, "SPOT")] == ["0.02"]
    await ask(apis.trade.cancel_order, SPOT, clOrdId="mine1")
    (ended,) = await ask(apis.trade.get_orders_history, "SPOT")
    assert (ended["state"], ended["cancelSource"]) == ("canceled", "1")


async def test_a_batch_and_its_fills(apis: Apis) -> None:
    row = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "market", "sz": "0.01"}
    rows = [{**row, "tgtCcy": "base_ccy", "clOrdId": f"batch{i}"} for i in range(3)]
    placed = await ask(apis.trade.place_multiple_orders, rows)
    fills = await ask(apis.trade.get_fills, "SPOT")
    assert {fill["ordId"] for fill in fills} == {row["ordId"] for row in placed}
    assert {fill["feeCcy"] for fill in fills} == {"BTC"}
    for fill in fills:
        assert float(fill["fee"]) == pytest.approx(float(fill["fillSz"]) * float(fill["feeRate"]))
    assert len(await ask(apis.trade.get_fills_history, "SPOT")) == len(fills)


async def test_a_position_is_opened_and_closed(apis: Apis) -> None:
    await ask(apis.trade.place_order, SWAP, "cross", "sell", "market", "2")
    (position,) = await ask(apis.account.get_positions, instType="SWAP")
    assert (position["pos"], position["posSide"], position["mgnMode"]) == ("-2", "net", "cross")
    await ask(apis.trade.close_positions, SWAP, "cross")
    assert await ask(apis.account.get_positions) == []


async def test_refusals_carry_codes(apis: Apis) -> None:
    too_much = await asyncio.to_thread(apis.trade.place_order, SPOT, "cash", "buy", "limit", "9", px="60000")
    assert (too_much["code"], too_much["data"][0]["sCode"]) == ("1", "51008")
    unknown = await asyncio.to_thread(apis.trade.get_order, SPOT, clOrdId="never")
    assert (unknown["code"], unknown["data"]) == ("51603", [])
