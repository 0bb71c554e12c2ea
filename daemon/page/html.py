"""Markup that escapes by default: only `tag` and `join` make `Html`, and any other text is escaped."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

SPECIAL: Final = re.compile("[&<>\"']")
VOID: Final = frozenset({"br", "hr", "img", "link", "meta"})


class Html(str):
    """Text that is markup already and goes out as it is."""

    __slots__ = ()


Child: TypeAlias = "Html | str | Iterable[Child] | None"
Attribute = str | float | bool | None


def join(*children: Child) -> Html:
    """Return the children one after another, escaped where they are plain text; None is nothing."""
    parts: list[str] = []
    _collect(children, parts)
    return Html("".join(parts))


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """Return an element, e.g. `tag("td", "5 < 6", class_="number", aria_label="five")`.

    In an attribute's name a trailing underscore is dropped and others become hyphens. None and False leave
    the attribute out, True writes it bare, and numbers are rounded to two digits, enough for any drawing.
    """
    parts = ["<", name]
    for key, value in attributes.items():
        if value is not None and value is not False:
            parts.append(_attribute(key, value))
    parts.append(">")
    if name not in VOID:
        _collect(children, parts)
        parts.append(f"</{name}>")
    return Html("".join(parts))


def _collect(children: Iterable[Child], parts: list[str]) -> None:
    for child in children:
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(_escaped(child))
        elif child is not None:
            _collect(child, parts)


def _attribute(key: str, value: str | float | bool) -> str:
    name = _attribute_name(key)
    if value is True:
        return f" {name}"
    text = _escaped(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
    return f' {name}="{text}"'


@cache
def _attribute_name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _escaped(text: str) -> str:
    return escape(text) if SPECIAL.search(text) else text
