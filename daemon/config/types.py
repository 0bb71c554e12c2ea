"""The kinds of value a configuration may hold, each with the words for it in errors and in the reference.

Numbers arrive from TOML as `int` or exact `Decimal`. A validator here raises a `mismatch`, which says what the value
was and, where the kind alone does not say it, what it must be.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationInfo
from pydantic_core import PydanticCustomError

DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
SYMBOL = re.compile(r"[^\s/:]+/[^\s/:]+(?::[^\s/:]+)?")
STORED: dict[str, bool] = {"stored": True}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: its name in the reference and the phrase for it in an error."""

    name: str
    phrase: str


def mismatch(was: str, must: str = "", example: object = None) -> PydanticCustomError:
    """Return the error for a value that `was` something it may not be; `must` and `example` overrule the key's own."""
    return PydanticCustomError("mismatch", "{was}", {"was": was, "must": must, "example": example})


def type_name(value: object) -> str:
    """Return what a TOML value is, in words."""
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        (int, "a whole number"),
        ((float, Decimal), "a number"),
        (str, "text"),
        (list, "a list"),
        (dict, "a table"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "a date or time")


def _exact(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise mismatch(type_name(value))
    number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or math.isinf(float(number)):
        raise mismatch("not finite")
    if number and not float(number):
        raise mismatch("too small to be told from 0")
    return number


def _number(value: object) -> float:
    return float(_exact(value))


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise mismatch(type_name(value))
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise mismatch(type_name(value))
    if not value or value != value.strip():
        raise mismatch("text with blanks around it" if value else "empty")
    if not value.isprintable():
        raise mismatch("text with control characters")
    return value


def _duration(value: object, info: ValidationInfo) -> float:
    """Read a duration as ops write it; from our own books it comes as the seconds it was read to."""
    if info.context is STORED and isinstance(value, float):
        return value
    return parse_duration(value)


def parse_duration(value: object) -> float:
    """Return the seconds in a text such as `"90s"`, `"5m"`, `"8h"`, `"1d12h"`."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        raise mismatch("a number without a unit")
    if not isinstance(value, str):
        raise mismatch(type_name(value))
    if DURATION.fullmatch(value) is None:
        raise mismatch("text that is no duration")
    seconds = math.fsum(float(n) * DURATION_UNITS[unit] for n, unit in DURATION_PART.findall(value))
    if math.isinf(seconds):
        raise mismatch("not finite")
    return seconds


def format_duration(seconds: float) -> str:
    """Return seconds as the shortest text that `parse_duration` reads back."""
    for unit in ("w", "d", "h", "m", "s"):
        count = seconds / DURATION_UNITS[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    return f"{seconds:.12g}s" if seconds >= 1 or not seconds else f"{seconds * 1000:.12g}ms"


def _symbol(value: object) -> str:
    text = _text(value)
    if SYMBOL.fullmatch(text) is None:
        raise mismatch("not BASE/QUOTE or BASE/QUOTE:SETTLE")
    return text


def _url(value: object) -> str:
    text = _text(value)
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise mismatch("no URL") from None
    if parts.scheme not in {"http", "https", "ws", "wss"} or not parts.hostname or not port_is_valid:
        raise mismatch("no URL")
    if parts.username or parts.password:
        raise mismatch("a URL with a user or a password in it")
    return text


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return urlsplit(url).hostname in LOOPBACK


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise mismatch(type_name(value))
    return value


def _listed(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise mismatch(type_name(value))
    return tuple(value)


Number = Annotated[float, BeforeValidator(_number), Kind("number", "a number")]
Amount = Annotated[Decimal, BeforeValidator(_exact), Kind("number", "a number")]
Whole = Annotated[int, BeforeValidator(_whole), Kind("whole number", "a whole number")]
Text = Annotated[str, BeforeValidator(_text), Kind("text", "text")]
Duration = Annotated[
    float, BeforeValidator(_duration), Kind("duration", 'a duration such as "30s", "5m", "8h" or "10d"')
]
Symbol = Annotated[str, BeforeValidator(_symbol), Kind("symbol", "a symbol such as BASE/QUOTE or BASE/QUOTE:SETTLE")]
Symbols = Annotated[tuple[Symbol, ...], BeforeValidator(_listed), Kind("list of symbols", "a list of symbols")]
Url = Annotated[str, BeforeValidator(_url), Kind("URL", "a URL (http, https, ws or wss) without a password")]
Boolean = Annotated[StrictBool, BeforeValidator(_boolean), Kind("true or false", "true or false")]


class Section(BaseModel):
    """A table of the configuration: unknown keys are refused, and once read nothing changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)


def key(
    meaning: str,
    *,
    example: object,
    default: Any = ...,
    unit: str = "",
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
) -> Any:
    """Return the field of one key: its meaning, unit, bounds, default and an example, all shown to the operator.

    Bounds of a duration are in seconds; its default and example are written as in the file.
    """
    return Field(
        default,
        description=meaning,
        examples=[example],
        json_schema_extra={"unit": unit},
        validate_default=True,
        gt=gt,
        ge=ge,
        lt=lt,
        le=le,
    )


def section(meaning: str, model: type[Section]) -> Any:
    """Return the field of a sub-table that may be left out: all its keys have defaults."""
    return Field(default_factory=model, description=meaning)


class SecretReference(Section):
    """Where a secret is kept; the secret itself never stands in the configuration."""

    file: Text | None = key("A file that holds the secret alone.", default=None, example="/etc/keelward/api_key")
    env: Text | None = key("An environment variable that holds the secret.", default=None, example="KEELWARD_API_KEY")
    credential: Text | None = key(
        "A systemd credential, read from $CREDENTIALS_DIRECTORY.", default=None, example="api_key"
    )

    def model_post_init(self, _context: object, /) -> None:
        """Refuse a reference that names no place, or more than one."""
        named = [name for name in ("file", "env", "credential") if getattr(self, name) is not None]
        if len(named) != 1:
            raise mismatch(" and ".join(named) if named else "empty")
        if self.file is not None and not Path(self.file).is_absolute():
            raise mismatch("a file without its folder", must='a reference with a whole path, {file = "/PATH"}')

    @property
    def place(self) -> str:
        """The place in words."""
        if self.file is not None:
            return f"file {Path(self.file)}"
        return f"environment variable {self.env}" if self.env is not None else f"credential {self.credential}"


def _reference(value: object) -> object:
    if isinstance(value, dict | SecretReference):
        return value
    raise mismatch("a secret written into the file" if isinstance(value, str) else type_name(value))


Reference = Annotated[
    SecretReference,
    BeforeValidator(_reference),
    Kind("reference", 'a reference: {file = "PATH"}, {env = "NAME"} or {credential = "NAME"}'),
]
