"""The trading account: balance, positions, configuration, leverage, fees, ledger, largest sizes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.core.refusals import Refused
from exchanges.simulator.core.values import Side
from exchanges.simulator.okx.endpoints import Endpoint
from exchanges.simulator.okx.errors import OkxError
from exchanges.simulator.okx.face import TRADING
from exchanges.simulator.okx.rows_account import account_row, balance_detail, position_row
from exchanges.simulator.okx.rows_private import BILL_TYPES, bill_row, bill_subtype
from exchanges.simulator.okx.rows_public import FEE_GROUPS
from exchanges.simulator.okx.text import plain
from exchanges.simulator.okx.trade import ARCHIVE_MS, RECENT_ORDERS_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exchanges.simulator.okx.face import Face, Row
    from exchanges.simulator.okx.params import Params

BILL_KINDS = {code: kind for kind, code in BILL_TYPES.items()}


def account_rows(face: Face, currencies: frozenset[str] = frozenset(), *, emptied: bool = False) -> list[Row]:
    """Return the account with its coins, or with those asked for; OKX tells of an empty coin only in a push."""
    summary = face.exchange.summary(TRADING)
    details = [
        balance_detail(face, balance, summary)
        for currency, balance in face.exchange.balances(TRADING).items()
        if (emptied or balance.cash or balance.equity) and (not currencies or currency in currencies)
    ]
    return [account_row(face, summary, details)]


def balance(face: Face, params: Params) -> list[Row]:
    """Tell the balance, of all coins or of those in `ccy`."""
    return account_rows(face, frozenset(filter(None, params.text("ccy").split(","))))


def position_rows(face: Face, kind: InstrumentKind | None = None, inst_id: str | None = None) -> list[Row]:
    """Return the open positions, newest first."""
    found = face.exchange.positions(TRADING, kind, inst_id)
    found.sort(key=lambda position: position.created_ms, reverse=True)
    return [position_row(face, p, face.instrument(p.inst_id)) for p in found]


def positions(face: Face, params: Params) -> list[Row]:
    """Tell open positions."""
    wanted = frozenset(filter(None, params.text("instId").split(",")))
    ids = frozenset(filter(None, params.text("posId").split(",")))
    return [
        row
        for row in position_rows(face, params.kind())
        if (not wanted or row["instId"] in wanted) and (not ids or row["posId"] in ids)
    ]


def position_risk(face: Face, params: Params) -> list[Row]:
    """Tell balance and positions at one moment."""
    kind = params.kind()
    balances = [
        {"ccy": currency, "disEq": plain(b.equity * face.usd_price(currency)), "eq": plain(b.equity)}
        for currency, b in face.exchange.balances(TRADING).items()
        if b.equity
    ]
    fields = ("baseBal", "ccy", "instId", "instType", "mgnMode", "notionalUsd", "pos", "posCcy", "posId", "posSide",
              "quoteBal")  # fmt: skip
    rows = [{f: row[f] for f in fields} | {"notionalCcy": _notional(face, row)} for row in position_rows(face, kind)]
    return [{"adjEq": "", "balData": balances, "posData": rows, "ts": str(face.now_ms())}]


def _notional(face: Face, row: Row) -> str:
    instrument = face.instrument(str(row["instId"]))
    return plain(abs(Decimal(str(row["pos"]))) * instrument.contract_value)


def config(face: Face, params: Params) -> list[Row]:
    """Tell the account's mode: futures mode, net positions."""
    del params
    uid = face.credentials.uid
    return [
        {
            "acctLv": "2",
            "acctStpMode": "cancel_maker",
            "autoLoan": False,
            "ctIsoMode": "automatic",
            "enableSpotBorrow": False,
            "feeType": "0",
            "greeksType": "PA",
            "ip": "",
            "kycLv": "3",
            "label": "keelward",
            "level": face.exchange.fee_rates(TRADING, InstrumentKind.SPOT).level,
            "levelTmp": "",
            "liquidationGear": "-1",
            "mainUid": uid,
            "mgnIsoMode": "automatic",
            "opAuth": "0",
            "perm": "read_only,trade",
            "posMode": "net_mode",
            "roleType": "0",
            "settleCcy": "USDT",
            "settleCcyList": ["USDT"],
            "spotBorrowAutoRepay": False,
            "spotOffsetType": "",
            "spotRoleType": "0",
            "spotTraderInsts": [],
            "stgyType": "0",
            "traderInsts": [],
            "type": "0",
            "uid": uid,
        }
    ]


def set_position_mode(face: Face, params: Params) -> list[Row]:
    """Accept the one mode there is."""
    del face
    if params.required("posMode") != "net_mode":
        raise OkxError("51000", "posMode")
    return [{"posMode": "net_mode"}]


def _margin_mode(params: Params) -> str:
    mode = params.required("mgnMode")
    if mode != "cross":
        raise OkxError("51000", "mgnMode")
    return mode


def leverage_info(face: Face, params: Params) -> list[Row]:
    """Tell the leverage of derivatives."""
    mode = _margin_mode(params)
    rows: list[Row] = []
    for inst_id in params.required("instId").split(","):
        instrument = face.instrument(inst_id)
        if instrument.is_spot:
            raise OkxError("51000", "instId")
        lever = plain(face.exchange.leverage(TRADING, inst_id))
        rows.append({"ccy": "", "instId": inst_id, "mgnMode": mode, "posSide": "net", "lever": lever})
    return rows


def set_leverage(face: Face, params: Params) -> list[Row]:
    """Set the leverage of a derivative."""
    inst_id = params.text("instId")
    if not inst_id:
        raise OkxError("50015", "instId", "ccy")
    mode = _margin_mode(params)
    if face.instrument(inst_id).is_spot:
        raise OkxError("51000", "instId")
    params.required("lever")
    lever = params.number("lever") or Decimal(0)
    try:
        face.exchange.set_leverage(TRADING, inst_id, lever)
    except Refused as refused:
        raise OkxError.of(refused) from None
    return [{"lever": plain(lever), "mgnMode": mode, "instId": inst_id, "posSide": "net"}]


def trade_fee(face: Face, params: Params) -> list[Row]:
    """Tell the fees of a kind of instrument; negative when paid."""
    kind = params.choice("instType", InstrumentKind)
    if params.text("instId"):
        face.instrument(params.text("instId"))
    rates = face.exchange.fee_rates(TRADING, kind)
    maker, taker = plain(-rates.maker), plain(-rates.taker)
    spot = kind is InstrumentKind.SPOT
    group = {"elpMaker": "", "groupId": FEE_GROUPS[kind], "maker": maker, "taker": taker}
    return [
        {
            "category": "1",
            "delivery": "",
            "exercise": "",
            "feeGroup": [group],
            "fiat": [],
            "instType": kind.value,
            "level": rates.level,
            "maker": maker,
            "makerU": "" if spot else maker,
            "makerUSDC": "" if spot else maker,
            "ruleType": "normal",
            "taker": taker,
            "takerU": "" if spot else taker,
            "takerUSDC": "" if spot else taker,
            "ts": str(face.now_ms()),
        }
    ]


def _bills(face: Face, params: Params, span_ms: int) -> list[Row]:
    wanted = params.text("type")
    if wanted and wanted not in BILL_KINDS:
        return []
    found = face.exchange.bills(
        TRADING,
        bill_kind=BILL_KINDS[wanted] if wanted else None,
        kind=params.kind(),
        currency=params.text("ccy") or None,
        begin_ms=max(params.integer("begin") or 0, face.now_ms() - span_ms),
        end_ms=params.integer("end"),
        after_id=params.integer("after"),
        before_id=params.integer("before"),
        limit=params.limit(),
    )
    inst_id, subtype = params.text("instId"), params.text("subType")
    return [
        bill_row(bill)
        for bill in found
        if (not inst_id or bill.inst_id == inst_id) and (not subtype or bill_subtype(bill) == subtype)
    ]


def bills(face: Face, params: Params) -> list[Row]:
    """List the ledger of 7 days, newest first."""
    return _bills(face, params, RECENT_ORDERS_MS)


def bills_archive(face: Face, params: Params) -> list[Row]:
    """List the ledger of 3 months, newest first."""
    return _bills(face, params, ARCHIVE_MS)


def max_size(face: Face, params: Params) -> list[Row]:
    """Tell the largest buy and sell that the account could place."""
    params.required("tdMode")
    price = params.number("px")
    rows: list[Row] = []
    for inst_id in params.required("instId").split(","):
        instrument = face.instrument(inst_id)
        buy, sell = (face.exchange.max_size(TRADING, inst_id, side, price) for side in (Side.BUY, Side.SELL))
        coin = instrument.base if instrument.is_spot else instrument.settle
        rows.append({"ccy": coin, "instId": inst_id, "maxBuy": plain(buy), "maxSell": plain(sell)})
    return rows


def max_available(face: Face, params: Params) -> list[Row]:
    """Tell what the account could spend: quote coin on a buy, base coin on a sell, margin on a derivative."""
    params.required("tdMode")
    held = face.exchange.balances(TRADING)

    def available(currency: str) -> str:
        return plain(held[currency].available) if currency in held else "0"

    rows: list[Row] = []
    for inst_id in params.required("instId").split(","):
        instrument = face.instrument(inst_id)
        sold = instrument.base if instrument.is_spot else instrument.settle
        rows.append({"instId": inst_id, "availBuy": available(instrument.quote), "availSell": available(sold)})
    return rows


def max_withdrawal(face: Face, params: Params) -> list[Row]:
    """Tell what may be moved out of the trading account."""
    wanted = frozenset(filter(None, params.text("ccy").split(",")))
    return [
        {
            "ccy": currency,
            "maxWd": plain(b.available),
            "maxWdEx": plain(b.available),
            "spotOffsetMaxWd": "",
            "spotOffsetMaxWdEx": "",
        }
        for currency, b in face.exchange.balances(TRADING).items()
        if b.cash and (not wanted or currency in wanted)
    ]


def no_borrowing(face: Face, params: Params) -> list[Row]:
    """List what accrued on borrowed coins: the simulated venue lends none."""
    del face, params
    return []


def _of_account(handle: Callable[[Face, Params], list[Row]], count: int = 10) -> Endpoint:
    return Endpoint(handle, private=True, count=count)


ACCOUNT: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "/api/v5/account/balance"): _of_account(balance),
    ("GET", "/api/v5/account/positions"): _of_account(positions),
    ("GET", "/api/v5/account/account-position-risk"): _of_account(position_risk),
    ("GET", "/api/v5/account/config"): _of_account(config, 5),
    ("GET", "/api/v5/account/leverage-info"): _of_account(leverage_info, 20),
    ("GET", "/api/v5/account/trade-fee"): _of_account(trade_fee, 5),
    ("GET", "/api/v5/account/bills"): _of_account(bills),
    ("GET", "/api/v5/account/bills-archive"): _of_account(bills_archive, 5),
    ("GET", "/api/v5/account/max-size"): _of_account(max_size, 20),
    ("GET", "/api/v5/account/max-avail-size"): _of_account(max_available, 20),
    ("GET", "/api/v5/account/max-withdrawal"): _of_account(max_withdrawal, 20),
    ("GET", "/api/v5/account/interest-accrued"): _of_account(no_borrowing, 5),
    ("POST", "/api/v5/account/set-leverage"): _of_account(set_leverage, 40),
    ("POST", "/api/v5/account/set-position-mode"): _of_account(set_position_mode, 5),
}
