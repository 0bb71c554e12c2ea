"""A stored decision told in full and computed once more, also by a process that knows nothing but the database."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from daemon import store
from daemon.cycle import _record
from daemon.decide import decide
from daemon.explain import explain, explain_stored
from daemon.replay import NotKeptError, replay
from daemon.store.codec import decode, digest, encode
from daemon.store.database import writing
from daemon.store.decisions import record_decision
from exchanges.port import Side
from risk.portfolio.optimiser import Optimiser
from tests.unit.daemon.parts import AT, HEDGED, settings, snapshot
from tests.unit.daemon.venue import BTC, ETH, SOL, SWAP

if TYPE_CHECKING:
    from daemon.decision import Decision
    from daemon.snapshot import Snapshot
    from daemon.view import Explanation, Table
    from tests.unit.daemon.parts import Rig

REPLAY = """
import sys
from daemon.store.database import open_engine
from daemon.replay import replay
found = replay(open_engine(sys.argv[1]), sys.argv[2])
print(found.agrees, found.damaged, found.differences)
"""


def put(rig: Rig, seen: Snapshot, **changes: object) -> Decision:
    """Decide, and store both."""
    decision = decide(seen, Optimiser())
    stored = replace(_record(seen, decision, 0.0042), **changes)  # type: ignore[arg-type]  # of their own type
    with writing(rig.database) as connection:
        record_decision(connection, stored, [], rig.lease)
    return decision


def lopsided(**changes: object) -> Snapshot:
    made = snapshot(settings(hedge=HEDGED), {BTC: "1", ETH: "10", SWAP: "0.1"}, "10000")
    return replace(made, **changes)  # type: ignore[arg-type]  # the test names fields of their own type


def table(found: Explanation, title: str) -> Table:
    return next(one for one in found.tables if one.title == title)


def test_a_fresh_process_computes_the_same_to_the_last_digit(rig: Rig) -> None:
    decision = put(rig, lopsided())
    assert decision.legs
    done = subprocess.run(
        [sys.executable, "-c", REPLAY, rig.database.url.render_as_string(hide_password=False), decision.id],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "True False ()"


async def test_a_replay_names_what_differs(rig: Rig) -> None:
    seen = lopsided()
    wrong = replace(decide(seen, Optimiser()), gain=1.5, solver="by hand")
    put(rig, seen, result=encode(wrong))
    found = replay(rig.database, seen.decision_id)
    assert not found.agrees
    assert [name for name, *_ in found.differences] == ["gain", "solver"]
    assert found.differences[0][1] == "1.5"
    assert not found.damaged


async def test_a_snapshot_that_is_not_the_one_that_was_written_is_told(rig: Rig) -> None:
    seen = lopsided()
    put(rig, seen, snapshot_digest=digest(b"another"))
    assert replay(rig.database, seen.decision_id[:12]).damaged


async def test_what_is_not_kept_cannot_be_replayed_and_is_explained_as_far_as_it_goes(rig: Rig) -> None:
    seen = lopsided()
    put(rig, seen)
    keep = store.Retention(timedelta(days=1), timedelta(days=1), timedelta(days=1))
    with writing(rig.database) as connection:
        store.prune(connection, AT + timedelta(days=2), keep)
    with pytest.raises(NotKeptError, match="is no longer kept"):
        replay(rig.database, seen.decision_id)
    with pytest.raises(NotKeptError, match="there is no decision nothing"):
        replay(rig.database, "nothing")
    found = explain(rig.database, seen.decision_id)
    assert found is not None
    assert found.paragraphs == ("What this decision saw is no longer kept.",)
    assert explain(rig.database, "nothing") is None


async def test_an_explanation_names_inputs_weights_risk_costs_bounds_and_orders(rig: Rig) -> None:
    decision = put(rig, lopsided())
    found = await explain_stored(rig.database, decision.id)
    assert found is not None
    text = " ".join(found.paragraphs)
    assert f"concluded: {decision.sentence}" in text
    assert "Equity was 100,000.00, of which 10,000.00 cash." in text
    assert "The regime was calm" in text
    assert "optimal in" in text
    assert "4.2 ms" in text
    inputs = table(found, "What it saw")
    assert [row[0] for row in inputs.rows] == [BTC, ETH, SOL, SWAP]
    weights = table(found, "Weights and the no-trade region")
    assert [(row[0], row[1], row[5]) for row in weights.rows] == [
        (line.symbol, line.weight, line.planned) for line in decision.lines
    ]
    risk = {row[0]: row[1:] for one in found.tables if one.columns[0].heading == "Figure" for row in one.rows}
    assert decision.before is not None
    assert decision.after is not None
    assert risk["Volatility a year"] == (decision.before.volatility, decision.after.volatility)
    assert risk["Net beta"] == (decision.before.beta, decision.after.beta)
    costs = {row[0]: row[1] for row in table(found, "Costs").rows}
    assert costs["Expected, of all legs"] == decision.expected_cost
    assert costs["Turnover filled"] == 0
    assert len(table(found, "What bound the optimum").rows) == len(decision.binding) > 0


async def test_what_was_refused_is_explained_with_its_limits(rig: Rig) -> None:
    seen = snapshot(settings(limits={"max_value_at_risk": 0.001}))
    put(rig, seen)
    found = explain(rig.database, seen.decision_id)
    assert found is not None
    ((code, symbol, sentence),) = table(found, "Refused").rows
    assert (code, symbol) == ("value_at_risk", None)
    assert "above the limit" in str(sentence)
    assert "Costs" not in {one.title for one in found.tables}


async def test_what_was_really_paid_stands_beside_what_was_foretold(rig: Rig) -> None:
    await rig.books.recover()
    seen = lopsided(decision_id="d1")
    decision = decide(seen, Optimiser())
    rig.settings = settings()
    legs = [one for one in decision.legs if one.symbol != SWAP]
    orders = await rig.planned(*legs)
    with writing(rig.database) as connection:
        connection.exec_driver_sql("UPDATE decisions SET result = ?, snapshot = ?", (encode(decision), encode(seen)))
    await rig.desk.send(orders, rig.lease)
    await rig.resolver.settle([order.client_id for order in orders], 5.0)
    found = explain(rig.database, "d1")
    assert found is not None
    costs = {row[0]: row[1] for row in table(found, "Costs").rows}
    turnover = sum(order.quantity * (order.price or Decimal(0)) for order in orders)
    slippage = sum(
        (order.quantity * abs((order.price or Decimal(0)) - one.mid) for order, one in zip(orders, legs, strict=True)),
        start=Decimal(0),
    )
    assert costs["Turnover filled"] == turnover
    assert costs["Paid: fees and slippage against the mid price seen"] == slippage + turnover * Decimal("0.001")
    told = table(found, "Orders")
    assert [row[0] for row in told.rows] == [order.client_id for order in orders]
    assert {row[2] for row in told.rows} <= {Side.BUY.value, Side.SELL.value}
    assert {row[7] for row in told.rows} == {"filled"}


async def test_what_is_stored_is_what_was_decided(rig: Rig) -> None:
    seen = lopsided()
    decision = put(rig, seen)
    stored = _record(seen, decision, 0.0)
    assert stored.result is not None
    assert decode(stored.result) == decision
    assert stored.snapshot_digest == digest(encode(seen))
