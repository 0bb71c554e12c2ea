"""Who is subscribed to what, and the one place from which everything is pushed.

A message is built once per channel and argument, and the same bytes go to every subscriber; what nobody is subscribed
to is never built.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

from exchanges.simulator.core.events import InstrumentChanged, Liquidated
from exchanges.simulator.faults import STREAM_KINDS, FaultKind
from exchanges.simulator.okx.feeds import FEEDS, RESERVED, Feed, Stream
from exchanges.simulator.okx.ledger import PRIVATE, Ledger, liquidation_row
from exchanges.simulator.okx.rows_public import instrument_row
from exchanges.simulator.okx.session import Session, SocketError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exchanges.simulator.core.events import Event
    from exchanges.simulator.okx.face import Face

Key = tuple[tuple[str, str], ...]
SNAPSHOT_MS = 5_000
"""How often `account` and `positions` are told again although nothing happened."""
TURN_MS = 50
"""How far apart streams of one channel are, which is about a tick."""
BY_EVENT = frozenset({"instruments", "liquidation-orders", "status"})
"""Public channels that say something only when something happens."""


def _key(arg: dict[str, str]) -> Key:
    return tuple(sorted(arg.items()))


class Hub:
    """All subscriptions of the simulated venue."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._ledger = Ledger(face)
        self._streams: dict[str, dict[str, Stream]] = {name: {} for name in FEEDS}
        self._events: dict[Key, list[Session]] = {}
        self._held: dict[Key, bytes] = {}
        self._next_snapshot = 0
        self._connections = count(1)
        self.pushed: Counter[str] = Counter()

    def connection_id(self) -> str:
        """Return a new connection's id."""
        return f"{next(self._connections):08x}"

    def subscribe(self, session: Session, arg: dict[str, str]) -> list[bytes]:
        """Add a subscription; return what is sent after its acknowledgement.

        Raises:
            SocketError: 60018 for an unknown channel or instrument, 60008 for the wrong endpoint, 60011 before login,
                64003 for a channel that needs a higher fee tier.
        """
        channel = arg.get("channel", "")
        feed = FEEDS.get(channel)
        if feed is not None:
            return self._subscribe_market(session, arg, feed)
        _check_endpoint(session, arg)
        sessions = self._events.setdefault(_key(arg), [])
        if session not in sessions:
            sessions.append(session)
        if channel in PRIVATE:
            first = [self._private(arg, body) for body in self._ledger.first(arg)]
            return [self._connection_count(session, channel), *first]
        if channel == "instruments":
            listed = self._face.exchange.instruments.values()
            rows = [instrument_row(i) for i in listed if i.kind.value == arg.get("instType")]
            return [orjson.dumps({"arg": arg, "data": rows})]
        return []

    def _connection_count(self, session: Session, channel: str) -> bytes:
        """Return what OKX tells with a private subscription: how many connections have one to the channel."""
        held = (sessions for key, sessions in self._events.items() if ("channel", channel) in key)
        connections = {s for sessions in held for s in sessions}
        told = {"event": "channel-conn-count", "channel": channel, "connCount": str(len(connections))}
        return orjson.dumps(told | {"connId": session.conn_id})

    def _subscribe_market(self, session: Session, arg: dict[str, str], feed: Feed) -> list[bytes]:
        inst_id = arg.get("instId", "")
        if session.path != feed.path:
            raise SocketError("60008" if session.path == "private" else "60018", _told(arg))
        instrument = self._face.exchange.instruments.get(inst_id)
        if instrument is None or instrument.kind not in feed.kinds or set(arg) != {"channel", "instId"}:
            raise SocketError("60018", _told(arg))
        streams = self._streams[arg["channel"]]
        stream = streams.get(inst_id)
        if stream is None:
            stream = streams[inst_id] = feed.stream(self._face, arg["channel"], inst_id)
            # Streams of one channel take turns, however many are subscribed to at once.
            turn = self._face.exchange.index(inst_id) * TURN_MS % feed.every_ms
            stream.due_ms = self._face.exchange.now_ms + turn + 1
        first = stream.first()
        if session not in stream.sessions:
            stream.sessions.append(session)
        return first

    def unsubscribe(self, session: Session, arg: dict[str, str]) -> None:
        """Take a subscription away.

        Raises:
            SocketError: 60018 where there is no such channel.
        """
        channel = arg.get("channel", "")
        if channel in FEEDS:
            stream = self._streams[channel].get(arg.get("instId", ""))
            if stream is not None:
                self._leave(stream, session)
        elif channel in PRIVATE | BY_EVENT:
            sessions = self._events.get(_key(arg), [])
            if session in sessions:
                sessions.remove(session)
        else:
            raise SocketError("60018", _told(arg))

    def drop(self, session: Session) -> None:
        """Take all subscriptions of a closed connection away."""
        for streams in self._streams.values():
            for stream in list(streams.values()):
                self._leave(stream, session)
        for sessions in self._events.values():
            if session in sessions:
                sessions.remove(session)

    def _leave(self, stream: Stream, session: Session) -> None:
        if session in stream.sessions:
            stream.sessions.remove(session)
            if not stream.sessions:
                del self._streams[stream.channel][stream.inst_id]

    async def publish(self) -> None:
        """Push all that is due: what happened in the account, market data by their pace, regular snapshots.

        Each channel of an instrument has its own pace, so that the work of the slower ones spreads over the ticks; and
        what one channel has to say is on its way before the next is looked at, quotes first.
        """
        exchange = self._face.exchange
        now = exchange.now_ms
        self.settle()
        sequences: list[int] = exchange.sequences.tolist()
        for name, streams in self._streams.items():
            pushed = self.pushed[name]
            every_ms = FEEDS[name].every_ms
            for stream in list(streams.values()):
                if now < stream.due_ms or stream.inst_id not in exchange.instruments:
                    continue
                stream.due_ms = max(stream.due_ms + every_ms, now)
                for message in stream.news(sequences[exchange.index(stream.inst_id)]):
                    self._push(name, stream.inst_id, stream.key, stream.sessions, message)
            if self.pushed[name] != pushed:
                await asyncio.sleep(0)
        if now >= self._next_snapshot:
            self._next_snapshot = now + SNAPSHOT_MS
            self._snapshots()

    def _snapshots(self) -> None:
        for key, sessions in self._events.items():
            arg = dict(key)
            if sessions and arg["channel"] in {"account", "positions"} and "extraParams" not in arg:
                for body in self._ledger.first(arg):
                    self._push(arg["channel"], "", key, sessions, self._private(arg, body))

    def settle(self) -> None:
        """Push what has happened in the account since the last time."""
        events = self._face.exchange.drain()
        if events and self._events:
            self._tell(events)
        self._face.amendments.clear()

    def _tell(self, events: Sequence[Event]) -> None:
        digest = self._ledger.digest(events)
        for key, sessions in self._events.items():
            arg = dict(key)
            if not sessions:
                continue
            if arg["channel"] in PRIVATE:
                for body in digest.bodies(arg):
                    self._push(arg["channel"], arg.get("instId", ""), key, sessions, self._private(arg, body))
            else:
                for row in _public_rows(self._face, arg, events):
                    message = orjson.dumps({"arg": arg, "data": [row]})
                    self._push(arg["channel"], "", key, sessions, message)

    def _private(self, arg: dict[str, str], body: dict[str, Any]) -> bytes:
        told = {name: value for name, value in arg.items() if name != "extraParams"}
        return orjson.dumps({"arg": told | {"uid": self._face.credentials.uid}, **body})

    def _push(self, channel: str, inst_id: str, key: Key, sessions: list[Session], message: bytes) -> None:
        messages = (
            [message] if not self._face.faults.streams else self._afflicted(channel, inst_id, key, sessions, message)
        )
        for ready in messages:
            self.pushed[channel] += len(sessions)
            for session in sessions:
                session.send(ready)

    def _afflicted(
        self, channel: str, inst_id: str, key: Key, sessions: list[Session], message: bytes
    ) -> Iterable[bytes]:
        fault = self._face.faults.hit(f"CHANNEL {channel} {inst_id}".rstrip(), STREAM_KINDS)
        held = self._held.pop(key, None)
        if fault is None:
            return [message] if held is None else [message, held]
        if fault.kind is FaultKind.STALL:
            return []
        if fault.kind is FaultKind.DUPLICATE:
            return [message, message]
        if fault.kind is FaultKind.REORDER:
            if held is not None:
                return [message, held]
            self._held[key] = message
            return []
        for session in list(sessions):
            session.close()
        return []


def _check_endpoint(session: Session, arg: dict[str, str]) -> None:
    channel = arg.get("channel", "")
    if channel in RESERVED:
        raise SocketError("64003")
    if channel not in PRIVATE | BY_EVENT:
        raise SocketError("60018", _told(arg))
    if session.path != ("private" if channel in PRIVATE else "public"):
        raise SocketError("60008", channel)
    if channel in PRIVATE and not session.logged_in:
        raise SocketError("60011")


def _public_rows(face: Face, arg: dict[str, str], events: Sequence[Event]) -> list[Any]:
    kind = arg.get("instType")
    rows: list[Any] = []
    for event in events:
        if arg["channel"] == "instruments" and isinstance(event, InstrumentChanged):
            if event.instrument.kind.value == kind:
                rows.append(instrument_row(event.instrument))
        elif arg["channel"] == "liquidation-orders" and isinstance(event, Liquidated):
            rows.append(liquidation_row(face, event))
    return rows


def _told(arg: dict[str, str]) -> str:
    return ",".join(f"{name}:{value}" for name, value in arg.items())
