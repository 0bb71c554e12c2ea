"""Faults on command: what the simulated exchange does wrong, where, how often and with which chance.

A `Fault` says which requests or streams it hits by a pattern over one line of text:

    POST /api/v5/trade/batch-orders     a REST request, method and path
    OP batch-orders                     an operation sent over a WebSocket
    CHANNEL bbo-tbt BTC-USDT            a message about to be pushed on a channel

so that `* /api/v5/trade/*`, `OP *` or `CHANNEL books *` each name a family.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Mapping


class FaultKind(StrEnum):
    """What goes wrong."""

    LATE = "late"
    """The answer comes `seconds` late; with `accepted` false the request itself is looked at that late."""
    SILENT = "silent"
    """There is no answer at all; the connection stays open."""
    CUT = "cut"
    """The connection is dropped instead of an answer."""
    STATUS = "status"
    """HTTP `status` with a bare page, as a proxy in front of the venue answers."""
    CODE = "code"
    """An answer with the venue's own error `code`, e.g. 51008 for insufficient funds."""
    THROTTLE = "throttle"
    """HTTP 429, with `Retry-After` where `seconds` is set, and with the venue's `code` where one is given."""
    MAINTENANCE = "maintenance"
    """HTTP 503 with the venue's own code for maintenance."""
    HTML = "html"
    """HTTP 200 with a web page."""
    TRUNCATED = "truncated"
    """HTTP 200 with the first half of the answer."""
    EMPTY = "empty"
    """HTTP 200 with an answer that has no rows."""
    PARTIAL = "partial"
    """Only the first `keep` of the rows, as a fraction rounded down."""
    HIDDEN = "hidden"
    """Orders younger than `seconds` are left out of every answer that matches."""
    DISCONNECT = "disconnect"
    """Each connection that is subscribed to the channel is closed."""
    STALL = "stall"
    """Nothing is pushed on the channel, although the connection lives."""
    DUPLICATE = "duplicate"
    """Each message is pushed twice."""
    REORDER = "reorder"
    """Each message is held back until after the next one."""
    SKEW = "skew"
    """The venue's clock is off by `seconds` while the fault is there."""


STREAM_KINDS = frozenset({FaultKind.DISCONNECT, FaultKind.STALL, FaultKind.DUPLICATE, FaultKind.REORDER})
REFUSALS = frozenset({FaultKind.CODE, FaultKind.THROTTLE, FaultKind.MAINTENANCE})
ANSWER_KINDS = frozenset(FaultKind) - STREAM_KINDS - {FaultKind.HIDDEN, FaultKind.SKEW}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Args:
        kind: What.
        where: Pattern over the line of text that names a request or a message, see the module.
        accepted: Whether the venue does what was asked before the answer goes wrong; None for what the kind suggests
            (a refusal does nothing, a lost answer comes after the deed).
        times: How many matches it hits before it is used up; None for all.
        skip: How many matches it lets pass first.
        probability: The chance that a match is hit.
        seconds: Delay, age, clock offset or `Retry-After`, as the kind says.
        status: HTTP status of `STATUS`.
        code: The venue's error code of `CODE` and `THROTTLE`.
        keep: Fraction of the rows that `PARTIAL` leaves.

    Raises:
        ValueError: If the probability or the fraction is not between 0 and 1.
    """

    kind: FaultKind
    where: str = "*"
    accepted: bool | None = None
    times: int | None = None
    skip: int = 0
    probability: float = 1.0
    seconds: float = 0.0
    status: int = 502
    code: str = ""
    keep: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1 or not 0 <= self.keep <= 1:
            raise ValueError("probability and keep must be between 0 and 1")

    @property
    def processed(self) -> bool:
        """Whether the request is carried out although its answer goes wrong."""
        return self.kind not in REFUSALS if self.accepted is None else self.accepted

    @classmethod
    def from_json(cls, fields: Mapping[str, object]) -> Fault:
        """Build a fault from the admin endpoint's JSON.

        Raises:
            ValueError: If a field is unknown or of another type than its default.
        """
        defaults = cls(FaultKind.LATE)
        checked: dict[str, object] = {}
        for name, value in fields.items():
            if name == "kind":
                checked[name] = FaultKind(str(value))
                continue
            if name not in cls.__dataclass_fields__:
                raise ValueError(f"unknown field {name!r}: one of {', '.join(cls.__dataclass_fields__)}")
            if value is None and name in _OPTIONAL:
                continue
            like = _OPTIONAL.get(name, getattr(defaults, name))
            if isinstance(like, float) and isinstance(value, int) and not isinstance(value, bool):
                checked[name] = float(value)
            elif type(value) is type(like):
                checked[name] = value
            else:
                raise ValueError(f"{name} must be {type(like).__name__}, was {value!r}")
        if "kind" not in checked:
            raise ValueError(f"kind is missing: one of {', '.join(FaultKind)}")
        return cls(**checked)  # type: ignore[arg-type]  # each value was checked against its default's type


# Fields whose default is None, with a value of the type they take.
_OPTIONAL: Mapping[str, object] = {"times": 0, "accepted": False}


@dataclass(slots=True)
class _Armed:
    fault: Fault
    seen: int = 0
    hits: int = 0

    @property
    def spent(self) -> bool:
        return self.fault.times is not None and self.hits >= self.fault.times


@dataclass(frozen=True, slots=True)
class FaultReport:
    """A fault that is armed, and how often it matched and hit."""

    id: int
    fault: Fault
    seen: int
    hits: int


@dataclass(slots=True)
class Faults:
    """The faults that are armed, with a seeded dice of their own."""

    seed: int = 0
    _armed: dict[int, _Armed] = field(default_factory=dict)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 - repeatable, not secret

    def __bool__(self) -> bool:
        """Whether any fault is armed."""
        return bool(self._armed)

    def add(self, fault: Fault) -> int:
        """Arm a fault; return its id."""
        number = next(self._ids)
        self._armed[number] = _Armed(fault)
        return number

    def remove(self, number: int) -> bool:
        """Disarm a fault; return whether it was there."""
        return self._armed.pop(number, None) is not None

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def report(self) -> list[FaultReport]:
        """Return what is armed or used up, in the order it was added."""
        return [FaultReport(i, armed.fault, armed.seen, armed.hits) for i, armed in self._armed.items()]

    def hit(self, line: str, kinds: Container[FaultKind]) -> Fault | None:
        """Return the first armed fault of these kinds that hits what `line` names, and count it."""
        for armed in self._armed.values():
            fault = armed.fault
            if fault.kind not in kinds or armed.spent or not fnmatchcase(line, fault.where):
                continue
            armed.seen += 1
            if armed.seen <= fault.skip:
                continue
            if fault.probability < 1 and self._dice.random() >= fault.probability:
                continue
            armed.hits += 1
            return fault
        return None

    @property
    def streams(self) -> bool:
        """Whether a fault on streams is armed, so that the hot path need not look further."""
        return any(a.fault.kind in STREAM_KINDS and not a.spent for a in self._armed.values())

    @property
    def clock_skew(self) -> float:
        """Seconds that the venue's clock is off."""
        return sum(a.fault.seconds for a in self._armed.values() if a.fault.kind is FaultKind.SKEW)
