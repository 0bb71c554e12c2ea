"""The metrics: what a scrape says, that it keeps Prometheus's conventions, and that it stays small."""

from __future__ import annotations

import asyncio
import math
import subprocess
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.metrics import Labels, Metrics, watch_loop
from daemon.view import TradingState
from tests.example_view import NOW, example, halted
from tests.tools import require_tool

if TYPE_CHECKING:
    from prometheus_client import Metric

OUTCOMES = ("trade", "hold", "refuse")
REASONS = ("rebalance", "inside_region", "stale_price", "risk_limit")
UNITS = ("_seconds", "_quote", "_ratio", "_bytes", "_info")
UNITLESS = {  # counts and flags, which have no unit
    "keelward_ready",
    "keelward_leader",
    "keelward_lease_epoch",
    "keelward_unknown_intents",
    "keelward_venue_connections",
    "keelward_venue_connections_up",
    "keelward_trading_state",
    "keelward_volatility_regime",
}


def build(assets: tuple[str, ...] = (), symbols: tuple[str, ...] = ()) -> Metrics:
    view = example()
    return Metrics(
        Labels(
            assets=assets or tuple(row.symbol for row in view.holdings),
            symbols=symbols or tuple(row.symbol for row in view.feeds),
            outcomes=OUTCOMES,
            reasons=REASONS,
            triggers=("timer", "drift", "volatility", "external"),
            limits=tuple(limit.code for limit in view.limits),
            order_ends=("filled", "canceled", "rejected"),
        ),
        portfolio="core-ten",
        venue="okx",
        currency="USDT",
        version="0.1.0",
        config_hash="9f2c51ab",
    )


def families(metrics: Metrics) -> dict[str, Metric]:
    parsed = text_string_to_metric_families(metrics.exposition().decode())
    return {family.name: family for family in parsed}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(name, labels)
    assert found is not None, f"{name} {labels} is not exposed"
    return found


def test_every_metric_has_our_prefix_help_and_a_unit() -> None:
    ours = {name: family for name, family in families(build()).items() if not name.startswith(("process_", "python_"))}
    assert len(ours) > 50
    for name, family in ours.items():
        assert name.startswith("keelward_")
        assert family.documentation.endswith("."), name
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples), name
        elif family.type == "histogram":
            assert name.endswith("_seconds"), name
        else:
            assert name.endswith(UNITS) or name in UNITLESS, name


def test_exposes_the_process_as_well() -> None:
    assert value(build(), "process_resident_memory_bytes") > 1e6


def test_promtool_finds_nothing_to_say() -> None:
    promtool = require_tool("promtool")
    metrics = build()
    metrics.show(example())
    done = subprocess.run([promtool, "check", "metrics"], input=metrics.exposition(), capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_every_child_exists_before_the_first_event_and_none_is_added_after() -> None:
    metrics = build()
    before = {(s.name, *s.labels.items()) for f in families(metrics).values() for s in f.samples}
    assert value(metrics, "keelward_cycles_total", outcome="refuse") == 0
    metrics.cycle(trigger="timer", outcome="hold", reason="inside_region", seconds=0.01)
    metrics.order_ended("rejected")
    metrics.refused("day_turnover")
    metrics.show(example())
    metrics.show(halted(example()))
    after = {(s.name, *s.labels.items()) for f in families(metrics).values() for s in f.samples}
    assert after == before


def test_sixty_assets_stay_below_a_thousand_series() -> None:
    names = tuple(f"A{n}/USDT" for n in range(60))
    lines = build(names, names).exposition().decode().splitlines()
    assert sum(not line.startswith("#") for line in lines) < 1000


def test_a_value_outside_its_set_counts_as_other() -> None:
    metrics = build()
    metrics.cycle(trigger="moon", outcome="hold", reason="a reason nobody listed", seconds=0.01)
    assert value(metrics, "keelward_decisions_total", reason="other") == 1
    assert value(metrics, "keelward_triggers_total", trigger="other") == 1
    assert value(metrics, "keelward_cycles_total", outcome="hold") == 1


def test_events_are_counted_and_timed() -> None:
    metrics = build()
    metrics.cycle(trigger="drift", outcome="trade", reason="rebalance", seconds=0.2)
    metrics.decided(0.02)
    metrics.decided(0.001)
    metrics.committed(0.0001)
    metrics.sent(3, 0.05)
    metrics.reacted(0.03)
    metrics.filled(Decimal("100.25"))
    metrics.filled(Decimal(50), late=True)
    expected = {
        "keelward_cycle_seconds_sum": 0.2,
        "keelward_decision_seconds_count": 2,
        "keelward_commit_seconds_count": 1,
        "keelward_send_seconds_count": 1,
        "keelward_reaction_seconds_sum": 0.03,
        "keelward_orders_sent_total": 3,
        "keelward_fills_total": 2,
        "keelward_late_fills_total": 1,
        "keelward_turnover_quote_total": 150.25,
    }
    assert {name: value(metrics, name) for name in expected} == pytest.approx(expected)


def test_streams_broken_off_for_want_of_quotes_are_counted_from_the_view() -> None:
    metrics, view = build(), example()
    for total in (2, 5):
        metrics.show(replace(view, venue=replace(view.venue, stale=total)))
    assert value(metrics, "keelward_feed_stale_total") == 5


def test_gauges_say_what_the_view_says() -> None:
    metrics, view = build(), example()
    metrics.show(view)
    assert view.equity is not None
    assert value(metrics, "keelward_equity_quote") == float(view.equity.now)
    assert value(metrics, "keelward_weight_ratio", symbol="SOL/USDT") == 0.0914
    assert value(metrics, "keelward_weight_low_ratio", symbol="SOL/USDT") == pytest.approx(0.106)
    assert value(metrics, "keelward_trading_state", state="ACTIVE") == 1
    assert value(metrics, "keelward_trading_state", state="HALTED") == 0
    assert value(metrics, "keelward_volatility_regime", regime="elevated") == 1
    assert value(metrics, "keelward_limit_used_ratio", limit="day_turnover") == 0.824
    assert value(metrics, "keelward_venue_clock_offset_seconds", venue="okx") == -0.0121
    assert value(metrics, "keelward_venue_connections_up", venue="okx") == 2


def test_moments_are_timestamps() -> None:
    metrics = build()
    metrics.show(example())
    last = value(metrics, "keelward_last_successful_cycle_timestamp_seconds")
    assert last == NOW.timestamp() - 12
    quote = value(metrics, "keelward_feed_last_quote_timestamp_seconds", symbol="LINK/USDT")
    assert quote == pytest.approx(NOW.timestamp() - 6.2)


def test_what_is_not_known_is_nan_and_never_zero() -> None:
    metrics, view = build(), example()
    assert math.isnan(value(metrics, "keelward_equity_quote"))
    metrics.show(view)
    metrics.show(replace(view, equity=None, risk=None, hedge=None, holdings=view.holdings[1:]))
    unknown: tuple[tuple[str, dict[str, str]], ...] = (
        ("keelward_equity_quote", {}),
        ("keelward_value_at_risk_ratio", {}),
        ("keelward_net_beta_ratio", {}),
        ("keelward_volatility_regime", {"regime": "calm"}),
        ("keelward_weight_ratio", {"symbol": view.holdings[0].symbol}),
    )
    for name, labels in unknown:
        assert math.isnan(value(metrics, name, **labels)), name
    assert value(metrics, "keelward_weight_ratio", symbol=view.holdings[1].symbol) > 0


def test_exactly_one_state_is_on() -> None:
    metrics, view = build(), example()
    for state in TradingState:
        metrics.show(replace(view, condition=replace(view.condition, state=state)))
        on = [s for s in TradingState if value(metrics, "keelward_trading_state", state=s)]
        assert on == [state]


def test_feed_totals_follow_the_view_and_outlive_a_restart_of_the_feed() -> None:
    metrics, view = build(), example()

    def show(messages: int) -> float:
        metrics.show(replace(view, feeds=(replace(view.feeds[0], messages=messages),)))
        return value(metrics, "keelward_feed_messages_total")

    assert [show(10), show(10), show(25), show(4), show(6)] == [10, 10, 25, 29, 31]


async def test_a_blocked_event_loop_shows_as_lag() -> None:
    metrics = build()
    watch = asyncio.create_task(watch_loop(metrics, interval=0.01))
    await asyncio.sleep(0.005)
    time.sleep(0.06)  # noqa: ASYNC251 - blocking the loop is the point
    await asyncio.sleep(0.005)  # the timer of the watch is long due and runs before this one
    watch.cancel()
    assert value(metrics, "keelward_event_loop_lag_seconds_sum") > 0.04
