"""Guards without which ccxt's streams fail silently.

1. `guard_connections`: an exception while one message is handled ends ccxt's receive loop for good, with the
socket
   open and every waiter waiting. Each message is handled under a guard that counts, says so and goes on.
2. `guard_loop`: what still escapes into the event loop's handler from a stream breaks that client's
connections, so
   that waiters learn of it at once.
3. `break_connections`: a frozen stream (pings answered, no data) raises nothing, ever; staleness is ours to
judge,
   and this is how it is acted upon. Closing a client instead would cancel its waiters. It is also the way out
   of a refused login, after which ccxt never logs in again on that connection.
4. After every reconnect `account_events` and `MarketFeed` say `Connected`: ccxt replays nothing that was
missed. 5. `require_client_id`: ccxt makes a fresh random id per call for an order that has none.

And `freeze_garbage`: the objects of ccxt's import cost every full collection some 40 ms.
"""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING, Any

from ccxt.base.errors import NetworkError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_log = logging.getLogger(__name__)
_WS_MODULE = "ccxt.async_support.base.ws"


def guard_connections(client: Any) -> None:
    """Make each stream of the client survive a message that its handler cannot take.

    The number of such messages is kept in `client.malformed`.
    """
    client.malformed = 0
    make = client.client

    def guarded(url: str) -> Any:
        known = (client.clients or {}).get(url)
        connection = make(url)
        if connection is not known:
            connection.handle_message = _surviving(client, connection.handle_message)
        return connection

    client.client = guarded


def _surviving(client: Any, handle: Callable[[Any], None]) -> Callable[[Any], None]:
    def handle_message(message: Any) -> None:
        try:
            handle(message)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not end the receive loop
            client.malformed += 1
            _log.warning("%s: a stream message could not be handled: %s: %s", client.id, type(error).__name__, error)

    return handle_message


def guard_loop(loop: asyncio.AbstractEventLoop, client: Any) -> Callable[[], None]:
    """Break the client's connections when an exception escapes from ccxt's stream code into the loop.

    Whatever handled such exceptions before still does. Call what is returned to take the guard away.
    """
    following = loop.get_exception_handler()
    active = True

    def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if active and _from_stream(context):
            break_connections(client, f"a callback failed: {context.get('exception')!r}")
        if following is not None:
            following(loop, context)
        else:
            loop.default_exception_handler(context)

    def remove() -> None:
        nonlocal active
        active = False
        if loop.get_exception_handler() is handler:
            loop.set_exception_handler(following)

    loop.set_exception_handler(handler)
    return remove


def _from_stream(context: dict[str, Any]) -> bool:
    error = context.get("exception")
    trace = error.__traceback__ if isinstance(error, BaseException) else None
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").startswith(_WS_MODULE):
            return True
        trace = trace.tb_next
    return False


def break_connections(client: Any, reason: str, url_part: str = "") -> None:
    """Fail every waiter on the client's streams, and dial anew at next use.

    Only streams with `url_part` in their address are broken off. A wait for the next dial that ccxt had built
    up is forgotten: our own back-off paces the dials.
    """
    for url, connection in list((client.clients or {}).items()):
        if url_part in url:
            for waiter in connection.futures.values():
                waiter.add_done_callback(_retrieve)
            connection.on_error(NetworkError(f"{client.id} stream broken off: {reason}"))
            client.clients.pop(url, None)
    client.ws_dial_backoff = {}


def _retrieve(waiter: asyncio.Future[Any]) -> None:
    """Take note of a failure that nobody may be waiting for any more."""
    if not waiter.cancelled():
        waiter.exception()


def require_client_id(client_id: str) -> str:
    """Return the id, or refuse to let ccxt make one up.

    Raises:
        ValueError: there is none.
    """
    if not client_id:
        raise ValueError("an order without a client id of ours is never sent")
    return client_id


def freeze_garbage() -> None:
    """Collect once, and spare all that lives now any later collection; call it after markets are loaded."""
    gc.collect()
    gc.freeze()
