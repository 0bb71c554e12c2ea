"""Background tasks under supervision: the first that ends, ends the service, and says which and why."""

from __future__ import annotations

import asyncio

import pytest

from daemon.supervise import Supervisor, TaskEndedError


async def fails() -> None:
    raise ValueError("the feed is dead")


async def returns() -> None:
    return


async def lasts() -> None:
    await asyncio.Event().wait()


async def test_a_task_that_fails_ends_the_service_with_its_cause() -> None:
    supervisor = Supervisor()
    supervisor.start("market data", fails())
    supervisor.start("books", lasts())
    with pytest.raises(TaskEndedError, match="task market data ended: the feed is dead") as ended:
        await supervisor.watch(asyncio.Event())
    assert isinstance(ended.value.__cause__, ValueError)
    await supervisor.stop()


async def test_a_task_that_returns_is_a_failure_too() -> None:
    supervisor = Supervisor()
    supervisor.start("account", returns())
    with pytest.raises(TaskEndedError, match="task account returned, and must not"):
        await supervisor.watch(asyncio.Event())
    await supervisor.stop()


async def test_a_task_that_was_cancelled_by_somebody_else_is_a_failure_too() -> None:
    supervisor = Supervisor()
    supervisor.start("lease", lasts())
    await asyncio.sleep(0)
    (task,) = (one for one in asyncio.all_tasks() if one.get_name() == "lease")
    task.cancel()
    with pytest.raises(TaskEndedError, match="task lease was cancelled"):
        await supervisor.watch(asyncio.Event())
    await supervisor.stop()


async def test_the_flag_ends_it_in_order() -> None:
    supervisor, stop = Supervisor(), asyncio.Event()
    ended = []

    async def notes_its_end() -> None:
        try:
            await lasts()
        finally:
            ended.append("bars")

    supervisor.start("bars", notes_its_end())
    watching = asyncio.create_task(supervisor.watch(stop))
    await asyncio.sleep(0)
    stop.set()
    await watching
    assert ended == []
    await supervisor.stop()
    assert ended == ["bars"]


async def test_a_failure_while_stopping_is_told_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor()

    async def fails_at_its_end() -> None:
        try:
            await lasts()
        finally:
            raise OSError("the socket is gone")

    supervisor.start("status", fails_at_its_end())
    supervisor.start("bars", lasts())
    await asyncio.sleep(0)
    await supervisor.stop()
    assert "task status failed while stopping: the socket is gone" in caplog.text


async def test_a_task_may_start_others_while_it_is_watched() -> None:
    supervisor = Supervisor()

    async def starts() -> None:
        supervisor.start("child", fails())
        await lasts()

    supervisor.start("parent", starts())
    with pytest.raises(TaskEndedError, match="task child ended"):
        await supervisor.watch(asyncio.Event())
    await supervisor.stop()
