"""Secrets: kept out of every text, and read from where the configuration says they are."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.config.types import SecretReference

LARGEST = 65536
MASK: Final = "***"


class SecretError(Exception):
    """A secret that cannot be read; the message names the place and never what was found there."""


class Secret:
    """A text that shows itself to nobody but who asks by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, _specification: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[object, ...]:
        """Refuse to be written anywhere."""
        raise TypeError("a secret is not pickled")


def read_secret(reference: SecretReference, environment: Mapping[str, str]) -> Secret:
    """Return the secret that a reference leads to, without blanks around it.

    Raises:
        SecretError: it is missing, empty, unreadable, or in a file that every user may read.
    """
    if reference.env is not None:
        text = environment.get(reference.env)
        if text is None:
            raise SecretError(f"the {reference.place} is not set")
    elif reference.credential is not None:
        folder = environment.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise SecretError(
                f"the {reference.place} needs systemd: CREDENTIALS_DIRECTORY is not set (LoadCredential= in the unit)"
            )
        text = _read(Path(folder) / reference.credential, reference.place)
    else:
        path = Path(reference.file or "")
        text = _read(path, reference.place, private=True)
    text = text.strip()
    if not text:
        raise SecretError(f"the {reference.place} is empty")
    if not text.isprintable():
        raise SecretError(f"the {reference.place} holds more than one line, or control characters")
    return Secret(text)


def _read(path: Path, place: str, *, private: bool = False) -> str:
    try:
        with path.open("rb") as stream:
            if private and path.stat().st_mode & stat.S_IROTH:
                raise SecretError(f"the {place} may be read by every user: chmod 600 {path}")
            data = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise SecretError(f"the {place} does not exist") from None
    except OSError as error:
        raise SecretError(f"the {place} cannot be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise SecretError(f"the {place} is larger than {LARGEST} bytes: that is no secret")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SecretError(f"the {place} is not UTF-8 text") from None
