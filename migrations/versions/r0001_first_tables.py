"""The first tables.

Revision: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

DECIMAL = sa.Numeric(38, 18).with_variant(sa.String(60), "sqlite")
TIME = sa.DateTime(timezone=True).with_variant(sa.String(26), "sqlite")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

TABLES = (
    "balances",
    "bars",
    "decisions",
    "equity",
    "external_flows",
    "halts",
    "lease",
    "meta",
    "positions",
    "intents",
    "orders",
    "fills",
    "order_events",
)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "balances",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total", DECIMAL, nullable=False),
        sa.PrimaryKeyConstraint("venue", "account", "currency", name="pk_balances"),
        comment="Cash by our own books: opening, fills and flows.",
    )
    op.create_table(
        "bars",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(53), nullable=False),
        sa.Column("start", TIME, nullable=False),
        sa.Column("open", sa.Float(53), nullable=False),
        sa.Column("high", sa.Float(53), nullable=False),
        sa.Column("low", sa.Float(53), nullable=False),
        sa.Column("close", sa.Float(53), nullable=False),
        sa.Column("volume", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("venue", "symbol", "seconds", "start", name="pk_bars"),
        comment="Closed bars, for a warm start.",
    )
    op.create_index("ix_bars_start", "bars", ["start"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("expected_cost", DECIMAL, nullable=True),
        sa.Column("snapshot", sa.LargeBinary(), nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.Column("snapshot_digest", sa.Text(), nullable=False),
        sa.Column("config_hash", sa.Text(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("duration", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        comment="What was decided and why; snapshot and result are dropped after a time, the row stays.",
    )
    op.create_index("ix_decisions_at", "decisions", ["at"])
    op.create_table(
        "equity",
        sa.Column("at", TIME, nullable=False),
        sa.Column("equity", DECIMAL, nullable=False),
        sa.Column("cash", DECIMAL, nullable=False),
        sa.Column("gross", sa.Float(53), nullable=False),
        sa.Column("net", sa.Float(53), nullable=False),
        sa.Column("peak", DECIMAL, nullable=False),
        sa.Column("drawdown", sa.Float(53), nullable=False),
        sa.Column("day_start", DECIMAL, nullable=False),
        sa.Column("hold", DECIMAL, nullable=True),
        sa.PrimaryKeyConstraint("at", name="pk_equity"),
        comment="Equity over time, in the quote currency.",
    )
    op.create_table(
        "external_flows",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("flow_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", DECIMAL, nullable=False),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("booked_at", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "account", "flow_id", name="pk_external_flows"),
        comment="What moved without an order of ours: opening, deposits, withdrawals, funding, trades by hand.",
    )
    op.create_index("ix_external_flows_at", "external_flows", ["at"])
    op.create_table(
        "halts",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('ACTIVE', 'REDUCING', 'HALTED')", name=op.f("ck_halts_ck_halts_state_known")),
        sa.PrimaryKeyConstraint("id", name="pk_halts"),
        comment="Every trip and every re-arm of the breaker; the last row is in force.",
    )
    op.create_table(
        "lease",
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.CheckConstraint("epoch > 0", name=op.f("ck_lease_ck_lease_epoch_positive")),
        sa.PrimaryKeyConstraint("portfolio", name="pk_lease"),
        comment="Who may send orders, until when, and the how-manieth holder it is.",
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
        comment="What this database belongs to.",
    )
    op.create_table(
        "positions",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.Column("entry_price", DECIMAL, nullable=False),
        sa.PrimaryKeyConstraint("venue", "account", "symbol", name="pk_positions"),
        comment="Positions in derivatives by our own books, in base coin.",
    )
    op.create_table(
        "intents",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("leg", sa.Integer(), nullable=False),
        sa.Column("slice", sa.Integer(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.Column("price", DECIMAL, nullable=True),
        sa.Column("reduce_only", sa.Boolean(), nullable=False),
        sa.Column("notional", DECIMAL, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name="fk_intents_decision_id_decisions"),
        sa.PrimaryKeyConstraint("client_id", name="pk_intents"),
        comment="What was to be ordered; written before anything is sent, and never changed.",
    )
    op.create_index("uq_intents_decision_id_leg_slice", "intents", ["decision_id", "leg", "slice"], unique=True)
    op.create_table(
        "orders",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("venue_order_id", sa.Text(), nullable=True),
        sa.Column("filled", DECIMAL, nullable=False),
        sa.Column("average_price", DECIMAL, nullable=True),
        sa.Column("reported_filled", DECIMAL, nullable=False),
        sa.Column("reported_price", DECIMAL, nullable=False),
        sa.Column("ended_filled", DECIMAL, nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["intents.client_id"], name="fk_orders_client_id_intents"),
        sa.PrimaryKeyConstraint("client_id", name="pk_orders"),
        comment="The present state of each order, as the fold of its events.",
    )
    op.create_index("ix_orders_sent_at", "orders", ["sent_at"])
    op.create_index("ix_orders_settled", "orders", ["settled"])
    op.create_index("ix_orders_venue_order_id", "orders", ["venue_order_id"])
    op.create_table(
        "fills",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("trade_id", sa.Text(), nullable=False),
        sa.Column("order_client_id", sa.Text(), nullable=True),
        sa.Column("venue_order_id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.Column("price", DECIMAL, nullable=False),
        sa.Column("fee", DECIMAL, nullable=False),
        sa.Column("fee_currency", sa.Text(), nullable=False),
        sa.Column("time", TIME, nullable=False),
        sa.Column("maker", sa.Boolean(), nullable=True),
        sa.Column("realised_pnl", DECIMAL, nullable=True),
        sa.ForeignKeyConstraint(["order_client_id"], ["orders.client_id"], name="fk_fills_order_client_id_orders"),
        sa.PrimaryKeyConstraint("venue", "account", "trade_id", name="pk_fills"),
        comment="Executions, each booked once; one without an order of ours was made by hand.",
    )
    op.create_index("ix_fills_order_client_id", "fills", ["order_client_id"])
    op.create_index("ix_fills_time", "fills", ["time"])
    op.create_table(
        "order_events",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["orders.client_id"], name="fk_order_events_client_id_orders"),
        sa.PrimaryKeyConstraint("id", name="pk_order_events"),
        comment="All that happened to orders, in the order in which it was learnt.",
    )
    op.create_index("ix_order_events_client_id", "order_events", ["client_id"])


def downgrade() -> None:
    """Drop them, and all that is in them."""
    for table in reversed(TABLES):
        op.drop_table(table)
