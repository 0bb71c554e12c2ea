"""A stored decision computed once more from what it saw; it must come out the same to the last digit."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from daemon.decide import decide
from daemon.store import codec
from daemon.store.codec import dumps
from daemon.store.database import reading
from daemon.store.decisions import load_decision
from risk.portfolio.optimiser import Optimiser

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from daemon.decision import Decision


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay.

    Args:
        id: the decision's.
        agrees: whether every field is the same, bit for bit.
        differences: the fields that are not: their names, as stored and as computed now.
        damaged: whether the stored snapshot is not the one that was written.
        version: of the code that decided then.
    """

    id: str
    agrees: bool
    differences: tuple[tuple[str, str, str], ...]
    damaged: bool
    version: str


class NotKeptError(LookupError):
    """There is no such decision, or what it saw is no longer kept."""


def replay(database: Engine, name: str, optimiser: Optimiser | None = None) -> Replay:
    """Compute a stored decision anew and compare.

    Raises:
        NotKeptError: there is nothing to compute it from.
        AmbiguousNameError: several decisions begin with this name.
        CodecError: what is stored cannot be read by this version.
    """
    with reading(database) as connection:
        record = load_decision(connection, name)
    if record is None:
        raise NotKeptError(f"there is no decision {name}")
    if record.snapshot is None or record.result is None:
        raise NotKeptError(f"what decision {record.id} saw is no longer kept (store.keep_snapshots)")
    stored: Decision = codec.decode(record.result)
    again = decide(codec.decode(record.snapshot), optimiser or Optimiser())
    differences = tuple(
        (field.name, _shown(stored, field.name), _shown(again, field.name))
        for field in fields(stored)
        if dumps(getattr(stored, field.name)) != dumps(getattr(again, field.name))
    )
    return Replay(
        id=record.id,
        agrees=not differences,
        differences=differences,
        damaged=codec.digest(record.snapshot) != record.snapshot_digest,
        version=record.code_version,
    )


def _shown(decision: Decision, field: str) -> str:
    return dumps(getattr(decision, field)).decode()[:500]
