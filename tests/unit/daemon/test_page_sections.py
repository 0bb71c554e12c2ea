"""The page as a whole: complete, honest about what is not known, and never trusting its inputs."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from daemon.page.document import decision_page, live_parts, missing_page
from daemon.page.document import status_page as status_page_of
from daemon.page.glance import checks
from daemon.page.html import VOID
from daemon.page.sections import SECTIONS, render
from daemon.view import TradingState
from tests.example_view import NOW, example, explanation, halted

if TYPE_CHECKING:
    from daemon.view import StatusView

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


class Nesting(HTMLParser):
    """Fails on an element that is not closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.ids.extend(value or "" for name, value in attrs if name == "id")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parse(markup: str) -> Nesting:
    parser = Nesting()
    parser.feed(markup)
    parser.close()
    assert parser.open == []
    return parser


def empty(view: StatusView) -> StatusView:
    """The view at the very start, before anything is known."""
    return replace(
        view,
        condition=replace(view.condition, sentence=None, cycle_at=None, next_cycle=None),
        equity=None,
        holdings=(),
        hedge=None,
        decisions=(),
        orders=(),
        fills=(),
        limits=(),
        risk=None,
        feeds=(),
        venue=replace(view.venue, connections=(), clock_offset=None, clock_uncertainty=None),
    )


def status_page(view: StatusView, now: datetime) -> str:
    return status_page_of(view, render(view, now))


def without(value: Any, *names: str) -> Any:
    """The same value with these fields not known."""
    return replace(value, **dict.fromkeys(names))


def poisoned(value: Any) -> Any:
    """The same value with every text in it replaced by markup that must not survive."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, tuple):
        return tuple(poisoned(each) for each in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in dataclasses.fields(value))
        return replace(value, **{name: poisoned(getattr(value, name)) for name in names})
    return value


def test_the_page_is_well_formed_and_has_every_section_once() -> None:
    page = parse(status_page(example(), NOW))
    assert set(SECTIONS) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("make", [empty, halted])
def test_any_state_of_knowledge_can_be_shown(make: Any) -> None:
    for name, markup in render(make(example()), NOW).items():
        parse(markup)
        assert markup, name


def test_each_field_that_may_be_unknown_can_be_unknown() -> None:
    view = example()
    assert view.equity is not None
    risk = ("volatility", "var", "expected_shortfall", "diversification", "tracking_error", "regime")
    weights = ("weight", "target", "low", "high", "price", "value", "inside", "volatility")
    unknown = replace(
        view,
        equity=replace(without(view.equity, "day_pnl", "hold"), series=view.equity.series[:1]),
        risk=without(view.risk, *risk, "var_limit", "expected_shortfall_limit"),
        hedge=without(view.hedge, "beta", "value"),
        holdings=tuple(without(row, *weights) for row in view.holdings),
        feeds=tuple(without(row, "age", "bid", "ask", "spread") for row in view.feeds),
        orders=tuple(without(row, "price", "average_price") for row in view.orders),
        decisions=tuple(without(row, "expected_cost") for row in view.decisions),
    )
    page = status_page(unknown, NOW)
    parse(page)
    assert not {"None", "nan"} & set(re.findall(r"\w+", page))


def test_no_text_of_the_view_becomes_markup() -> None:
    view = poisoned(example())
    pages = (
        status_page(view, NOW),
        decision_page(poisoned(explanation(example())), view.instance, NOW),
        missing_page(HOSTILE, view.instance),
        *render(view, NOW).values(),
    )
    for page in pages:
        assert "img" not in parse(page).seen
        assert HOSTILE not in page


def test_the_state_and_why_come_first() -> None:
    page = status_page(halted(example()), NOW)
    assert page.index("HALTED") < page.index("Halted by the daily loss limit") < page.index("Equity, USDT")
    assert "<title>HALTED" in page
    assert "daily_loss" in page


def test_numbers_that_are_no_longer_renewed_are_called_old() -> None:
    view = example()
    assert "has not renewed" not in status_page(view, NOW + timedelta(seconds=2))
    assert "has not renewed these numbers for 42" in status_page(view, NOW + timedelta(seconds=42))


def standing(view: StatusView) -> list[str]:
    return [how for _, how, _ in checks(view)]


def safe(view: StatusView) -> StatusView:
    return replace(
        view,
        feeds=tuple(replace(row, stale=False) for row in view.feeds),
        holdings=tuple(replace(row, inside=True) for row in view.holdings),
        limits=tuple(replace(row, fraction=0.5) for row in view.limits),
    )


def test_all_is_well_only_when_each_check_is() -> None:
    view = safe(example())
    assert set(standing(view)) == {"good"}
    spoilt = (
        replace(view, condition=replace(view.condition, ready=False)),
        replace(view, condition=replace(view.condition, leader=False)),
        replace(view, unknown_intents=1),
        replace(view, feeds=(replace(view.feeds[0], age=None), *view.feeds[1:])),
        replace(view, feeds=()),
        replace(view, limits=(replace(view.limits[0], fraction=1.2),)),
        replace(view, holdings=(replace(view.holdings[0], inside=False),)),
        replace(view, venue=replace(view.venue, connections=())),
        replace(
            view,
            venue=replace(view.venue, connections=(replace(view.venue.connections[0], connected=False),)),
        ),
    )
    for worse in spoilt:
        assert sum(how != "good" for how in standing(worse)) == 1


def test_limits_nearly_used_up_come_first_and_the_others_keep_their_places() -> None:
    view = example()
    uses = (0.1, 0.9, 0.3, 1.1, 0.2)
    limits = tuple(replace(view.limits[0], code=f"limit{n}", fraction=fraction) for n, fraction in enumerate(uses))
    shown = render(replace(view, limits=limits), NOW)["limits"]
    assert re.findall(r'title="limit(\d)"', shown) == ["3", "1", "0", "2", "4"]


def test_live_money_is_told_from_simulated() -> None:
    view = example()
    live = replace(view, instance=replace(view.instance, mode=type(view.instance.mode)("live")))
    assert "live money" in status_page(live, NOW)
    assert "live money" not in status_page(view, NOW)


def test_what_did_not_change_is_drawn_the_same() -> None:
    view, changed = example(), replace(example(), unknown_intents=3)
    before, after = (live_parts(each, render(each, NOW)) for each in (view, changed))
    assert {name for name in before if before[name] != after[name]} == {"status"}


def test_each_state_has_a_look_of_its_own() -> None:
    view = example()
    for state in TradingState:
        shown = status_page(replace(view, condition=replace(view.condition, state=state)), NOW)
        assert f'class="state {state.lower()}"' in shown
