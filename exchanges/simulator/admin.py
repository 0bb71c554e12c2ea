"""The admin endpoint: faults, the truth about the account, money in and out, markets and prices, as plain JSON.

It listens on a port of its own on loopback and knows no keys: whoever can reach it may do everything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from exchanges.simulator.core.instruments import InstrumentState
from exchanges.simulator.core.refusals import Refused
from exchanges.simulator.core.values import OrderRequest, OrderType, Side
from exchanges.simulator.faults import Fault
from exchanges.simulator.okx.account import position_rows
from exchanges.simulator.okx.asset import deposit, withdraw
from exchanges.simulator.okx.errors import OkxError
from exchanges.simulator.okx.face import TRADING
from exchanges.simulator.okx.rows_private import bill_row, fill_row, order_row
from exchanges.simulator.okx.text import plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from exchanges.simulator.okx.face import Face
    from exchanges.simulator.okx.server import OkxServer
    from exchanges.simulator.price_control import PriceControl

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RULES = frozenset({"tick_size", "lot_size", "min_size"})
EVERYTHING = 1_000_000
MANUAL_TAG = "manual"


@dataclass(slots=True)
class Pace:
    """How the scheduler keeps up: ticks made, seconds of work in them, and the worst delay behind the plan."""

    ticks: int = 0
    busy: float = 0.0
    worst_lag: float = 0.0


class BadCommand(ValueError):
    """A command that makes no sense; the answer is HTTP 400 with its sentence."""


@web.middleware
async def complain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what is wrong with a command in words."""
    try:
        return await handler(request)
    except (ValueError, OkxError, Refused, orjson.JSONDecodeError) as error:
        text = error.message if isinstance(error, OkxError) else str(error)
        return _json({"error": text}, 400)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value, default=str), status=status, content_type="application/json")


async def _fields(request: web.Request) -> dict[str, Any]:
    body = await request.read()
    value = orjson.loads(body) if body else {}
    if not isinstance(value, dict):
        raise BadCommand("the body must be a JSON object")
    return value


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise BadCommand(f"{name} is missing")
    return value


def _decimal(fields: Mapping[str, Any], name: str) -> Decimal:
    try:
        value = Decimal(str(fields[name]))
    except (KeyError, InvalidOperation):
        raise BadCommand(f"{name} must be a number") from None
    if not value.is_finite():
        raise BadCommand(f"{name} must be a number")
    return value


@dataclass(frozen=True, slots=True)
class Admin:
    """The commands, each a method on a path."""

    face: Face
    server: OkxServer
    prices: PriceControl
    pace: Pace

    def application(self) -> web.Application:
        """Return the application to be served."""
        app = web.Application(middlewares=[complain])
        app.router.add_routes(
            [
                web.get("/faults", self.list_faults),
                web.post("/faults", self.add_fault),
                web.delete("/faults", self.clear_faults),
                web.delete("/faults/{id}", self.remove_fault),
                web.get("/orders", self.orders),
                web.get("/fills", self.fills),
                web.get("/bills", self.bills),
                web.get("/balances", self.balances),
                web.get("/positions", self.positions),
                web.get("/statistics", self.statistics),
                web.post("/deposit", self.deposit),
                web.post("/withdraw", self.withdraw),
                web.post("/manual-trade", self.manual_trade),
                web.post("/market", self.market),
                web.post("/price", self.price),
                web.get("/clock", self.clock),
            ]
        )
        return app

    async def list_faults(self, request: web.Request) -> web.Response:
        """Tell the armed faults with how often they matched and hit."""
        del request
        return _json([asdict(report) for report in self.face.faults.report()])

    async def add_fault(self, request: web.Request) -> web.Response:
        """Arm a fault; its fields are those of `Fault`."""
        return _json({"id": self.face.faults.add(Fault.from_json(await _fields(request)))})

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Disarm all faults."""
        del request
        self.face.faults.clear()
        return _json({})

    async def remove_fault(self, request: web.Request) -> web.Response:
        """Disarm one fault."""
        if not self.face.faults.remove(int(request.match_info["id"])):
            raise BadCommand("there is no such fault")
        return _json({})

    async def orders(self, request: web.Request) -> web.Response:
        """Tell every order, newest first, untouched by faults."""
        del request
        exchange = self.face.exchange
        found = [
            *exchange.open_orders(TRADING, limit=EVERYTHING),
            *exchange.closed_orders(TRADING, limit=EVERYTHING),
        ]
        found.sort(key=lambda order: order.order_id, reverse=True)
        return _json([order_row(self.face, order) for order in found])

    async def fills(self, request: web.Request) -> web.Response:
        """Tell every fill, newest first."""
        del request
        found = self.face.exchange.fills(TRADING, limit=EVERYTHING)
        return _json([fill_row(self.face, fill) for fill in found])

    async def bills(self, request: web.Request) -> web.Response:
        """Tell the whole ledger, newest first."""
        del request
        return _json([bill_row(bill) for bill in self.face.exchange.bills(TRADING, limit=EVERYTHING)])

    async def balances(self, request: web.Request) -> web.Response:
        """Tell each coin: cash, held, margin, unrealised, equity, available."""
        del request
        return _json(
            {
                currency: {
                    "cash": plain(b.cash),
                    "held": plain(b.held),
                    "margin": plain(b.margin),
                    "unrealised": plain(b.unrealised),
                    "equity": plain(b.equity),
                    "available": plain(b.available),
                }
                for currency, b in self.face.exchange.balances(TRADING).items()
            }
        )

    async def positions(self, request: web.Request) -> web.Response:
        """Tell open positions."""
        del request
        return _json(position_rows(self.face))

    async def statistics(self, request: web.Request) -> web.Response:
        """Tell how many messages were pushed per channel, and how the scheduler keeps its pace."""
        del request
        return _json({"pushed": dict(self.server.hub.pushed), "pace": asdict(self.pace)})

    async def deposit(self, request: web.Request) -> web.Response:
        """Pay `amount` of `currency` into the trading account."""
        fields = await _fields(request)
        made = deposit(self.face, _text(fields, "currency"), _decimal(fields, "amount"))
        self.server.hub.settle()
        return _json({"id": made.id})

    async def withdraw(self, request: web.Request) -> web.Response:
        """Pay `amount` of `currency` out of the trading account."""
        fields = await _fields(request)
        made = withdraw(self.face, _text(fields, "currency"), _decimal(fields, "amount"))
        self.server.hub.settle()
        return _json({"id": made.id})

    async def manual_trade(self, request: web.Request) -> web.Response:
        """Trade by hand: a market order of `size` on `instrument`, as if from the venue's own app."""
        fields = await _fields(request)
        instrument = self.face.instrument(_text(fields, "instrument"))
        order = self.face.exchange.place(
            TRADING,
            OrderRequest(
                inst_id=instrument.inst_id,
                side=Side(_text(fields, "side")),
                type=OrderType.MARKET,
                size=_decimal(fields, "size"),
                trade_mode="cash" if instrument.is_spot else "cross",
                tag=MANUAL_TAG,
            ),
        )
        self.server.hub.settle()
        return _json(order_row(self.face, order))

    async def market(self, request: web.Request) -> web.Response:
        """Change an `instrument`: its `state`, or its `tick_size`, `lot_size` and `min_size`."""
        fields = await _fields(request)
        instrument = self.face.instrument(_text(fields, "instrument"))
        if "state" in fields:
            self.face.exchange.set_state(instrument.inst_id, InstrumentState(_text(fields, "state")))
        rules = RULES & fields.keys()
        if rules:
            listed = self.face.instrument(instrument.inst_id)
            new = {name: _decimal({name: getattr(listed, name), **fields}, name) for name in RULES}
            changed = replace(listed, tick_size=new["tick_size"], lot_size=new["lot_size"], min_size=new["min_size"])
            self.face.exchange.change_rules(changed)
        if not rules and "state" not in fields:
            raise BadCommand("nothing to change: state, tick_size, lot_size or min_size")
        self.server.hub.settle()
        return _json({})

    async def price(self, request: web.Request) -> web.Response:
        """Move a `series` (or `*`): `set` a price, `shock` it by a fraction, or `freeze` it (false to thaw)."""
        fields = await _fields(request)
        self.prices.command(fields)
        return _json({})

    async def clock(self, request: web.Request) -> web.Response:
        """Tell the venue's time, as clients are told it; a `skew` fault moves it."""
        del request
        return _json({"now_ms": self.face.now_ms(), "exchange_ms": self.face.exchange.now_ms})
