"""The account's streams through ccxt, merged into one: orders, fills, balances and positions.

One task per ccxt stream feeds a queue. When any of them fails, all are given up, the private connections are
broken off (so that the next call logs in anew) and after a back-off all begin again. `Connected` is said once
the venue has confirmed the subscriptions: what happened before must be fetched, for ccxt replays nothing.
"""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import TYPE_CHECKING, Any

from exchanges import ccxt_convert as convert
from exchanges.backoff import Backoff
from exchanges.ccxt_client import call
from exchanges.ccxt_guards import break_connections
from exchanges.classify import Action
from exchanges.errors import Unavailable, VenueError
from exchanges.port import Capability, Connected, Disconnected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from exchanges.ccxt_venue import CcxtVenue
    from exchanges.port import AccountEvent, Balance

    Queue = asyncio.Queue[AccountEvent | VenueError]
    Watch = Callable[[], Awaitable[Any]]
    Convert = Callable[[Any], Iterable[AccountEvent | None]]

STREAM = "account"
_ROTATE_AFTER = 23 * 3600.0  # venues cut connections after 24 hours
_CONFIRMED_WITHIN = 10.0
_MISSED = 4.0  # regular pushes missed before a stream counts as frozen
_SUBSCRIBING = 1.0  # where no confirmation can be seen: what a subscription may take
_OKX_CHANNELS = frozenset({"orders", "account", "positions"})


async def account_events(venue: CcxtVenue) -> AsyncGenerator[AccountEvent, None]:
    """Stream the account's events until cancelled; reconnects by itself and says so."""
    client = venue.client
    backoff = Backoff()
    lost = False
    while True:
        queue: Queue = asyncio.Queue()
        venue.confirmations.clear()
        pulse = _Pulse(venue)
        workers = [
            asyncio.create_task(_pump(client, watch, converted, queue, pulse)) for watch, converted in _streams(venue)
        ]
        workers.append(asyncio.create_task(pulse.watch(queue)))
        workers.append(asyncio.create_task(_confirm(venue, queue)))
        workers.append(asyncio.create_task(_rotate(queue)))
        for worker in workers:
            worker.add_done_callback(partial(_give_up, queue))
        try:
            while not isinstance(event := await queue.get(), VenueError):
                if isinstance(event, Connected):
                    backoff.reset()
                    lost = False
                yield event
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        break_connections(client, str(event), venue.traits.private_stream)
        if not lost:  # once per outage, however many attempts it takes
            lost = True
            yield Disconnected(STREAM, str(event))
        await asyncio.sleep(backoff.next())


def _streams(venue: CcxtVenue) -> list[tuple[Watch, Convert]]:
    client = venue.client
    told: dict[str, Balance] = {}

    def balances(raw: Any) -> Iterable[AccountEvent]:
        for currency, balance in convert.balances(raw).items():
            if told.get(currency) != balance:
                told[currency] = balance
                yield balance

    streams: list[tuple[Watch, Convert]] = [
        (client.watch_orders, lambda rows: map(venue.report, rows)),
        (client.watch_my_trades, lambda rows: [venue.fill(row, streamed=True) for row in rows]),
        (client.watch_balance, balances),
    ]
    if Capability.POSITION_STREAM in venue.capabilities:
        streams.append((client.watch_positions, lambda rows: convert.positions(rows, venue.markets)))
    return streams


async def _pump(client: Any, watch: Watch, converted: Convert, queue: Queue, pulse: _Pulse) -> None:
    """Move events from one ccxt stream to the queue until it fails; the failure is the last thing put.

    Nothing is awaited between two calls of `watch`, so that no message can fall between them.
    """

    async def events() -> list[AccountEvent]:
        return [event for event in converted(await watch()) if event is not None]

    try:
        while True:
            for event in await call(client, Action.READ, events()):
                queue.put_nowait(event)
            pulse.beat()
    except VenueError as error:
        queue.put_nowait(error)


async def _confirm(venue: CcxtVenue, queue: Queue) -> None:
    try:
        async with asyncio.timeout(_CONFIRMED_WITHIN):
            if venue.exchange_id == "okx":
                await venue.confirmations.wait_for(_OKX_CHANNELS)
            else:
                await venue.confirmations.connected.wait()
                await asyncio.sleep(_SUBSCRIBING)
    except TimeoutError:
        queue.put_nowait(Unavailable("the subscriptions were not confirmed", venue=venue.name))
    else:
        queue.put_nowait(Connected(STREAM))


async def _rotate(queue: Queue) -> None:
    await asyncio.sleep(_ROTATE_AFTER * random.uniform(0.97, 1.03))  # noqa: S311  # spreads load
    queue.put_nowait(Unavailable("rotated before the venue's own cut-off"))


def _give_up(queue: Queue, worker: asyncio.Task[None]) -> None:
    """Have a worker's bug end the streams as their failures do, instead of leaving one of them unread."""
    error = None if worker.cancelled() else worker.exception()
    if error is not None:
        queue.put_nowait(Unavailable(f"{type(error).__name__}: {error}"))


class _Pulse:
    """Notices an account's stream that is frozen: open, its pings answered, and silent beyond its regular pushes."""

    def __init__(self, venue: CcxtVenue) -> None:
        self._every = venue.traits.account_pulse
        self._monotonic = venue.monotonic
        self._last = venue.monotonic()

    def beat(self) -> None:
        """Something was heard."""
        self._last = self._monotonic()

    async def watch(self, queue: Queue) -> None:
        """Give the stream up after missing several pushes in a row; for ever patient where a venue makes none."""
        if self._every is None:
            return
        patience = self._every * _MISSED
        silent = 0.0
        while silent < patience:
            await asyncio.sleep(patience - silent)
            silent = self._monotonic() - self._last
        queue.put_nowait(Unavailable(f"the stream has been silent for {silent:.1f} s"))


class Confirmations:
    """What a client's streams have been told since the last `clear`, read off what passes by.

    Made once per client, before it connects: a connection keeps the handlers that it was made with.
    """

    def __init__(self, client: Any) -> None:
        self._channels: set[str] = set()
        self._changed = asyncio.Event()
        self.connected = asyncio.Event()
        handle, on_connected = client.handle_message, client.on_connected

        def note_connected(connection: Any, *rest: Any) -> None:
            self.connected.set()
            on_connected(connection, *rest)

        def handle_message(connection: Any, message: Any) -> None:
            if isinstance(message, dict) and message.get("event") == "subscribe":
                self._channels.add(message["arg"]["channel"])
                self._changed.set()
            handle(connection, message)

        client.handle_message = handle_message
        client.on_connected = note_connected

    def clear(self) -> None:
        """Forget what an earlier connection was told."""
        self._channels.clear()
        self.connected.clear()

    async def wait_for(self, channels: frozenset[str]) -> None:
        """Wait until all of these channels are confirmed."""
        while not channels <= self._channels:
            self._changed.clear()
            await self._changed.wait()
