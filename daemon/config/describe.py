"""The words for a key of the settings model: its kind, unit, bounds, default and example.

Errors and the generated reference both speak from here, so that they cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from decimal import Decimal
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from daemon.config.types import Kind, SecretReference, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

KeyPath = tuple[str | int, ...]
LONGEST_VALUE = 60
URL_PASSWORD = re.compile(r"(://[^/\s:@]*):[^@\s]*@")
DURATION_NAME = "duration"


@dataclass(frozen=True, slots=True)
class Key:
    """A place in the settings model: its type and what is known of it."""

    annotation: Any
    metadata: tuple[object, ...] = ()
    info: FieldInfo | None = None

    @property
    def kind(self) -> Kind:
        """What kind of value it holds, in words."""
        for mark in reversed(self.metadata):
            if isinstance(mark, Kind):
                return mark
        choices = self.choices
        if choices:
            return Kind("one of " + ", ".join(choices), "one of " + ", ".join(f'"{choice}"' for choice in choices))
        return Kind("table", "a table") if self.model is not None else Kind("value", "a value")

    @property
    def choices(self) -> tuple[str, ...]:
        """The words it may hold, where they are listed."""
        return tuple(map(str, get_args(self.annotation))) if get_origin(self.annotation) is Literal else ()

    @property
    def model(self) -> type[BaseModel] | None:
        """The model of a table."""
        return self.annotation if isinstance(self.annotation, type) and issubclass(self.annotation, BaseModel) else None

    @property
    def is_secret(self) -> bool:
        """Whether it leads to a secret, so that its value is never shown."""
        return self.model is not None and issubclass(self.model, SecretReference)

    @property
    def unit(self) -> str:
        """The unit of a number; empty where there is none."""
        extra = self.info.json_schema_extra if self.info is not None else None
        return str(extra.get("unit", "")) if isinstance(extra, dict) else ""

    @property
    def bounds(self) -> str:
        """The bounds in words, e.g. `above 0 and at most 1`; empty where there are none."""
        words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
        found = [
            f"{word} {self.show_bound(getattr(mark, name))}"
            for name, word in words.items()
            for mark in self.metadata
            if getattr(mark, name, None) is not None
        ]
        return " and ".join(found)

    @property
    def expectation(self) -> str:
        """What a value must be, in words."""
        return " ".join(part for part in (self.kind.phrase, f"({self.unit})" if self.unit else "", self.bounds) if part)

    @property
    def example(self) -> str | None:
        """An example as it is written in the file."""
        examples = self.info.examples if self.info is not None else None
        return toml(examples[0]) if examples else None

    @property
    def default(self) -> str | None:
        """The default as it is written in the file; None where the key is required, empty where it may be missing."""
        if self.info is None or self.info.is_required():
            return None
        value = self.info.get_default(call_default_factory=False)
        if value is None or value is PydanticUndefined:
            return ""
        return f'"{value}"' if isinstance(value, str) else toml(value)

    def show_bound(self, bound: object) -> str:
        """Return a bound in the words of its kind."""
        if self.kind.name == DURATION_NAME and isinstance(bound, int | float):
            return format_duration(bound)
        return number(bound) if isinstance(bound, int | float | Decimal) else str(bound)

    @property
    def names(self) -> Key:
        """What the keys of a table of tables are."""
        return from_annotation(get_args(self.annotation)[0])

    def child(self, part: str | int) -> Key | None:
        """Return the key inside this one, by name or by index."""
        if self.model is not None:
            info = self.model.model_fields.get(str(part))
            return None if info is None else from_field(info)
        arguments = get_args(self.annotation)
        origin = get_origin(self.annotation)
        if origin is tuple:
            return from_annotation(arguments[0])
        return from_annotation(arguments[1]) if origin is MappingType else None


@dataclass(frozen=True, slots=True)
class Documented:
    """A section of the reference: the path of its table, its model, and its keys by name."""

    path: str
    model: type[BaseModel]
    keys: tuple[tuple[str, Key], ...] = field(default=())


def from_field(info: FieldInfo) -> Key:
    """Return the key of a field, looking through `X | None`."""
    inner = from_annotation(info.annotation)
    return Key(inner.annotation, (*inner.metadata, *info.metadata), info)


def from_annotation(annotation: Any) -> Key:
    """Return the key of a bare type, looking through `X | None` and `Annotated`."""
    if get_origin(annotation) in {Union, UnionType}:
        annotation = next(option for option in get_args(annotation) if option is not NoneType)
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        below = from_annotation(inner)
        return Key(below.annotation, (*below.metadata, *marks))
    return Key(annotation)


def find(model: type[BaseModel], path: KeyPath) -> Key | None:
    """Return the key at a path of the file; None where nothing is known by that name."""
    key: Key | None = Key(model)
    for part in path:
        key = None if key is None else key.child(part)
    return key


def sections(model: type[BaseModel], path: str = "") -> Iterator[Documented]:
    """Yield the tables of the settings in the order of the model, each with its plain keys."""
    plain: list[tuple[str, Key]] = []
    tables: list[tuple[str, type[BaseModel]]] = []
    for name, info in model.model_fields.items():
        key = from_field(info)
        here = f"{path}.{name}" if path else name
        inside = key.child("NAME") if get_origin(key.annotation) is MappingType else key.child(0)
        if key.model is not None and not key.is_secret:
            tables.append((here, key.model))
        elif inside is not None and inside.model is not None and not key.is_secret:
            suffix = f'{here}."SYMBOL"' if get_origin(key.annotation) is MappingType else f"[{here}]"
            tables.append((suffix, inside.model))
        else:
            plain.append((name, key))
    if path:
        yield Documented(path, model, tuple(plain))
    for here, table in tables:
        yield from sections(table, here)


def number(value: float | Decimal) -> str:
    """Return a number without needless digits."""
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() and -20 < value.adjusted() < 20 else str(value)
    return f"{value:.12g}"


def printable(text: str) -> str:
    """Return a text with control characters made visible."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def clip(text: str) -> str:
    """Return a text of bounded length."""
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def toml(value: object) -> str:
    """Return a value as it would stand in the file, without passwords in URLs."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        shown = printable(URL_PASSWORD.sub(r"\1:***@", value))
        return f'"{shown}"'
    if isinstance(value, int | float | Decimal):
        return number(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + "}"
    return str(value)
