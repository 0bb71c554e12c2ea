"""The table of order states: what each trigger makes of each state, and its drawing.

States say where an order stands as far as we know; triggers say what was heard of it. The columns agree with
each other: the same things heard in any order end in the same state (`exchanges.orders` has the theory).
"""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """Where an order stands, as far as we know."""

    PLANNED = "planned"
    DENIED = "denied"
    DROPPED = "dropped"
    SENT = "sent"
    UNKNOWN = "unknown"
    ABSENT = "absent"
    OPEN = "open"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELED = "canceled"
    FILLED = "filled"


class Trigger(StrEnum):
    """What an event means for the state, the other facts having been merged."""

    DENIED = "denied"
    DROPPED = "dropped"
    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NO_ANSWER = "no-answer"
    NOT_FOUND = "not-found"
    REPORTED_OPEN = "reported-open"
    REPORTED_REJECTED = "reported-rejected"
    REPORTED_EXPIRED = "reported-expired"
    REPORTED_CANCELED = "reported-canceled"
    REPORTED_FILLED = "reported-filled"
    FILLED_IN_PART = "filled-in-part"
    FILLED_WHOLE = "filled-whole"


# Down: what was heard. Across: the state it was heard in. DENIED and DROPPED hear nothing more.
_TABLE = """
                   planned  sent      unknown   absent    open      rejected  expired   canceled  filled
denied             denied   -         -         -         -         -         -         -         -
dropped            dropped  -         -         -         -         -         -         -         -
sent               sent     -         -         -         -         -         -         -         -
accepted           -        open      open      open      open      open      expired   canceled  filled
refused            -        rejected  rejected  rejected  open      rejected  expired   canceled  filled
no-answer          -        unknown   unknown   absent    open      rejected  expired   canceled  filled
not-found          -        -         absent    absent    open      rejected  expired   canceled  filled
reported-open      -        open      open      open      open      open      expired   canceled  filled
reported-rejected  -        rejected  rejected  rejected  rejected  rejected  expired   canceled  filled
reported-expired   -        expired   expired   expired   expired   expired   expired   canceled  filled
reported-canceled  -        canceled  canceled  canceled  canceled  canceled  canceled  canceled  filled
reported-filled    -        filled    filled    filled    filled    filled    filled    filled    filled
filled-in-part     -        open      open      open      open      open      expired   canceled  filled
filled-whole       -        filled    filled    filled    filled    filled    filled    filled    filled
"""


def _read(table: str) -> Mapping[State, Mapping[Trigger, State]]:
    head, *lines = (line.split() for line in table.strip().splitlines())
    rows: dict[State, dict[Trigger, State]] = {state: {} for state in State}
    for name, *cells in lines:
        for state, target in zip(head, cells, strict=True):
            if target != "-":
                rows[State(state)][Trigger(name)] = State(target)
    return MappingProxyType({state: MappingProxyType(row) for state, row in rows.items()})


TRANSITIONS = _read(_TABLE)
"""The state after each trigger that may happen in a state; what is missing must not happen."""

LIVE = frozenset({State.SENT, State.UNKNOWN, State.OPEN})
TERMINAL = frozenset(State) - LIVE - {State.PLANNED}

CONCLUDED_DEAD = frozenset({State.ABSENT, State.REJECTED})
HAS_LIVED = frozenset({State.OPEN, State.EXPIRED, State.CANCELED, State.FILLED})
REJECTION = frozenset({Trigger.REFUSED, Trigger.REPORTED_REJECTED})
LIFE = frozenset(
    {
        Trigger.ACCEPTED,
        Trigger.REPORTED_OPEN,
        Trigger.REPORTED_EXPIRED,
        Trigger.REPORTED_CANCELED,
        Trigger.REPORTED_FILLED,
        Trigger.FILLED_IN_PART,
        Trigger.FILLED_WHOLE,
    }
)


def diagram() -> str:
    """Draw `TRANSITIONS` as a Mermaid state diagram, without the events that change nothing."""
    edges: defaultdict[tuple[State, State], list[str]] = defaultdict(list)
    for state, row in TRANSITIONS.items():
        for trigger, target in row.items():
            if target is not state:
                edges[state, target].append(trigger.value)
    lines = ["stateDiagram-v2", f"    [*] --> {State.PLANNED.name}"]
    lines += [
        f"    {source.name} --> {target.name}: {', '.join(triggers)}" for (source, target), triggers in edges.items()
    ]
    lines += [f"    {state.name} --> [*]" for state in State if state in TERMINAL]
    return "\n".join(lines) + "\n"
