"""What a client sent, read with OKX's own complaints about what is missing or malformed."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeVar

from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.okx.errors import OkxError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

E = TypeVar("E", bound="StrEnum")

_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TAG = re.compile(r"[A-Za-z0-9]{1,16}")
_PLAIN_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?")


class Params:
    """The query of a GET, or one object of a POST's body."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter as text, the default where it is missing or empty."""
        value = self._values.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, dict | list):
            raise OkxError("51000", name)
        return str(value)

    def echo(self, name: str) -> str:
        """Return what was sent as text, whatever it was."""
        return str(self._values.get(name) or "")

    def required(self, name: str) -> str:
        """Return a parameter that must be there.

        Raises:
            OkxError: 50014.
        """
        value = self.text(name)
        if not value:
            raise OkxError("50014", name)
        return value

    def number(self, name: str) -> Decimal | None:
        """Return a decimal, None where it is missing.

        Raises:
            OkxError: 51000 for what is no plain number.
        """
        text = self.text(name)
        if not text:
            return None
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise OkxError("51000", name) from None
        if not value.is_finite() or not _PLAIN_NUMBER.fullmatch(format(value, "f")):
            raise OkxError("51000", name)
        return value

    def integer(self, name: str) -> int | None:
        """Return a whole number, None where it is missing.

        Raises:
            OkxError: 51000 for anything else.
        """
        text = self.text(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise OkxError("51000", name) from None

    def choice(self, name: str, kind: type[E], default: E | None = None) -> E:
        """Return a member of an enumeration.

        Raises:
            OkxError: 51000 for another value, 50014 where it is missing and has no default.
        """
        text = self.text(name)
        if not text:
            if default is None:
                raise OkxError("50014", name)
            return default
        try:
            return kind(text)
        except ValueError:
            raise OkxError("51000", name) from None

    def kind(self, name: str = "instType") -> InstrumentKind | None:
        """Return the instrument kind, None where it is missing or `ANY`."""
        if self.text(name) in {"", "ANY"}:
            return None
        return self.choice(name, InstrumentKind)

    def flag(self, name: str) -> bool:
        """Return a boolean, sent as such or as text; false where it is missing."""
        text = self.text(name, "false").lower()
        if text not in {"true", "false"}:
            raise OkxError("51000", name)
        return text == "true"

    def limit(self, default: int = 100, most: int = 100) -> int:
        """Return how many rows are wanted, at most `most`."""
        wanted = self.integer("limit")
        if wanted is None:
            return default
        if wanted <= 0:
            raise OkxError("51000", "limit")
        return min(wanted, most)

    def client_id(self, name: str = "clOrdId") -> str:
        """Return a client's own id: up to 32 letters and digits, or nothing."""
        text = self.text(name)
        if text and not _CLIENT_ID.fullmatch(text):
            raise OkxError("51000", name)
        return text

    def tag(self) -> str:
        """Return the order's tag: up to 16 letters and digits, or nothing."""
        text = self.text("tag")
        if text and not _TAG.fullmatch(text):
            raise OkxError("51000", "tag")
        return text
