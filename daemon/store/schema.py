"""The SQL tables. `migrations/` builds them; `keelward db check` compares the two.

One database holds one portfolio. Decimals and times survive exactly on SQLite and on PostgreSQL alike. Money
is never summed or ordered in SQL, for SQLite keeps it as text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

PRECISION = 38
SCALE = 18
QUANTUM = Decimal(1).scaleb(-SCALE)


class ExactDecimal(TypeDecorator[Decimal]):
    """A finite decimal with up to 18 places: NUMERIC(38, 18) on PostgreSQL, canonical text on SQLite."""

    impl = Numeric(PRECISION, SCALE)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        return dialect.type_descriptor(String(60) if dialect.name == "sqlite" else Numeric(PRECISION, SCALE))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Refuse what would not survive, and write the rest in one canonical way."""
        if value is None:
            return None
        if not value.is_finite():
            raise ValueError(f"{value!r} is not finite")
        text = canonical(value)
        whole, _, places = text.lstrip("-").partition(".")
        if len(places) > SCALE or len(whole) > PRECISION - SCALE:
            raise ValueError(f"{value} does not fit {PRECISION} digits with {SCALE} places")
        return text if dialect.name == "sqlite" else Decimal(text)

    def process_result_value(self, value: Any, _dialect: Dialect) -> Decimal | None:
        """Read it back, without the zeros that PostgreSQL appends."""
        return None if value is None else Decimal(canonical(Decimal(value)))


def fitted(value: Decimal) -> Decimal:
    """Return a quotient or a product rounded to the places that a column keeps, half to even."""
    with localcontext(Context(prec=PRECISION + SCALE)):
        return value.quantize(QUANTUM, ROUND_HALF_EVEN)


def canonical(value: Decimal) -> str:
    """Return the one plain text of a decimal: no exponent, no needless zeros."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC to the microsecond; text that sorts on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        return dialect.type_descriptor(String(26) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse a time without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None).isoformat(" ", "microseconds") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read it back in UTC."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        moment: datetime = value
        return moment.astimezone(UTC)


class database_time(FunctionElement[datetime]):  # noqa: N801  # reads as the SQL function it is
    """The database's own clock, moved by some seconds; the only clock that a lease is judged by."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(database_time, "sqlite")
def _sqlite_time(element: database_time, compiler: SQLCompiler, **options: Any) -> str:
    offset = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {offset} || ' seconds')"


@compiles(database_time, "postgresql")
def _postgresql_time(element: database_time, compiler: SQLCompiler, **options: Any) -> str:
    offset = compiler.process(element.clauses, **options)
    return f"(clock_timestamp() + make_interval(secs => {offset}))"


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column declared INTEGER.
Serial = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="What this database belongs to.",
)

lease = Table(
    "lease",
    metadata,
    Column("portfolio", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    CheckConstraint("epoch > 0", name="epoch_positive"),
    comment="Who may send orders, until when, and the how-manieth holder it is.",
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("expected_cost", ExactDecimal),
    Column("snapshot", LargeBinary),
    Column("result", LargeBinary),
    Column("snapshot_digest", Text, nullable=False),
    Column("config_hash", Text, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("duration", Float(53), nullable=False),
    Index("ix_decisions_at", "at"),
    comment="What was decided and why; snapshot and result are dropped after a time, the row stays.",
)

intents = Table(
    "intents",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("decision_id", Text, ForeignKey("decisions.id"), nullable=False),
    Column("leg", Integer, nullable=False),
    Column("slice", Integer, nullable=False),
    Column("venue", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("quantity", ExactDecimal, nullable=False),
    Column("price", ExactDecimal),
    Column("reduce_only", Boolean, nullable=False),
    Column("notional", ExactDecimal, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("uq_intents_decision_id_leg_slice", "decision_id", "leg", "slice", unique=True),
    comment="What was to be ordered; written before anything is sent, and never changed.",
)

orders = Table(
    "orders",
    metadata,
    Column("client_id", Text, ForeignKey("intents.client_id"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("epoch", BigInteger),
    Column("venue_order_id", Text),
    Column("filled", ExactDecimal, nullable=False),
    Column("average_price", ExactDecimal),
    Column("reported_filled", ExactDecimal, nullable=False),
    Column("reported_price", ExactDecimal, nullable=False),
    Column("ended_filled", ExactDecimal),
    Column("late", Boolean, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_orders_settled", "settled"),
    Index("ix_orders_sent_at", "sent_at"),
    Index("ix_orders_venue_order_id", "venue_order_id"),
    comment="The present state of each order, as the fold of its events.",
)

order_events = Table(
    "order_events",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("client_id", Text, ForeignKey("orders.client_id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Index("ix_order_events_client_id", "client_id"),
    comment="All that happened to orders, in the order in which it was learnt.",
)

fills = Table(
    "fills",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("trade_id", Text, primary_key=True),
    Column("order_client_id", Text, ForeignKey("orders.client_id")),
    Column("venue_order_id", Text, nullable=False),
    Column("client_id", Text),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity", ExactDecimal, nullable=False),
    Column("price", ExactDecimal, nullable=False),
    Column("fee", ExactDecimal, nullable=False),
    Column("fee_currency", Text, nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("maker", Boolean),
    Column("realised_pnl", ExactDecimal),
    Index("ix_fills_time", "time"),
    Index("ix_fills_order_client_id", "order_client_id"),
    comment="Executions, each booked once; one without an order of ours was made by hand.",
)

balances = Table(
    "balances",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("total", ExactDecimal, nullable=False),
    comment="Cash by our own books: opening, fills and flows.",
)

positions = Table(
    "positions",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("quantity", ExactDecimal, nullable=False),
    Column("entry_price", ExactDecimal, nullable=False),
    comment="Positions in derivatives by our own books, in base coin.",
)

external_flows = Table(
    "external_flows",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("flow_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", ExactDecimal, nullable=False),
    Column("symbol", Text),
    Column("at", UtcDateTime, nullable=False),
    Column("booked_at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_external_flows_at", "at"),
    comment="What moved without an order of ours: opening, deposits, withdrawals, funding, trades by hand.",
)

equity = Table(
    "equity",
    metadata,
    Column("at", UtcDateTime, primary_key=True),
    Column("equity", ExactDecimal, nullable=False),
    Column("cash", ExactDecimal, nullable=False),
    Column("gross", Float(53), nullable=False),
    Column("net", Float(53), nullable=False),
    Column("peak", ExactDecimal, nullable=False),
    Column("drawdown", Float(53), nullable=False),
    Column("day_start", ExactDecimal, nullable=False),
    Column("hold", ExactDecimal),
    comment="Equity over time, in the quote currency.",
)

halts = Table(
    "halts",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    CheckConstraint("state IN ('ACTIVE', 'REDUCING', 'HALTED')", name="state_known"),
    comment="Every trip and every re-arm of the breaker; the last row is in force.",
)

bars = Table(
    "bars",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("seconds", Float(53), primary_key=True),
    Column("start", UtcDateTime, primary_key=True),
    Column("open", Float(53), nullable=False),
    Column("high", Float(53), nullable=False),
    Column("low", Float(53), nullable=False),
    Column("close", Float(53), nullable=False),
    Column("volume", Float(53), nullable=False),
    Index("ix_bars_start", "start"),
    comment="Closed bars, for a warm start.",
)
