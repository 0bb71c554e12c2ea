"""Background tasks under supervision: when one ends unasked, the service ends, and says which and why.

A daemon that trades on with a dead feed or a dead lease keeper is worse than one that restarts. Start is
recovery, so ending is safe at any moment.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = logging.getLogger(__name__)


class TaskEndedError(Exception):
    """A task that must run for as long as the service does has ended; its cause is the exception's cause."""


class Supervisor:
    """Runs named tasks, and ends with the first of them that ends."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: asyncio.Future[str] | None = None

    def start(self, name: str, work: Coroutine[object, object, None]) -> None:
        """Run `work` until the service stops."""
        if self._ended is None:
            self._ended = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(work, name=name)
        self._tasks[name] = task
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(task.get_name())

    async def watch(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set.

        Raises:
            TaskEndedError: a task ended first.
        """
        if self._ended is None:
            self._ended = asyncio.get_running_loop().create_future()
        stopping: asyncio.Future[bool] = asyncio.create_task(stop.wait())
        either: set[asyncio.Future[bool] | asyncio.Future[str]] = {stopping, self._ended}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if stop.is_set():
            return
        name = self._ended.result()
        task = self._tasks[name]
        if task.cancelled():
            raise TaskEndedError(f"task {name} was cancelled")
        cause = task.exception()
        words = f"task {name} ended: {cause}" if cause else f"task {name} returned, and must not"
        raise TaskEndedError(words) from cause

    async def stop(self) -> None:
        """Cancel every task and wait for its end; what fails while ending is logged."""
        for task in self._tasks.values():
            task.cancel()
        results = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for name, result in zip(self._tasks, results, strict=True):
            if isinstance(result, Exception):
                log.error("task %s failed while stopping: %s", name, result)
        self._tasks.clear()
