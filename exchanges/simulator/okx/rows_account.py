"""Rows of the account, its coins and its positions, with every field that OKX documents."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.okx.text import plain, signed_fee

if TYPE_CHECKING:
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.values import AccountSummary, Balance, Position
    from exchanges.simulator.okx.face import Face, Row

ZERO = Decimal(0)
# Displayed ratios and prices that are quotients are cut to this many decimals.
SHOWN = Decimal("1e-12")


def balance_detail(face: Face, balance: Balance, summary: AccountSummary) -> Row:
    """Return a coin's object in `account/balance`, as in Futures mode: margin is held per settle coin."""
    usd = face.usd_price(balance.currency)
    margined = bool(balance.margin)
    notional_lever = summary.notional / balance.equity if margined and balance.equity > 0 else ZERO
    return {
        "accAvgPx": "",
        "autoLendMtAmt": "0",
        "autoLendStatus": "unsupported",
        "availBal": plain(balance.available),
        "availEq": plain(balance.available),
        "borrowFroz": "",
        "cashBal": plain(balance.cash),
        "ccy": balance.currency,
        "clSpotInUseAmt": "",
        "colBorrAutoConversion": "0",
        "colRes": "0",
        "collateralEnabled": False,
        "collateralRestrict": False,
        "crossLiab": "",
        "disEq": plain(balance.equity * usd),
        "eq": plain(balance.equity),
        "eqUsd": plain(balance.equity * usd),
        "fixedBal": "0",
        "frozenBal": plain(balance.used),
        "frpType": "0",
        "imr": plain(balance.margin),
        "interest": "",
        "isoEq": "0",
        "isoLiab": "",
        "isoUpl": "0",
        "liab": "",
        "maxLoan": "",
        "maxSpotInUse": "",
        "mgnRatio": plain(summary.margin_ratio.quantize(SHOWN)) if margined and summary.margin_ratio else "",
        "mmr": plain(summary.maintenance_margin) if margined else "0",
        "notionalLever": plain(notional_lever.quantize(SHOWN)),
        "openAvgPx": "",
        "ordFrozen": plain(balance.held),
        "rewardBal": "0",
        "smtSyncEq": "0",
        "spotBal": "",
        "spotCopyTradingEq": "0",
        "spotInUseAmt": "",
        "spotIsoBal": "0",
        "spotUpl": "",
        "spotUplRatio": "",
        "stgyEq": "0",
        "totalPnl": "",
        "totalPnlRatio": "",
        "twap": "0",
        "uTime": str(balance.updated_ms),
        "upl": plain(balance.unrealised),
        "uplLiab": "",
    }


def account_row(face: Face, summary: AccountSummary, details: list[Row]) -> Row:
    """Return the one row of `account/balance` and of the `account` channel."""
    return {
        "adjEq": "",
        "availEq": "",
        "borrowFroz": "",
        "delta": "",
        "deltaLever": "",
        "deltaNeutralStatus": "0",
        "details": details,
        "imr": "",
        "isoEq": "0",
        "mgnRatio": "",
        "mmr": "",
        "notionalUsd": "",
        "notionalUsdForBorrow": "",
        "notionalUsdForFutures": "",
        "notionalUsdForOption": "",
        "notionalUsdForSwap": "",
        "ordFroz": "",
        "totalEq": plain(summary.total_equity),
        "uTime": str(face.now_ms()),
        "upl": "",
    }


def position_row(face: Face, position: Position, instrument: Instrument) -> Row:
    """Return a row of `account/positions`."""
    entry, size = position.entry_price, position.size
    coins = size * instrument.contract_value
    cost = abs(coins) * entry / position.leverage if position.leverage else ZERO
    last_profit = coins * (position.last_price - entry)
    rate = face.exchange.fee_rates(position.account, instrument.kind).taker * size.compare(ZERO)
    even = entry * (1 + rate) / (1 - rate)
    settle_usd = face.usd_price(instrument.settle)
    return {
        "adl": "0",
        "availPos": "",
        "avgPx": plain(entry),
        "baseBal": "",
        "baseBorrowed": "",
        "baseInterest": "",
        "bePx": plain(even.quantize(SHOWN)),
        "bizRefId": "",
        "bizRefType": "",
        "cTime": str(position.created_ms),
        "ccy": instrument.settle,
        "clSpotInUseAmt": "",
        "closeOrderAlgo": [],
        "deltaBS": "",
        "deltaPA": "",
        "fee": signed_fee(position.fees),
        "fundingFee": plain(position.funding),
        "gammaBS": "",
        "gammaPA": "",
        "hedgedPos": "",
        "idxPx": plain(position.index_price),
        "imr": plain(position.initial_margin),
        "instId": position.inst_id,
        "instType": instrument.kind.value,
        "interest": "",
        "last": plain(position.last_price),
        "lever": plain(position.leverage),
        "liab": "",
        "liabCcy": "",
        "liqPenalty": "0",
        "liqPx": plain(position.liquidation_price),
        "margin": "",
        "markPx": plain(position.mark_price),
        "maxSpotInUseAmt": "",
        "mgnMode": "cross",
        "mgnRatio": _margin_ratio(face, position),
        "mmr": plain(position.maintenance_margin),
        "nonSettleAvgPx": "",
        "notionalUsd": plain(position.notional * settle_usd),
        "optVal": "",
        "pendingCloseOrdLiabVal": "0",
        "pnl": plain(position.realised),
        "pos": plain(size),
        "posCcy": "",
        "posId": str(position.position_id),
        "posSide": "net",
        "quoteBal": "",
        "quoteBorrowed": "",
        "quoteInterest": "",
        "realizedPnl": plain(position.realised - position.fees + position.funding),
        "settledPnl": "",
        "spotInUseAmt": "",
        "spotInUseCcy": "",
        "thetaBS": "",
        "thetaPA": "",
        "tradeId": str(position.last_trade_id),
        "uTime": str(position.updated_ms),
        "upl": plain(position.unrealised),
        "uplLastPx": plain(last_profit),
        "uplRatio": plain((position.unrealised / cost).quantize(SHOWN)) if cost else "0",
        "uplRatioLastPx": plain((last_profit / cost).quantize(SHOWN)) if cost else "0",
        "usdPx": plain(settle_usd),
        "vegaBS": "",
        "vegaPA": "",
    }


def _margin_ratio(face: Face, position: Position) -> str:
    ratio = face.exchange.summary(position.account).margin_ratio
    return "" if ratio is None else plain(ratio.quantize(SHOWN))
