"""What an endpoint is: a function of the face and the parameters, who may call it and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.okx.face import Face
    from exchanges.simulator.okx.params import Params


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A reading endpoint, or one that changes the account; `handle` returns the rows of `data`.

    OKX allows `count` requests per `seconds`, counted per key (private) or address (public).
    """

    handle: Callable[[Face, Params], Sequence[Any]]
    private: bool
    count: int = 20
    seconds: float = 2.0


def selected(face: Face, params: Params) -> list[Instrument]:
    """Return the instruments that `instType`, `uly`, `instFamily` and `instId` leave."""
    kind = params.kind()
    family = params.text("instFamily") or params.text("uly")
    inst_id = params.text("instId")
    chosen = [face.instrument(inst_id)] if inst_id else list(face.exchange.instruments.values())
    return [
        instrument
        for instrument in chosen
        if (kind is None or instrument.kind is kind)
        and (not family or (not instrument.is_spot and instrument.underlying == family))
    ]
