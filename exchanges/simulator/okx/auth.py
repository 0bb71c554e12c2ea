"""OKX's signature, as the server checks it: REST headers and the WebSocket login.

Source: OKX API v5 documentation, "REST Authentication" and "WebSocket / Login".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from exchanges.simulator.okx.errors import OkxError

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOW = 30.0
"""Seconds that a request's timestamp may be off."""
LOGIN_PATH = "/users/self/verify"

_HEADERS = (
    ("OK-ACCESS-KEY", "50103"),
    ("OK-ACCESS-PASSPHRASE", "50104"),
    ("OK-ACCESS-SIGN", "50106"),
    ("OK-ACCESS-TIMESTAMP", "50107"),
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key of the simulated exchange."""

    api_key: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)
    uid: str = "446557"


def sign(secret: str, payload: str) -> str:
    """Return base64(HMAC-SHA256(secret, payload))."""
    return base64.b64encode(hmac.digest(secret.encode(), payload.encode(), hashlib.sha256)).decode()


def _iso_seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise OkxError("50112") from None
    if moment.tzinfo is None:
        raise OkxError("50112")
    return moment.timestamp()


def verify_request(
    credentials: Credentials,
    headers: Mapping[str, str],
    method: str,
    target: str,
    body: str,
    now: float,
) -> None:
    """Check a REST request, `target` being path and query as sent, `now` the exchange's clock in seconds.

    Raises:
        OkxError: 50103 to 50107, 50111 to 50113, 50102 or 50105, as OKX answers.
    """
    for name, code in _HEADERS:
        if not headers.get(name):
            raise OkxError(code)
    stamp = headers["OK-ACCESS-TIMESTAMP"]
    if abs(now - _iso_seconds(stamp)) > WINDOW:
        raise OkxError("50102")
    if headers["OK-ACCESS-KEY"] != credentials.api_key:
        raise OkxError("50111")
    if not hmac.compare_digest(headers["OK-ACCESS-PASSPHRASE"].encode(), credentials.passphrase.encode()):
        raise OkxError("50105")
    expected = sign(credentials.secret, f"{stamp}{method}{target}{body}")
    if not hmac.compare_digest(headers["OK-ACCESS-SIGN"].encode(), expected.encode()):
        raise OkxError("50113")


def login_error(credentials: Credentials, arg: Mapping[str, object], now: float) -> str | None:
    """Check the argument of a WebSocket login; return the code of what is wrong with it, or None."""
    key, passphrase, stamp, signature = (
        str(arg.get(name, "")) for name in ("apiKey", "passphrase", "timestamp", "sign")
    )
    try:
        seconds = float(stamp)
    except ValueError:
        return "60004"
    if abs(now - seconds) > WINDOW:
        return "60006"
    if key != credentials.api_key:
        return "60005"
    if not hmac.compare_digest(passphrase.encode(), credentials.passphrase.encode()):
        return "60024"
    expected = sign(credentials.secret, f"{stamp}GET{LOGIN_PATH}")
    if not hmac.compare_digest(signature.encode(), expected.encode()):
        return "60007"
    return None
