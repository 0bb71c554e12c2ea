"""The private channels: what the core's events say on orders, fills, account, positions, balance_and_position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchanges.simulator.core.events import BalanceChanged, OrderChanged, PositionChanged
from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.core.values import BillKind
from exchanges.simulator.okx.account import account_rows, position_rows
from exchanges.simulator.okx.face import TRADING
from exchanges.simulator.okx.rows_private import fill_push_row, order_push_row
from exchanges.simulator.okx.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exchanges.simulator.core.events import Event, Liquidated
    from exchanges.simulator.core.values import Fill
    from exchanges.simulator.okx.face import Face, Row

Arg = dict[str, str]
PRIVATE = frozenset({"orders", "fills", "account", "positions", "balance_and_position"})
PAGE: dict[str, Any] = {"eventType": "snapshot", "curPage": 1, "lastPage": True}
UPDATE: dict[str, Any] = {"eventType": "event_update"}

# What `balance_and_position` calls the reason, by the bill that came with it.
REASONS = {
    BillKind.TRADE: "filled",
    BillKind.FUNDING: "funding_fee",
    BillKind.TRANSFER: "transferred",
    BillKind.LIQUIDATION: "liquidation",
    BillKind.INSURANCE: "claw_back",
    BillKind.DELIVERY: "delivered",
}
# Fields of a position that are gone with it.
CLOSED = ("avgPx", "bePx", "imr", "liqPx", "mgnRatio", "mmr", "upl", "uplLastPx", "uplRatio", "uplRatioLastPx")
BRIEF = ("posId", "tradeId", "instId", "instType", "mgnMode", "posSide", "pos", "ccy", "posCcy", "avgPx",
         "nonSettleAvgPx", "settledPnl", "uTime")  # fmt: skip


class Ledger:
    """Turns events into the bodies of private pushes, and remembers positions to tell their end."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._positions: dict[str, Row] = {}

    def first(self, arg: Arg) -> list[dict[str, Any]]:
        """Return what a new subscriber gets: everything on all channels but `orders` and `fills`."""
        channel = arg["channel"]
        if channel == "account":
            return [{**PAGE, "data": self.account(arg)}]
        if channel == "positions":
            rows = [self._timed(row) for row in position_rows(self._face) if self.matches(arg, row)]
            return [{**PAGE, "data": rows}]
        if channel == "balance_and_position":
            return [{"data": [self.both("snapshot", None, position_rows(self._face), [])]}]
        return []

    def account(self, arg: Arg, currencies: frozenset[str] = frozenset()) -> list[Row]:
        """Return the account with the coins that changed, the emptied ones included, or with all."""
        wanted = frozenset({arg["ccy"]}) if "ccy" in arg else currencies
        return account_rows(self._face, wanted, emptied=bool(currencies))

    def _timed(self, row: Row) -> Row:
        self._positions[str(row["instId"])] = row
        return {**row, "pTime": str(self._face.now_ms())}

    def matches(self, arg: Arg, row: Row) -> bool:
        """Return whether a row is of the instruments that a subscription asked for."""
        kind, inst_id, family = arg.get("instType", "ANY"), arg.get("instId"), arg.get("instFamily")
        if kind not in {"ANY", row["instType"]}:
            return False
        if inst_id:
            return row["instId"] == inst_id
        if family:
            instrument = self._face.exchange.instruments.get(str(row["instId"]))
            return instrument is not None and not instrument.is_spot and instrument.underlying == family
        return True

    def both(
        self, reason: str, currencies: frozenset[str] | None, positions: Sequence[Row], fills: Sequence[Fill]
    ) -> Row:
        """Return a row of `balance_and_position`; all coins where `currencies` is None."""
        held = self._face.exchange.balances(TRADING)
        chosen = [b for c, b in held.items() if (b.cash if currencies is None else c in currencies)]
        return {
            "pTime": str(self._face.now_ms()),
            "eventType": reason,
            "balData": [{"ccy": b.currency, "cashBal": plain(b.cash), "uTime": str(b.updated_ms)} for b in chosen],
            "posData": [{name: row[name] for name in BRIEF} for row in positions],
            "trades": [{"instId": fill.inst_id, "tradeId": str(fill.trade_id)} for fill in fills],
        }

    def digest(self, events: Sequence[Event]) -> Digest:
        """Gather what a batch of events changed in the trading account."""
        digest = Digest(self._face, self)
        for event in events:
            if isinstance(event, OrderChanged) and event.order.account == TRADING:
                digest.orders.append(order_push_row(self._face, event.order))
                if event.order.last_fill is not None:
                    digest.fills.append(event.order.last_fill)
            elif isinstance(event, BalanceChanged) and event.account == TRADING:
                digest.currencies.add(event.currency)
                if event.bill is not None:
                    digest.cash.add(event.currency)
                    digest.reason = REASONS[event.bill.kind]
            elif isinstance(event, PositionChanged) and event.account == TRADING:
                digest.moved.add(event.inst_id)
        digest.positions = [self._position(inst_id) for inst_id in sorted(digest.moved)]
        return digest

    def _position(self, inst_id: str) -> Row:
        rows = position_rows(self._face, inst_id=inst_id)
        if rows:
            return self._timed(rows[0])
        last = self._positions.pop(inst_id, None) or self._unknown(inst_id)
        now = str(self._face.now_ms())
        return {**last, **dict.fromkeys(CLOSED, ""), "pos": "0", "notionalUsd": "0", "uTime": now, "pTime": now}

    def _unknown(self, inst_id: str) -> Row:
        """Return the row of a position that came and went between two looks."""
        instrument = self._face.instrument(inst_id)
        blank: Row = dict.fromkeys(BRIEF, "")
        return blank | {
            "instId": inst_id,
            "instType": instrument.kind.value,
            "mgnMode": "cross",
            "posSide": "net",
            "ccy": instrument.settle,
            "posId": "0",
        }


class Digest:
    """What a batch of events changed, and the pushes that follow for one subscription."""

    def __init__(self, face: Face, ledger: Ledger) -> None:
        self._face = face
        self._ledger = ledger
        self.orders: list[Row] = []
        self.fills: list[Fill] = []
        self.currencies: set[str] = set()
        self.cash: set[str] = set()
        self.moved: set[str] = set()
        self.positions: list[Row] = []
        self.reason = "filled"

    def bodies(self, arg: Arg) -> list[dict[str, Any]]:
        """Return the pushes for a subscription."""
        build: Mapping[str, Callable[[Arg], list[dict[str, Any]]]] = {
            "orders": self._orders,
            "fills": self._fills,
            "account": self._account,
            "positions": self._positions,
            "balance_and_position": self._both,
        }
        return build[arg["channel"]](arg)

    def _orders(self, arg: Arg) -> list[dict[str, Any]]:
        return [{"data": [row]} for row in self.orders if self._ledger.matches(arg, row)]

    def _fills(self, arg: Arg) -> list[dict[str, Any]]:
        wanted = arg.get("instId")
        return [{"data": [fill_push_row(f)]} for f in self.fills if not wanted or f.inst_id == wanted]

    def _account(self, arg: Arg) -> list[dict[str, Any]]:
        if not self.currencies or ("ccy" in arg and arg["ccy"] not in self.currencies):
            return []
        return [{**UPDATE, "data": self._ledger.account(arg, frozenset(self.currencies))}]

    def _positions(self, arg: Arg) -> list[dict[str, Any]]:
        rows = [row for row in self.positions if self._ledger.matches(arg, row)]
        return [{**UPDATE, "data": rows}] if rows else []

    def _both(self, arg: Arg) -> list[dict[str, Any]]:
        del arg
        if not self.cash and not self.positions:
            return []
        return [{"data": [self._ledger.both(self.reason, frozenset(self.cash), self.positions, self.fills)]}]


def liquidation_row(face: Face, event: Liquidated) -> Row:
    """Return a row of the `liquidation-orders` channel."""
    instrument = face.instrument(event.inst_id)
    side = "buy" if event.size < 0 else "sell"
    detail = {
        "bkLoss": "0",
        "bkPx": plain(event.price),
        "ccy": "",
        "posSide": "long" if side == "sell" else "short",
        "side": side,
        "sz": plain(abs(event.size)),
        "ts": str(event.time_ms),
    }
    return {
        "details": [detail],
        "instFamily": instrument.underlying,
        "instId": event.inst_id,
        "instType": InstrumentKind.SWAP.value,
        "uly": instrument.underlying,
    }
