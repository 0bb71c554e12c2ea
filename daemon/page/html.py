"""Markup that escapes by default: only `tag` and `join` make `Html`, and any other text is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

VOID: Final = frozenset({"br", "hr", "img", "link", "meta"})


class Html(str):
    """Text that is markup already and goes out as it is."""

    __slots__ = ()


Child: TypeAlias = "Html | str | Iterable[Child] | None"
Attribute = str | float | bool | None


def join(*children: Child) -> Html:
    """Return the children one after another, escaped where they are plain text; None is nothing."""
    return Html("".join(_flat(children)))


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """Return an element, e.g. `tag("td", "5 < 6", class_="number", aria_label="five")`.

    In an attribute's name a trailing underscore is dropped and others become hyphens. None and False leave
    the attribute out, True writes it bare, and numbers are rounded to two digits, enough for any drawing.
    """
    opening = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Html(opening if name in VOID else f"{opening}{''.join(_flat(children))}</{name}>")


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str):
            yield escape(child)
        elif child is not None:
            yield from _flat(child)


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
    return f' {name}="{escape(text)}"'
