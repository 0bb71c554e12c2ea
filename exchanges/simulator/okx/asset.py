"""The funding account: currencies, balances, transfers to and from the trading account, deposits and withdrawals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.refusals import Refused
from exchanges.simulator.okx.endpoints import Endpoint
from exchanges.simulator.okx.errors import OkxError
from exchanges.simulator.okx.face import FUNDING, TRADING, Movement
from exchanges.simulator.okx.text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from exchanges.simulator.core.values import Bill
    from exchanges.simulator.okx.face import Face, Row
    from exchanges.simulator.okx.params import Params

ACCOUNTS = {"6": FUNDING, "18": TRADING}
WITHDRAWAL_FEE = "0"
SUCCEEDED = "2"


def coins(face: Face) -> list[str]:
    """Return every coin of a spot market, in the order of listing."""
    return list(
        dict.fromkeys(coin for i in face.exchange.instruments.values() if i.is_spot for coin in (i.base, i.quote))
    )


def _chain(currency: str) -> str:
    return f"{currency}-Keelward"


def currencies(face: Face, params: Params) -> list[Row]:
    """List coins with their chain."""
    wanted = frozenset(filter(None, params.text("ccy").split(",")))
    return [
        {
            "burningFeeRate": "",
            "canDep": True,
            "canInternal": True,
            "canWd": True,
            "ccy": coin,
            "chain": _chain(coin),
            "ctAddr": "",
            "depEstOpenTime": "",
            "depQuotaFixed": "",
            "depQuoteDailyLayer2": "",
            "fee": WITHDRAWAL_FEE,
            "logoLink": "",
            "mainNet": True,
            "maxFee": WITHDRAWAL_FEE,
            "maxFeeForCtAddr": "",
            "maxWd": "1000000000",
            "minDep": "0.00000001",
            "minDepArrivalConfirm": "1",
            "minFee": WITHDRAWAL_FEE,
            "minFeeForCtAddr": "",
            "minInternal": "0.00000001",
            "minWd": "0.00000001",
            "minWdUnlockConfirm": "2",
            "name": coin,
            "needTag": False,
            "usedDepQuotaFixed": "",
            "usedWdQuota": "0",
            "wdEstOpenTime": "",
            "wdQuota": "10000000",
            "wdTickSz": "8",
        }
        for coin in coins(face)
        if not wanted or coin in wanted
    ]


def balances(face: Face, params: Params) -> list[Row]:
    """Tell the funding account's coins."""
    wanted = frozenset(filter(None, params.text("ccy").split(",")))
    return [
        {"availBal": plain(b.available), "bal": plain(b.cash), "ccy": currency, "frozenBal": plain(b.used)}
        for currency, b in face.exchange.balances(FUNDING).items()
        if b.cash and (not wanted or currency in wanted)
    ]


def move(face: Face, currency: str, amount: Decimal, source: str, target: str, note: str = "") -> Bill:
    """Move coins between two accounts of the core.

    Raises:
        OkxError: 58350 where the source has too little.
    """
    try:
        face.exchange.transfer(source, currency, -amount, note)
    except Refused:
        raise OkxError("58350") from None
    return face.exchange.transfer(target, currency, amount, note)


def transfer(face: Face, params: Params) -> list[Row]:
    """Move coins between the funding and the trading account."""
    currency, source, target = params.required("ccy"), params.required("from"), params.required("to")
    for name, account in (("from", source), ("to", target)):
        if account not in ACCOUNTS:
            raise OkxError("51000", name)
    params.required("amt")
    amount = params.number("amt")
    if amount is None or amount <= 0 or source == target:
        raise OkxError("51000", "amt")
    number, client_id = str(next(face.ids)), params.client_id("clientId")
    move(face, currency, amount, ACCOUNTS[source], ACCOUNTS[target], f"transfer {number}")
    face.transfers[number] = {
        "amt": plain(amount),
        "ccy": currency,
        "clientId": client_id,
        "from": source,
        "instId": "",
        "state": "success",
        "subAcct": "",
        "to": target,
        "toInstId": "",
        "transId": number,
        "type": "0",
    }
    return [
        {
            "transId": number,
            "ccy": currency,
            "clientId": client_id,
            "from": source,
            "amt": plain(amount),
            "to": target,
        }
    ]


def transfer_state(face: Face, params: Params) -> list[Row]:
    """Tell what became of a transfer."""
    number, client_id = params.text("transId"), params.client_id("clientId")
    if not number and not client_id:
        raise OkxError("50015", "transId", "clientId")
    return [row for key, row in face.transfers.items() if (key == number if number else row["clientId"] == client_id)]


def asset_bills(face: Face, params: Params) -> list[Row]:
    """List the funding account's ledger, newest first."""
    found = face.exchange.bills(
        FUNDING,
        currency=params.text("ccy") or None,
        after_id=None,
        begin_ms=params.integer("before"),
        end_ms=params.integer("after"),
        limit=params.limit(),
    )
    return [
        {
            "billId": str(bill.bill_id),
            "ccy": bill.currency,
            "clientId": "",
            "balChg": plain(bill.change),
            "bal": plain(bill.balance),
            "type": "130" if bill.change > 0 else "131",
            "notes": bill.note,
            "ts": str(bill.time_ms),
        }
        for bill in found
    ]


def deposit(face: Face, currency: str, amount: Decimal) -> Movement:
    """Pay in from outside: the deposit arrives and is moved to the trading account."""
    made = Movement(next(face.ids), currency, amount, face.now_ms())
    face.exchange.transfer(FUNDING, currency, amount, f"deposit {made.id}")
    move(face, currency, amount, FUNDING, TRADING, f"deposit {made.id}")
    face.deposits.append(made)
    return made


def withdraw(face: Face, currency: str, amount: Decimal) -> Movement:
    """Pay out from the trading account.

    Raises:
        OkxError: 58350 where it has too little.
    """
    made = Movement(next(face.ids), currency, amount, face.now_ms())
    move(face, currency, amount, TRADING, FUNDING, f"withdrawal {made.id}")
    face.exchange.transfer(FUNDING, currency, -amount, f"withdrawal {made.id}")
    face.withdrawals.append(made)
    return made


def _movements(made: list[Movement], params: Params) -> list[Movement]:
    currency = params.text("ccy")
    after, before = params.integer("after"), params.integer("before")
    found = [
        m
        for m in reversed(made)
        if (not currency or m.currency == currency)
        and (after is None or m.time_ms < after)
        and (before is None or m.time_ms > before)
    ]
    return found[: params.limit()]


def deposit_history(face: Face, params: Params) -> list[Row]:
    """List deposits, newest first."""
    return [
        {
            "actualDepBlkConfirm": "2",
            "amt": plain(m.amount),
            "areaCodeFrom": "",
            "ccy": m.currency,
            "chain": _chain(m.currency),
            "depId": str(m.id),
            "from": "",
            "fromWdId": "",
            "state": SUCCEEDED,
            "to": "keelward-simulated-address",
            "ts": str(m.time_ms),
            "txId": f"{m.id:064x}",
        }
        for m in _movements(face.deposits, params)
    ]


def withdrawal_history(face: Face, params: Params) -> list[Row]:
    """List withdrawals, newest first."""
    return [
        {
            "addrEx": None,
            "amt": plain(m.amount),
            "areaCodeFrom": "",
            "areaCodeTo": "",
            "ccy": m.currency,
            "chain": _chain(m.currency),
            "clientId": "",
            "fee": WITHDRAWAL_FEE,
            "feeCcy": m.currency,
            "from": "",
            "memo": "",
            "nonTradableAsset": False,
            "note": "",
            "pmtId": "",
            "state": SUCCEEDED,
            "tag": "",
            "to": "keelward-simulated-address",
            "toAddrType": "1",
            "ts": str(m.time_ms),
            "txId": f"{m.id:064x}",
            "wdId": str(m.id),
        }
        for m in _movements(face.withdrawals, params)
    ]


ASSET: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "/api/v5/asset/currencies"): Endpoint(currencies, private=True, count=6, seconds=1.0),
    ("GET", "/api/v5/asset/balances"): Endpoint(balances, private=True, count=6, seconds=1.0),
    ("GET", "/api/v5/asset/bills"): Endpoint(asset_bills, private=True, count=6, seconds=1.0),
    ("GET", "/api/v5/asset/transfer-state"): Endpoint(transfer_state, private=True, count=10, seconds=1.0),
    ("GET", "/api/v5/asset/deposit-history"): Endpoint(deposit_history, private=True, count=6, seconds=1.0),
    ("GET", "/api/v5/asset/withdrawal-history"): Endpoint(withdrawal_history, private=True, count=6, seconds=1.0),
    ("POST", "/api/v5/asset/transfer"): Endpoint(transfer, private=True, count=2, seconds=1.0),
}
