"""The first glance: is it safe, what state is it in and why, and when did it last act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon.page.charts import level
from daemon.page.html import Child, Html, join, tag
from daemon.page.numbers import UNKNOWN, age, money, percent, relative
from daemon.page.parts import code, signed
from daemon.view import TradingState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from daemon.view import StatusView

BEHIND: Final = 5.0  # seconds after which the view itself counts as old
MARKS: Final[Mapping[str, str]] = {"good": "✓", "due": "→", "near": "!", "over": "✕"}
MEANINGS: Final[Mapping[str, str]] = {"near": "Attention: ", "over": "Alarm: "}

Check = tuple[str, str, str]  # the section that tells more, how it stands, and in words


def status(view: StatusView, now: datetime) -> Html:
    """Show the state and why, the checks that stand behind it, and the figures that matter most."""
    condition = view.condition
    well = condition.ready and condition.state is TradingState.ACTIVE
    behind = (now - view.as_of).total_seconds()
    return join(
        tag(
            "p",
            f"The daemon has not renewed these numbers for {age(behind)}.",
            class_="alarm",
            role="alert",
        )
        if behind > BEHIND
        else None,
        tag(
            "div",
            tag("p", condition.state.value, class_=f"state {condition.state.value.lower()}"),
            tag(
                "div",
                tag("p", condition.why, None if well else join(" ", code(condition.reason)), class_="why"),
                tag("p", condition.sentence, class_="sentence") if condition.sentence else None,
            ),
            class_="headline",
        ),
        tag("ul", [chip(*check) for check in checks(view)], class_="checks"),
        tag("dl", [figure(*row) for row in figures(view, now)], class_="figures"),
    )


def checks(view: StatusView) -> Iterable[Check]:
    """Yield what must hold for the book to be safe, each with how it stands."""
    condition = view.condition
    yield ("status", "good", "Ready") if condition.ready else ("status", "over", "Not ready")
    if condition.leader:
        yield "status", "good", f"Leader, epoch {condition.epoch}"
    else:
        yield "status", "near", "Standby: another daemon leads"
    up = sum(connection.connected for connection in view.venue.connections)
    every = len(view.venue.connections)
    yield "venue", "good" if up == every > 0 else "over", f"{up} of {every} connections up"
    fresh = sum(not feed.stale and feed.age is not None for feed in view.feeds)
    yield (
        "feeds",
        "good" if fresh == len(view.feeds) > 0 else "near",
        f"{fresh} of {len(view.feeds)} feeds fresh",
    )
    lost = view.unknown_intents
    yield "orders", "over" if lost else "good", f"{lost or 'No'} order{'' if lost == 1 else 's'} in doubt"
    inside = sum(row.inside is not False for row in view.holdings)
    held = len(view.holdings)
    yield "weights", "good" if inside == held else "due", f"{inside} of {held} weights inside"
    most = max((limit.fraction for limit in view.limits), default=0.0)
    yield "limits", level(most), f"Limits used up to {percent(most, 0)}"


def chip(section: str, standing: str, words: str) -> Html:
    """Return a check as a link to the section that tells more."""
    mark = tag("span", MARKS[standing], class_="mark", aria_hidden="true")
    unseen = tag("span", MEANINGS[standing], class_="unseen") if standing in MEANINGS else None
    return tag("li", tag("a", mark, unseen, words, href=f"#{section}", class_=f"chip {standing}"))


def figures(view: StatusView, now: datetime) -> Iterable[tuple[str, Child, Child]]:
    """Yield the figures that matter most: name, value and a remark."""
    worth = view.equity
    if worth is None:
        yield "Equity", UNKNOWN, "not known before the first cycle"
    else:
        yield f"Equity, {view.instance.currency}", money(worth.now), f"cash {money(worth.cash)}"
        if worth.day_pnl is not None:
            before = worth.now - worth.day_pnl
            change = float(worth.day_pnl / before) if before else 0.0
            yield (
                "Today",
                signed(money(worth.day_pnl, sign=True), change),
                percent(change, sign=True),
            )
        if worth.hold:
            lead = float(worth.now / worth.hold) - 1
            yield "Against holding", signed(percent(lead, sign=True), lead), f"held: {money(worth.hold)}"
        yield "Drawdown", percent(worth.drawdown), f"peak {money(worth.peak)}"
    acted = next((row for row in view.decisions if row.orders), None)
    if acted is None:
        yield "Last acted", UNKNOWN, "no order among the last decisions"
    else:
        words = f"{acted.orders} order{'' if acted.orders == 1 else 's'} placed"
        link = tag("a", words, href=f"/decisions/{acted.id}")
        yield "Last acted", relative(acted.time, now), link
    due = view.condition.next_cycle
    yield (
        "Last cycle",
        relative(view.condition.cycle_at, now),
        join("next ", relative(due, now)) if due else "none is planned",
    )


def figure(name: str, value: Child, remark: Child) -> Html:
    """Return one figure of the first glance."""
    return tag("div", tag("dt", name), tag("dd", value), tag("dd", remark, class_="remark"))
