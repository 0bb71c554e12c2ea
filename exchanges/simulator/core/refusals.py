"""Why a request is refused: one kind per rule, which a face translates into its venue's codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Refusal(StrEnum):
    """The kinds of refusal. A refused request changes nothing."""

    NO_ACCOUNT = "no such account"
    NO_INSTRUMENT = "no such instrument"
    WRONG_KIND = "not for this kind of instrument"
    SUSPENDED = "the instrument does not trade now"
    BAD_SIZE = "the size is not a positive number"
    BAD_PRICE = "the price is missing or not a positive number"
    LOT_MULTIPLE = "the size is no multiple of the lot"
    BELOW_MINIMUM = "the size is below the minimum"
    ABOVE_MAXIMUM = "the size is above the maximum"
    TICK_MULTIPLE = "the price is no multiple of the tick"
    PRICE_OUT_OF_BAND = "the price is outside the price limits"
    DUPLICATE_CLIENT_ID = "the client id is in use or was used a short while ago"
    INSUFFICIENT_FUNDS = "the available balance does not cover the order"
    INSUFFICIENT_MARGIN = "the available margin does not cover the order"
    REDUCE_ONLY_NO_POSITION = "there is no position to reduce"
    REDUCE_ONLY_SAME_SIDE = "the order would increase the position"
    REDUCE_ONLY_SPOT = "spot orders cannot be reduce-only"
    QUOTE_SIZE_UNSUPPORTED = "only a spot market order can be sized in quote coin"
    NO_LIQUIDITY = "there is nothing to trade against"
    UNKNOWN_ORDER = "no such order"
    ALREADY_FILLED = "the order is filled"
    ALREADY_CANCELED = "the order is canceled"
    NOTHING_TO_AMEND = "neither a new size nor a new price was given"
    AMEND_BELOW_FILLED = "the new size is not above what is filled"
    BAD_LEVERAGE = "the leverage is not allowed for the instrument"
    NO_POSITION = "there is no position to close"
    TOO_MANY_ORDERS = "the account has too many open orders"
    UNKNOWN_COIN = "the account holds no such coin"
    BAD_BAR = "the bar size is not supported"


@dataclass(eq=False)
class Refused(Exception):
    """A request that was refused; nothing happened."""

    kind: Refusal
    detail: str = ""

    def __str__(self) -> str:
        """Return the kind's sentence and the detail."""
        return f"{self.kind.value}: {self.detail}" if self.detail else self.kind.value
