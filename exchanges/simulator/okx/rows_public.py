"""Rows of public and market data, with every field that OKX documents."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.okx.text import millis, plain, trimmed

if TYPE_CHECKING:
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.values import Candle, Funding, MarginTier, PublicTrade, SettledFunding, Ticker
    from exchanges.simulator.okx.face import Row

# OKX's fee group of an instrument: spot against USDT, and perpetual futures with USDT margin.
FEE_GROUPS = {
    InstrumentKind.SPOT: "1",
    InstrumentKind.SWAP: "2",
    InstrumentKind.FUTURES: "2",
    InstrumentKind.OPTION: "2",
}
MOST_SPOT_USD = Decimal(20_000_000)


def instrument_row(instrument: Instrument) -> Row:
    """Return a row of `public/instruments` and `account/instruments`."""
    spot = instrument.is_spot
    most = "9999999999" if spot else "100000000"
    most_market = "1000000" if spot else "30000"
    family = "" if spot else instrument.underlying
    return {
        "alias": "",
        "auctionEndTime": "",
        "baseCcy": instrument.base if spot else "",
        "category": "1",
        "contTdSwTime": "",
        "ctMult": "" if spot else "1",
        "ctType": "" if spot else "linear",
        "ctVal": "" if spot else plain(instrument.contract_value),
        "ctValCcy": "" if spot else instrument.base,
        "expTime": millis(instrument.expiry_ms),
        "futureSettlement": False,
        "groupId": FEE_GROUPS[instrument.kind],
        "instCategory": "1",
        "instFamily": family,
        "instId": instrument.inst_id,
        "instIdCode": instrument.code,
        "instType": instrument.kind.value,
        "lever": "" if spot else plain(instrument.max_leverage),
        "listTime": str(instrument.list_ms),
        "lotSz": plain(instrument.lot_size),
        "maxIcebergSz": most,
        "maxLmtAmt": plain(MOST_SPOT_USD),
        "maxLmtSz": most,
        "maxMktAmt": "1000000" if spot else "",
        "maxMktSz": most_market,
        "maxPlatOILmt": "",
        "maxStopSz": most_market,
        "maxTriggerSz": most,
        "maxTwapSz": most,
        "minSz": plain(instrument.min_size),
        "openType": "",
        "optType": "",
        "posLmtAmt": "",
        "posLmtPct": "",
        "preMktSwTime": "",
        "quoteCcy": instrument.quote if spot else "",
        "ruleType": "normal",
        "settleCcy": "" if spot else instrument.settle,
        "state": instrument.state.value,
        "stk": "",
        "tickSz": plain(instrument.tick_size),
        "tradeQuoteCcyList": [instrument.quote] if spot else [],
        "uly": family,
        "upcChg": [],
    }


def ticker_row(instrument: Instrument, ticker: Ticker) -> Row:
    """Return a row of `market/ticker` and of the `tickers` channel."""
    return {
        "instType": instrument.kind.value,
        "instId": ticker.inst_id,
        "last": plain(ticker.last),
        "lastSz": plain(ticker.last_size),
        "askPx": plain(ticker.ask) if ticker.ask_size else "",
        "askSz": plain(ticker.ask_size) if ticker.ask_size else "",
        "bidPx": plain(ticker.bid) if ticker.bid_size else "",
        "bidSz": plain(ticker.bid_size) if ticker.bid_size else "",
        "open24h": plain(ticker.open_24h),
        "high24h": plain(ticker.high_24h),
        "low24h": plain(ticker.low_24h),
        "volCcy24h": plain(ticker.quote_volume_24h if instrument.is_spot else ticker.base_volume_24h),
        "vol24h": plain(ticker.volume_24h),
        "ts": str(ticker.time_ms),
        "sodUtc0": plain(ticker.open_utc),
        "sodUtc8": plain(ticker.open_utc),
    }


def index_row(inst_id: str, ticker: Ticker, price: Decimal, now_ms: int) -> Row:
    """Return a row of `market/index-tickers` and of the `index-tickers` channel."""
    return {
        "instId": inst_id,
        "idxPx": plain(price),
        "high24h": plain(max(ticker.high_24h, price)),
        "sodUtc0": plain(ticker.open_utc),
        "open24h": plain(ticker.open_24h),
        "low24h": plain(min(ticker.low_24h, price)),
        "sodUtc8": plain(ticker.open_utc),
        "ts": str(now_ms),
    }


def trade_row(instrument: Instrument, trade: PublicTrade) -> Row:
    """Return a row of `market/trades` and of the `trades-all` channel."""
    return {
        "instId": instrument.inst_id,
        "side": trade.side.value,
        "sz": trimmed(instrument.size_text(trade.lots)),
        "source": "0",
        "px": trimmed(instrument.price_text(trade.ticks)),
        "tradeId": str(trade.trade_id),
        "ts": str(trade.time_ms),
    }


def candle_row(instrument: Instrument, candle: Candle) -> list[str]:
    """Return ts, open, high, low, close, volume, volume in coin, volume in quote coin, and whether it is closed."""
    in_coin = candle.quote_volume if instrument.is_spot else candle.base_volume
    return [
        str(candle.start_ms),
        plain(candle.open),
        plain(candle.high),
        plain(candle.low),
        plain(candle.close),
        plain(candle.volume),
        plain(in_coin),
        plain(candle.quote_volume),
        "1" if candle.closed else "0",
    ]


def funding_row(funding: Funding, now_ms: int) -> Row:
    """Return a row of `public/funding-rate` and of the `funding-rate` channel."""
    return {
        "formulaType": "withRate",
        "fundingRate": plain(funding.rate),
        "fundingTime": str(funding.time_ms),
        "impactValue": "20000",
        "instId": funding.inst_id,
        "instType": InstrumentKind.SWAP.value,
        "interestRate": plain(funding.interest),
        "maxFundingRate": plain(funding.max_rate),
        "method": "current_period",
        "minFundingRate": plain(funding.min_rate),
        "nextFundingRate": "",
        "nextFundingTime": str(funding.next_time_ms),
        "premium": plain(funding.premium),
        "settFundingRate": plain(funding.settled_rate),
        "settState": "settled",
        "ts": str(now_ms),
    }


def funding_history_row(settled: SettledFunding) -> Row:
    """Return a row of `public/funding-rate-history`."""
    return {
        "formulaType": "withRate",
        "fundingRate": plain(settled.rate),
        "fundingTime": str(settled.time_ms),
        "instId": settled.inst_id,
        "instType": InstrumentKind.SWAP.value,
        "method": "current_period",
        "realizedRate": plain(settled.rate),
    }


def tier_row(instrument: Instrument, tier: MarginTier) -> Row:
    """Return a row of `public/position-tiers`."""
    return {
        "baseMaxLoan": "",
        "imr": plain(tier.initial_rate),
        "instFamily": instrument.underlying,
        "instId": instrument.inst_id,
        "maxLever": plain(tier.max_leverage),
        "maxSz": plain(tier.max_contracts),
        "minSz": plain(tier.min_contracts),
        "mmr": plain(tier.maintenance_rate),
        "optMgnFactor": "0",
        "quoteMaxLoan": "",
        "tier": str(tier.tier),
        "uly": instrument.underlying,
    }


def mark_row(instrument: Instrument, price: Decimal, now_ms: int) -> Row:
    """Return a row of `public/mark-price` and of the `mark-price` channel."""
    return {
        "instId": instrument.inst_id,
        "instType": instrument.kind.value,
        "markPx": plain(price),
        "ts": str(now_ms),
    }


def price_limit_row(instrument: Instrument, limits: tuple[Decimal, Decimal], now_ms: int) -> Row:
    """Return a row of `public/price-limit` and of the `price-limit` channel."""
    highest, lowest = limits
    return {
        "instId": instrument.inst_id,
        "instType": instrument.kind.value,
        "buyLmt": plain(highest),
        "sellLmt": plain(lowest),
        "ts": str(now_ms),
        "enabled": True,
    }


def open_interest_row(instrument: Instrument, contracts: Decimal, mark: Decimal, now_ms: int) -> Row:
    """Return a row of `public/open-interest` and of the `open-interest` channel."""
    coins = contracts * instrument.contract_value
    return {
        "instId": instrument.inst_id,
        "instType": instrument.kind.value,
        "oi": plain(contracts),
        "oiCcy": plain(coins),
        "oiUsd": plain(coins * mark),
        "ts": str(now_ms),
    }
