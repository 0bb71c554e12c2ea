"""What may go wrong at a venue, or on the way to it, by what may be concluded from it.

::

    VenueError
    ├── Definite              the venue answered: nothing happened
    │   ├── Rejected          this order was refused (funds, size, price, post-only, …)
    │   ├── Denied            this key may not: authentication, permission, address
    │   └── NotFound          the venue knows no such order
    ├── Throttled             refused before it was looked at; `retry_after` seconds if the venue said so
    ├── Unavailable           maintenance or no connection was ever made: nothing happened, try later
    └── Ambiguous             sent, and the outcome is not known: look it up, never resend
        └── Duplicate         the client id exists already: look it up
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto


class Conclusion(Enum):
    """What an error lets us conclude about a request that may change something."""

    DEFINITE = auto()
    THROTTLED = auto()
    UNAVAILABLE = auto()
    AMBIGUOUS = auto()


@dataclass(eq=False)
class VenueError(Exception):
    """Anything a venue or the way to it did wrong; `code` is the venue's own where it gave one."""

    message: str
    code: str | None = None
    venue: str = field(default="", kw_only=True)

    conclusion = Conclusion.AMBIGUOUS

    def __str__(self) -> str:
        """Return venue, code and message in one line."""
        head = f"{self.venue}: " if self.venue else ""
        tail = f" (code {self.code})" if self.code else ""
        return f"{head}{self.message}{tail}"


class Definite(VenueError):
    """The venue answered, and nothing happened."""

    conclusion = Conclusion.DEFINITE


class Rejected(Definite):
    """This order was refused."""


class Denied(Definite):
    """This key may not: authentication, permission or address."""


class NotFound(Definite):
    """The venue knows no such order."""


@dataclass(eq=False)
class Throttled(VenueError):
    """Refused before it was looked at; wait `retry_after` seconds where the venue said so."""

    retry_after: float | None = field(default=None, kw_only=True)

    conclusion = Conclusion.THROTTLED


class Unavailable(VenueError):
    """Maintenance, or no connection was ever made: nothing happened."""

    conclusion = Conclusion.UNAVAILABLE


class Ambiguous(VenueError):
    """The request left, and what became of it is not known."""

    conclusion = Conclusion.AMBIGUOUS


class Duplicate(Ambiguous):
    """The client id is known to the venue: the order exists, look it up."""
