"""The pieces that sections are made of: tables, lists of facts, badges and symbols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.page.html import Child, Html, join, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TONES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("trade", "filled", "calm"), "good"),
    **dict.fromkeys(("open", "sent", "planned"), "busy"),
    **dict.fromkeys(("refuse", "rejected", "denied", "expired", "elevated"), "near"),
    **dict.fromkeys(("unknown", "stressed"), "over"),
}
"""How a decision's outcome, an order's state or a regime looks; what is not named looks quiet."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's heading; `number` sets it right, `wide` leaves it out on a narrow screen."""

    text: Child
    number: bool = False
    wide: bool = False

    @property
    def style(self) -> str | None:
        """The classes of the column's cells."""
        return " ".join(name for name in ("number", "wide") if getattr(self, name)) or None


def table(name: str, headings: Sequence[Heading], rows: Iterable[Sequence[Child]], nothing: str) -> Html:
    """Return a table in a frame that scrolls, or a sentence where there are no rows."""
    body = [
        tag("tr", [tag("td", cell, class_=head.style) for head, cell in zip(headings, row, strict=True)])
        for row in rows
    ]
    if not body:
        return tag("p", nothing, class_="nothing")
    head = tag("tr", [tag("th", heading.text, scope="col", class_=heading.style) for heading in headings])
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", body)),
        class_="scroll",
        role="region",
        tabindex="0",
        aria_label=name,
    )


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """Return a list of names and what they are."""
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs])


def badge(text: str) -> Html:
    """Return a short word on a ground whose colour goes with it."""
    word = text.lower().replace("_", " ")
    return tag("span", word, class_=f"badge {TONES.get(text.lower(), 'quiet')}")


def symbol(name: str) -> Html:
    """Return a symbol with its base coin standing out, and a derivative's settlement set apart."""
    pair, colon, settle = name.partition(":")
    base, slash, quote = pair.partition("/")
    return tag(
        "span",
        tag("b", base),
        tag("span", slash + quote, class_="quote"),
        tag("span", colon + settle, class_="settle") if colon else None,
        class_="symbol",
    )


def side(name: str) -> Html:
    """Return buy or sell with an arrow, so that it does not rest on its colour."""
    return tag("span", "▲ " if name == "buy" else "▼ ", name, class_=f"side {name}")


def signed(text: str, value: float) -> Html:
    """Return a gain or a loss in its colour; the sign stands in the text."""
    return tag("span", text, class_="gain" if value > 0 else "loss" if value < 0 else None)


def code(text: str) -> Html:
    """Return a code as it stands in logs, metrics and SQL."""
    return join(tag("code", text))
