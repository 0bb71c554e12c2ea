"""One WebSocket connection: ping, login, subscribe and unsubscribe, order operations, and what is sent to it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from exchanges.simulator.core.refusals import Refused
from exchanges.simulator.faults import ANSWER_KINDS, Fault, FaultKind
from exchanges.simulator.okx.auth import login_error
from exchanges.simulator.okx.errors import OkxError, socket_message
from exchanges.simulator.okx.rest import check_deadline, damaged, envelope, microseconds
from exchanges.simulator.okx.trade_requests import OPERATIONS, operate

if TYPE_CHECKING:
    from exchanges.simulator.okx.face import Face

IDLE = 30.0
"""Seconds without a message in either direction after which OKX closes a connection."""
NO_DATA = 4004
"""OKX's close code for it."""
MOST_WAITING = 50_000
"""Messages that may wait for a slow client before it is dropped."""


class SocketError(Exception):
    """What a client did wrong, by OKX's code."""

    def __init__(self, code: str, *details: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = socket_message(code, *details)


class Channels(Protocol):
    """Where a session subscribes."""

    def subscribe(self, session: Session, arg: dict[str, str]) -> list[bytes]:
        """Add a subscription; return what is sent after its acknowledgement; raise `SocketError`."""

    def unsubscribe(self, session: Session, arg: dict[str, str]) -> None:
        """Take a subscription away; raise `SocketError` where the channel does not exist."""

    def drop(self, session: Session) -> None:
        """Take all subscriptions of a closed connection away."""

    def settle(self) -> None:
        """Push what an operation has changed."""


class Session:
    """A connection to one of `public`, `private` and `business`."""

    def __init__(self, face: Face, channels: Channels, path: str, conn_id: str) -> None:
        self.face = face
        self.path = path
        self.conn_id = conn_id
        self.logged_in = False
        self._channels = channels
        self._waiting: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._active = time.monotonic()
        self._socket = web.WebSocketResponse(autoping=True, compress=False, max_msg_size=2**20)

    async def run(self, request: web.Request) -> web.WebSocketResponse:
        """Serve the connection until it is closed."""
        socket = self._socket
        await socket.prepare(request)
        self._start(self._write())
        self._start(self._watch_idleness())
        try:
            async for message in socket:
                self._active = time.monotonic()
                if message.type is WSMsgType.TEXT:
                    self._receive(message.data)
        finally:
            self._channels.drop(self)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        return socket

    def send(self, message: bytes) -> None:
        """Queue a message; a client that does not keep up is dropped."""
        self._waiting.append(message)
        self._filled.set()
        if len(self._waiting) > MOST_WAITING:
            self.close(WSCloseCode.TRY_AGAIN_LATER)

    def tell(self, message: dict[str, Any]) -> None:
        """Queue an object."""
        self.send(orjson.dumps(message))

    def close(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Close the connection; what waits is not sent."""
        self._waiting.clear()
        self._start(self._close(code))

    async def finish(self) -> None:
        """Close the connection at the end of the server."""
        await self._close(WSCloseCode.GOING_AWAY)

    async def _close(self, code: int) -> None:
        await self._socket.close(code=code, drain=False)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            self._active = time.monotonic()
            while self._waiting:
                try:
                    await self._socket.send_frame(self._waiting.popleft(), WSMsgType.TEXT)
                except (ConnectionError, RuntimeError):
                    return

    async def _watch_idleness(self) -> None:
        """Close the connection once nothing has gone either way for long enough."""
        while (left := self._active + IDLE - time.monotonic()) > 0:  # noqa: ASYNC110 - it waits for nothing to happen
            await asyncio.sleep(left)
        await self._close(NO_DATA)

    def _receive(self, text: str) -> None:
        if text == "ping":
            self.send(b"pong")
            return
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            self._complain(SocketError("60012", text), None)
            return
        if not isinstance(request, dict) or not isinstance(request.get("args", []), list):
            self._complain(SocketError("60012", text), None)
            return
        identity = request.get("id")
        try:
            self._act(request, text)
        except SocketError as error:
            self._complain(error, identity)

    def _complain(self, error: SocketError, identity: object) -> None:
        message = {"event": "error", "code": error.code, "msg": error.message, "connId": self.conn_id}
        self.tell(({"id": identity} if identity else {}) | message)

    def acknowledge(self, event: str, arg: dict[str, str], identity: object = None) -> None:
        """Confirm a subscription or its end."""
        self.tell(({"id": identity} if identity else {}) | {"event": event, "arg": arg, "connId": self.conn_id})

    def _act(self, request: dict[str, Any], text: str) -> None:
        op, args, identity = request.get("op"), request.get("args", []), request.get("id")
        if not all(isinstance(arg, dict) for arg in args):
            raise SocketError("60012", text)
        if op == "login":
            self._log_in(args)
        elif op in {"subscribe", "unsubscribe"}:
            for arg in args:
                subscription = {str(k): str(v) for k, v in arg.items()}
                first: list[bytes] = []
                if op == "subscribe":
                    first = self._channels.subscribe(self, subscription)
                else:
                    self._channels.unsubscribe(self, subscription)
                self.acknowledge(op, subscription, identity)
                for message in first:
                    self.send(message)
        elif op in OPERATIONS:
            if self.path != "private":
                raise SocketError("60028")
            if not self.logged_in:
                raise SocketError("60011")
            self._start(self._operate(str(op), request))
        else:
            raise SocketError("60019", str(op))

    def _log_in(self, args: list[dict[str, object]]) -> None:
        if self.path == "public":
            raise SocketError("60028")
        if not args:
            raise SocketError("60013")
        code = login_error(self.face.credentials, args[0], self.face.now_ms() / 1000)
        if code is not None:
            raise SocketError(code)
        self.logged_in = True
        self.tell({"event": "login", "code": "0", "msg": "", "connId": self.conn_id})

    async def _operate(self, op: str, request: dict[str, Any]) -> None:
        faults = self.face.faults
        fault = faults.hit(f"OP {op}", ANSWER_KINDS) if faults else None
        if fault is None:
            self.tell(self._outcome(op, request, None))
            return
        if not fault.processed:
            if fault.kind is not FaultKind.LATE:
                self._wrong(fault, self._refusal(op, request, fault))
                return
            await asyncio.sleep(fault.seconds)
        answer = self._outcome(op, request, None)
        if fault.processed and fault.kind is not FaultKind.LATE:
            self._wrong(fault, answer)
            return
        if fault.processed:
            await asyncio.sleep(fault.seconds)
        self.tell(answer)

    def _outcome(self, op: str, request: dict[str, Any], error: OkxError | None) -> dict[str, Any]:
        arrived = microseconds(self.face)
        head = {"id": str(request.get("id", "")), "op": op}
        try:
            check_deadline(self.face, str(request.get("expTime", "")))
            outcome = operate(self.face, op, request.get("args", []), error)
            # Over a WebSocket OKX leaves the sentence to the rows.
            answer = envelope(outcome.code, "", outcome.rows)
        except OkxError as refused:
            answer = envelope(refused.code, refused.message, [])
        except Refused as refused:
            translated = OkxError.of(refused)
            answer = envelope(translated.code, translated.message, [])
        finally:
            self._channels.settle()
        return head | answer | {"inTime": arrived, "outTime": microseconds(self.face)}

    def _refusal(self, op: str, request: dict[str, Any], fault: Fault) -> dict[str, Any]:
        if fault.kind is FaultKind.CODE and fault.code.startswith("51"):
            return self._outcome(op, request, OkxError(fault.code))
        codes = {FaultKind.MAINTENANCE: "50001", FaultKind.THROTTLE: "50011"}
        error = OkxError(codes.get(fault.kind, fault.code or "50026"))
        head = {"id": str(request.get("id", "")), "op": op}
        return head | envelope(error.code, error.message, [])

    def _wrong(self, fault: Fault, answer: dict[str, Any]) -> None:
        if fault.kind is FaultKind.SILENT:
            return
        if fault.kind is FaultKind.CUT:
            self.close(WSCloseCode.ABNORMAL_CLOSURE)
        elif fault.kind in {FaultKind.TRUNCATED, FaultKind.EMPTY, FaultKind.PARTIAL}:
            self.send(damaged(fault, answer))
        elif fault.processed:
            error = OkxError(fault.code or "50026")
            self.tell(answer | envelope(error.code, error.message, []))
        else:
            self.tell(answer)
