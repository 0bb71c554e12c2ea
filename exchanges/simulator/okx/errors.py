"""OKX's error codes: what each says, with which HTTP status, and which one a refusal of the core becomes.

Source: OKX API v5 documentation, section "Error Code".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exchanges.simulator.core.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchanges.simulator.core.refusals import Refused

# code: (HTTP status, sentence); `{}` is filled in from the error's arguments.
REST_ERRORS: Mapping[str, tuple[int, str]] = {
    "404": (404, "Invalid request URL"),
    "1": (200, "All operations failed"),
    "2": (200, "Bulk operation partially succeeded."),
    "50000": (400, "Body for POST request cannot be empty."),
    "50001": (503, "Service temporarily unavailable. Please try again later."),
    "50002": (400, "JSON syntax error"),
    "50004": (
        400,
        (
            "API endpoint request timeout. (does not mean that the request was successful or failed, "
            "please check the request result)."
        ),
    ),
    "50006": (400, 'Invalid Content-Type. Please use "application/JSON".'),
    "50011": (429, "Too Many Requests"),
    "50013": (429, "Systems are busy. Please try again later."),
    "50014": (400, "Parameter {} can not be empty."),
    "50015": (400, "Either parameter {} or {} is required"),
    "50016": (400, "Parameter {} does not match parameter {}"),
    "50025": (200, "Parameter {} count exceeds the limit {}."),
    "50026": (500, "System error. Try again later"),
    "50036": (
        200,
        ("The expTime can't be earlier than the current system time. Please adjust the expTime and try again."),
    ),
    "50037": (200, "Order expired."),
    "50061": (200, "You've reached the maximum order rate limit for this account."),
    "50102": (401, "Timestamp request expired."),
    "50103": (401, 'Request header "OK-ACCESS-KEY" cannot be empty.'),
    "50104": (401, 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.'),
    "50105": (401, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'),
    "50106": (401, 'Request header "OK-ACCESS-SIGN" cannot be empty.'),
    "50107": (401, 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.'),
    "50111": (401, "Invalid OK-ACCESS-KEY."),
    "50112": (401, "Invalid OK-ACCESS-TIMESTAMP."),
    "50113": (401, "Invalid signature."),
    "50115": (405, "Invalid request method."),
    "51000": (400, "Parameter {} error"),
    "51001": (200, "Instrument ID, Instrument ID code or Spread ID doesn't exist."),
    "51003": (200, "Either client order ID or order ID is required."),
    "51005": (200, "Your order amount exceeds the max order amount."),
    "51006": (200, "Order price is not within the price limit (max buy price: {} min sell price: {})"),
    "51008": (200, "Order failed. Insufficient {} balance in account."),
    "51010": (200, "Request unsupported under current account mode"),
    "51015": (200, "Instrument ID doesn't match instrument type."),
    "51016": (200, "Client order ID already exists."),
    "51020": (200, "Your order should meet or exceed the minimum order amount."),
    "51022": (200, "Contract suspended."),
    "51023": (200, "Position doesn't exist."),
    "51024": (200, "Trading account is blocked."),
    "51025": (200, "Order count exceeds the limit."),
    "51109": (200, "No available offers."),
    "51111": (200, "Maximum {} orders can be placed in bulk."),
    "51121": (200, "Order quantity must be a multiple of the lot size."),
    "51137": (200, "The highest price limit for buy orders is {}."),
    "51138": (200, "The lowest price limit for sell orders is {}."),
    "51139": (200, "Reduce-only feature is unavailable for the spot transactions by spot mode."),
    "51149": (
        500,
        (
            "Order timed out. Please try again. (does not mean that the request was successful or "
            "failed, please check the request result)"
        ),
    ),
    "51169": (
        200,
        ("Order failed because you don't have any positions in this direction for this contract to reduce or close."),
    ),
    "51170": (
        200,
        ("Failed to place order. A reduce-only order can't be the same trading direction as your existing positions."),
    ),
    "51174": (200, "Order failed, number of pending orders for {} exceed the limit of {}."),
    "51204": (200, "The price for the limit order cannot be empty."),
    "51400": (200, "Order cancellation failed as the order has been filled, canceled or does not exist."),
    "51500": (200, "You must enter a price, quantity, or TP/SL"),
    "51501": (400, "Maximum {} orders can be modified."),
    "51502": (200, "Unable to edit order: insufficient balance or margin."),
    "51503": (200, "Order modification failed as the order has been filled, canceled or does not exist."),
    "51512": (
        200,
        ("Failed to amend orders in batches. You cannot have duplicate orders in the same amend-batch-orders request."),
    ),
    "51603": (200, "Order does not exist"),
    "58350": (200, "Insufficient balance."),
    "59102": (200, "Leverage exceeds the maximum limit. Please lower the leverage."),
    "59104": (
        200,
        ("The borrowed position has exceeded the maximum position of this leverage. Please lower the leverage."),
    ),
}

# A code that is not in the table is one that a fault was told to answer.
UNKNOWN = (200, "Operation failed.")

SOCKET_ERRORS: Mapping[str, str] = {
    "60004": "Invalid timestamp",
    "60005": "Invalid apiKey",
    "60006": "Timestamp request expired",
    "60007": "Invalid sign",
    "60008": "The current WebSocket endpoint does not support subscribing to {} channels. "
    "Please check the WebSocket URL",
    "60009": "Login failure",
    "60011": "Please log in",
    "60012": "Invalid request: {}",
    "60013": "Invalid args",
    "60014": "Requests too frequent",
    "60018": "Wrong URL or {} doesn't exist. "
    "Please use the correct URL, channel and parameters referring to API document.",
    "60019": "Invalid op: {}",
    "60024": "Wrong passphrase",
    "60028": "The current operation is not supported by this URL. "
    "Please use the correct WebSocket URL for the operation.",
    "60031": "The WebSocket endpoint does not allow multiple or repeated logins.",
    "60032": "API key doesn't exist",
    "63999": "Login failed due to internal error. Please try again later.",
    "64003": "Your trading fee tier doesn't meet the requirement to access this channel",
}

REFUSALS: Mapping[Refusal, str] = {
    Refusal.NO_ACCOUNT: "51024",
    Refusal.NO_INSTRUMENT: "51001",
    Refusal.SUSPENDED: "51022",
    Refusal.BAD_SIZE: "51000",
    Refusal.BAD_PRICE: "51000",
    Refusal.LOT_MULTIPLE: "51121",
    Refusal.BELOW_MINIMUM: "51020",
    Refusal.ABOVE_MAXIMUM: "51005",
    Refusal.TICK_MULTIPLE: "51000",
    Refusal.PRICE_OUT_OF_BAND: "51137",
    Refusal.DUPLICATE_CLIENT_ID: "51016",
    Refusal.INSUFFICIENT_FUNDS: "51008",
    Refusal.INSUFFICIENT_MARGIN: "51008",
    Refusal.REDUCE_ONLY_NO_POSITION: "51169",
    Refusal.REDUCE_ONLY_SAME_SIDE: "51170",
    Refusal.REDUCE_ONLY_SPOT: "51139",
    Refusal.QUOTE_SIZE_UNSUPPORTED: "51000",
    Refusal.NO_LIQUIDITY: "51109",
    Refusal.UNKNOWN_ORDER: "51603",
    Refusal.ALREADY_FILLED: "51400",
    Refusal.ALREADY_CANCELED: "51400",
    Refusal.NOTHING_TO_AMEND: "51500",
    Refusal.AMEND_BELOW_FILLED: "51503",
    Refusal.BAD_LEVERAGE: "59102",
    Refusal.NO_POSITION: "51023",
    Refusal.TOO_MANY_ORDERS: "51025",
    Refusal.UNKNOWN_COIN: "58350",
    Refusal.BAD_BAR: "51000",
}

# Which parameter a refusal that is a "Parameter {} error" speaks of.
PARAMETERS: Mapping[Refusal, str] = {
    Refusal.BAD_SIZE: "sz",
    Refusal.BAD_PRICE: "px",
    Refusal.TICK_MULTIPLE: "px",
    Refusal.QUOTE_SIZE_UNSUPPORTED: "tgtCcy",
    Refusal.BAD_BAR: "bar",
}


@dataclass(eq=False)
class OkxError(Exception):
    """A request that OKX would refuse with this code; `details` fill its sentence."""

    code: str
    details: tuple[str, ...] = ()

    def __init__(self, code: str, *details: str) -> None:
        super().__init__(code, *details)
        self.code = code
        self.details = details

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return REST_ERRORS.get(self.code, UNKNOWN)[0]

    @property
    def message(self) -> str:
        """OKX's sentence."""
        sentence = REST_ERRORS.get(self.code, UNKNOWN)[1]
        blanks = sentence.count("{}")
        return sentence.format(*(*self.details, *[""] * blanks)[:blanks])

    @classmethod
    def of(cls, refused: Refused, codes: Mapping[Refusal, str] = REFUSALS) -> OkxError:
        """Translate a refusal of the core; `codes` where the request gives some kinds another code."""
        code = codes.get(refused.kind, REFUSALS[refused.kind])
        parameter = PARAMETERS.get(refused.kind)
        return cls(code, parameter or refused.detail)


# An amendment and a cancel tell of an order that is no longer open in their own codes.
AMEND_REFUSALS: Mapping[Refusal, str] = {
    Refusal.UNKNOWN_ORDER: "51503",
    Refusal.ALREADY_CANCELED: "51503",
    Refusal.ALREADY_FILLED: "51503",
    Refusal.INSUFFICIENT_FUNDS: "51502",
    Refusal.INSUFFICIENT_MARGIN: "51502",
}
CANCEL_REFUSALS: Mapping[Refusal, str] = {
    Refusal.UNKNOWN_ORDER: "51400",
    Refusal.ALREADY_CANCELED: "51400",
    Refusal.ALREADY_FILLED: "51400",
}


def socket_message(code: str, *details: str) -> str:
    """Return the sentence of a WebSocket error code."""
    return SOCKET_ERRORS[code].format(*details)
