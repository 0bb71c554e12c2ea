"""Whole documents: the status page, a decision's page, and a page for what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon.page.html import Child, Html, join, tag
from daemon.page.numbers import moment, relative, write
from daemon.page.parts import Heading, badge, code, facts, table
from daemon.page.sections import SECTIONS
from daemon.view import Mode, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from daemon.view import Explanation, Instance, StatusView, Table

RELOAD_WITHOUT_SCRIPT: Final = 10  # seconds
KEEL: Final = "M3 8h18c-1 6-4 9-9 13C7 17 4 14 3 8Zm8-6h2v5h-2Z"


def status_page(view: StatusView, content: Mapping[str, Html]) -> Html:
    """Return the status page with its sections; it is complete without its script, which only renews it."""
    sections = [
        tag(
            "section",
            tag("h2", title, id=f"{name}-title", class_="unseen" if name == "status" else None),
            tag("div", content[name], class_="body", data_live=name),
            id=name,
            aria_labelledby=f"{name}-title",
        )
        for name, (title, _) in SECTIONS.items()
    ]
    return document(
        title(view),
        view.instance,
        join(
            tag("p", tag("span", f"As of {moment(view.as_of)}", data_live="time"), id="link"),
            tag("p", id="announce", class_="unseen", role="status"),
        ),
        tag("main", sections, class_="board"),
        live=True,
    )


def live_parts(view: StatusView, content: Mapping[str, Html]) -> dict[str, str]:
    """Return what the page's script may have to swap, by name."""
    return {**content, "time": f"As of {moment(view.as_of)}", "title": title(view)}


def title(view: StatusView) -> str:
    """Return the window's title: the state comes first, where a narrow tab still shows it."""
    return f"{view.condition.state.value} · {view.instance.portfolio} · Keelward"


def decision_page(told: Explanation, instance: Instance, now: datetime) -> Html:
    """Return the page that explains one decision."""
    row = told.decision
    summary = facts(
        (
            ("Made", join(relative(row.time, now), tag("small", f" {moment(row.time)}"))),
            ("Trigger", row.trigger),
            ("Reason", code(row.reason)),
            ("Orders", str(row.orders)),
            ("Expected cost", write(row.expected_cost, Unit.MONEY)),
        )
    )
    main = tag(
        "main",
        tag(
            "section",
            tag("p", tag("a", "← Status", href="/")),
            tag("h1", f"Decision {row.id} ", badge(row.outcome)),
            tag("p", row.sentence, class_="why"),
            [tag("p", paragraph) for paragraph in told.paragraphs],
            summary,
        ),
        [tag("section", explained(each)) for each in told.tables],
        class_="narrow",
    )
    return document(f"Decision {row.id} · {instance.portfolio} · Keelward", instance, None, main)


def explained(shown: Table) -> Html:
    """Return a table of an explanation, its numbers written by their units."""
    headings = [Heading(column.heading, number=column.unit is not Unit.TEXT) for column in shown.columns]
    rows = [[write(value, column.unit) for column, value in zip(shown.columns, row, strict=True)] for row in shown.rows]
    return join(
        tag("h2", shown.title),
        table(shown.title, headings, rows, "Nothing."),
        tag("p", shown.note, class_="nothing") if shown.note else None,
    )


def missing_page(what: str, instance: Instance) -> Html:
    """Return the page for something that is not there."""
    main = tag(
        "main",
        tag("section", tag("h1", "Not found"), tag("p", what), tag("p", tag("a", "← Status", href="/"))),
        class_="narrow",
    )
    return document("Not found · Keelward", instance, None, main)


def document(name: str, instance: Instance, beside: Child, main: Html, *, live: bool = False) -> Html:
    """Return a document with the head and the banner that all pages share."""
    reload = tag("meta", http_equiv="refresh", content=str(RELOAD_WITHOUT_SCRIPT))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("title", name),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href="/static/page.css"),
        join(tag("script", src="/static/page.js", defer=True), tag("noscript", reload)) if live else None,
    )
    logo = tag("svg", tag("path", d=KEEL), viewBox="0 0 24 24", width="22", height="22", aria_hidden="true")
    pace = f" × {instance.time_scale:g}" if instance.time_scale != 1 else ""
    banner = tag(
        "header",
        tag("a", logo, "Keelward", href="/", class_="brand"),
        tag("p", tag("b", instance.portfolio), f" on {instance.venue}"),
        tag(
            "p",
            "live money" if instance.mode is Mode.LIVE else f"simulated{pace}",
            class_=f"mode {instance.mode.value}",
        ),
        beside,
    )
    foot = tag(
        "footer",
        f"Keelward {instance.version} · configuration {instance.config_hash[:12]} · "
        f"up since {moment(instance.started)} · ",
        tag("a", "JSON", href="/status.json"),
        " · ",
        tag("a", "metrics", href="/metrics"),
    )
    body = tag("body", banner, main, foot)
    return join(Html("<!doctype html>"), tag("html", head, body, lang="en"))
