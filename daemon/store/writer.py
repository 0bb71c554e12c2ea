"""The one thread that writes: transactions in the order they were asked for, each whole or not at all.

A transaction that was asked for ends by itself: a cancelled `await` neither stops it nor leaves half of it.
Whoever was cancelled does not know whether it counts, and reads again by key.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from daemon.store.errors import StoreError, translated

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

P = ParamSpec("P")
T = TypeVar("T")


class Writer:
    """Owns the connection that writes. `run` from a task, `call` from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._work: queue.SimpleQueue[tuple[Future[object], Callable[[Connection], object]] | None] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._loop, name="keelward-writer", daemon=True)
        self._thread.start()

    def call(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue `function(connection, ...)` as one transaction; committed when it returns, rolled back if it raises.

        Raises:
            StoreError: the writer has stopped.
        """
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # a transaction that was asked for is not taken back
        with self._lock:
            if self._stopped:
                raise StoreError("the writer has stopped: nothing more is written")
            self._work.put((future, lambda connection: function(connection, *args, **kwargs)))  # type: ignore[arg-type]  # a future is invariant, and this one meets its own function only
        return future

    async def run(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function(connection, ...)` as one transaction and return its result.

        Raises:
            StoreError: the database failed, with what to do; what the function raises itself comes through as it is.
        """
        return await asyncio.shield(asyncio.wrap_future(self.call(function, *args, **kwargs)))

    async def stop(self) -> None:
        """Finish what was asked for, then close the connection; idempotent."""
        self.shut()
        await asyncio.to_thread(self._thread.join)

    def shut(self) -> None:
        """Take no more work; the thread ends after what is queued."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._work.put(None)

    def _loop(self) -> None:
        connection: Connection | None = None
        while (item := self._work.get()) is not None:
            future, function = item
            try:
                if connection is None or connection.closed or connection.invalidated:
                    connection = self._engine.connect()
                with connection.begin():
                    result = function(connection)
            except SQLAlchemyError as error:
                future.set_exception(translated(error))
                connection = self._discarded(connection)
            except BaseException as error:  # noqa: BLE001  # handed whole to whoever asked; the thread must live on
                future.set_exception(error)
            else:
                future.set_result(result)
        self._discarded(connection)
        self._engine.dispose()

    @staticmethod
    def _discarded(connection: Connection | None) -> None:
        """Close a connection that may be broken: the next transaction opens a new one."""
        if connection is not None:
            try:
                connection.close()
            except SQLAlchemyError:
                connection.invalidate()
