"""The web server over real sockets: what it answers, what it refuses, and that it lets go when told to stop."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon import live
from daemon.view import Health
from daemon.web import WebServer
from tests.example_view import example, halted
from tests.page_server import Desk, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DECISION = f"/decisions/{example().decisions[0].id}"
PATHS = ("/", DECISION, "/status.json", "/metrics", "/live", "/ready", "/static/page.css")


@asynccontextmanager
async def visiting(desk: Desk, **options: Any) -> AsyncIterator[aiohttp.ClientSession]:
    async with serving(desk, **options) as server, aiohttp.ClientSession(server.url) as client:
        yield client


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, str]]]:
    while head := (await answer.content.readline()).decode().strip():
        data = (await answer.content.readline()).decode().removeprefix("data: ")
        await answer.content.readline()
        yield head.removeprefix("event: "), json.loads(data)


async def test_every_page_answers_with_its_type_and_the_security_headers() -> None:
    async with visiting(Desk()) as client:
        for path in PATHS:
            async with client.get(path) as answer:
                assert answer.status == 200, path
                policy = answer.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'")
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert "charset=utf-8" in answer.headers["Content-Type"] or path.endswith(("json", "live", "ready"))


async def test_errors_carry_the_security_headers_too() -> None:
    async with visiting(Desk()) as client, client.get("/nowhere") as answer:
        assert answer.status == 404
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_it_only_ever_reads(method: str) -> None:
    async with visiting(Desk()) as client:
        for path in PATHS:
            async with client.request(method, path) as answer:
                assert answer.status == 405, path


async def test_head_answers_without_a_body() -> None:
    async with visiting(Desk()) as client:
        for path in PATHS:
            async with client.head(path) as answer:
                assert answer.status == 200
                assert await answer.read() == b""


async def test_a_foreign_name_is_refused_and_known_ones_are_answered() -> None:
    async with serving(Desk(), hosts=["desk.example"]) as server, aiohttp.ClientSession() as client:
        port = server.port
        expected = {
            f"127.0.0.1:{port}": 200,
            f"[::1]:{port}": 200,
            f"localhost:{port}": 200,
            "DESK.example": 200,
            f"rebound.example:{port}": 421,
            "127.0.0.1.rebound.example": 421,
        }
        for host, status in expected.items():
            async with client.get(server.url, headers={"Host": host}) as answer:
                assert (host, answer.status) == (host, status)


async def test_json_keeps_every_digit_and_every_field() -> None:
    desk = Desk()
    assert desk.view.equity is not None
    precise = Decimal("1026189.700000000000000001")
    desk.view = replace(desk.view, equity=replace(desk.view.equity, now=precise))
    async with visiting(desk) as client, client.get("/status.json") as answer:
        told = await answer.json()
    assert told["equity"]["now"] == str(precise)
    assert told["condition"]["state"] == "ACTIVE"
    assert told["as_of"].endswith("Z")
    assert set(told) == set(desk.view.__dataclass_fields__)
    assert len(told["holdings"]) == len(desk.view.holdings)


async def test_metrics_are_in_prometheus_text_format() -> None:
    async with visiting(Desk()) as client, client.get("/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        names = {family.name for family in text_string_to_metric_families(await answer.text())}
    assert {"keelward_build_info", "keelward_cycles"} <= names


@pytest.mark.parametrize(
    ("health", "live_status", "ready_status"),
    [
        (Health(live=True, ready=True), 200, 200),
        (Health(live=True, ready=False, problems=("No quote of LINK/USDT for 6.2 s.",)), 200, 503),
        (Health(live=False, ready=False, problems=("The cycle is stuck.",)), 503, 503),
    ],
)
async def test_health_is_told_by_status_and_in_words(health: Health, live_status: int, ready_status: int) -> None:
    async with visiting(Desk(health=health)) as client:
        async with client.get("/live") as answer:
            assert answer.status == live_status
        async with client.get("/ready") as answer:
            assert answer.status == ready_status
            assert await answer.json() == {"ready": health.ready, "problems": list(health.problems)}


async def test_a_decision_is_explained_and_an_unknown_one_is_not_found() -> None:
    async with visiting(Desk()) as client:
        async with client.get(DECISION) as answer:
            assert "tracking error from 2.6 % to 2.1 %" in await answer.text()
        async with client.get("/decisions/d-1") as answer:
            assert answer.status == 404
            assert "There is no decision d-1." in await answer.text()
        async with client.get("/decisions/%3Cscript%3E") as answer:
            assert answer.status == 404
            assert "<script>" not in await answer.text()


async def test_a_page_travels_compressed() -> None:
    async with serving(Desk()) as server, aiohttp.ClientSession(auto_decompress=False) as client:
        async with client.get(server.url, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            small = len(await answer.read())
        async with client.get(server.url, headers={"Accept-Encoding": "identity"}) as answer:
            assert "Content-Encoding" not in answer.headers
            assert len(await answer.read()) > 4 * small


async def test_static_files_are_not_sent_twice() -> None:
    async with visiting(Desk()) as client:
        async with client.get("/static/page.js") as answer:
            tag = answer.headers["ETag"]
        async with client.get("/static/page.js", headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
        async with client.get("/static/../web.py") as answer:
            assert answer.status == 404


async def test_events_begin_with_everything_and_then_carry_only_what_changed() -> None:
    desk = Desk()
    async with visiting(desk, period=0.02) as client, client.get("/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        stream = events(answer)
        kind, parts = await anext(stream)
        assert kind == "parts"
        assert {"status", "weights", "title", "time"} <= set(parts)
        assert await anext(stream) == ("beat", {})
        desk.view = replace(desk.view, unknown_intents=4)
        changed = [parts async for kind, parts in until_parts(stream)]
        assert changed[-1].keys() == {"status"}
        assert "4 orders in doubt" in changed[-1]["status"]


async def until_parts(
    stream: AsyncIterator[tuple[str, dict[str, str]]],
) -> AsyncIterator[tuple[str, dict[str, str]]]:
    async for kind, parts in stream:
        yield kind, parts
        if kind == "parts":
            return


async def test_ages_go_on_while_the_view_stands_still() -> None:
    desk = Desk()
    async with visiting(desk, period=0.02) as client, client.get("/events") as answer:
        stream = events(answer)
        await anext(stream)
        desk.now = desk.view.as_of + timedelta(seconds=30)
        changed = [parts async for kind, parts in until_parts(stream)][-1]
        assert "has not renewed these numbers for 30" in changed["status"]


async def test_the_state_reaches_an_open_page() -> None:
    desk = Desk()
    async with visiting(desk, period=0.02) as client, client.get("/events") as answer:
        stream = events(answer)
        await anext(stream)
        desk.view = halted(desk.view)
        changed = [parts async for kind, parts in until_parts(stream)][-1]
        assert changed["title"].startswith("HALTED")


async def test_viewers_are_bounded_and_a_place_is_given_back() -> None:
    async with visiting(Desk(), period=0.01, most_viewers=2) as client:
        one, two = await client.get("/events"), await client.get("/events")
        async with client.get("/events") as refused:
            assert (refused.status, refused.headers["Retry-After"]) == (503, "10")
        one.close()
        async with asyncio.timeout(5):
            while (answer := await client.get("/events")).status == 503:
                answer.release()
                await asyncio.sleep(0.01)
        answer.close()
        two.close()


async def test_a_viewer_that_does_not_read_is_dropped_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.2)
    desk = Desk()
    async with serving(desk, period=0.005, most_viewers=2) as server:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(deaf, ("127.0.0.1", server.port))
            await loop.sock_sendall(deaf, b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with aiohttp.ClientSession(server.url, read_bufsize=2**22) as client, client.get("/events") as answer:
                stream = events(answer)
                await anext(stream)
                async with asyncio.timeout(30):
                    await dropped(desk, stream, client)


async def dropped(desk: Desk, stream: AsyncIterator[tuple[str, dict[str, str]]], client: aiohttp.ClientSession) -> None:
    """Change the view until the deaf viewer's place is free, while the other goes on being served."""
    long = "A sentence that fills the buffers on the way. " * 20_000
    turn = 0
    while True:
        turn += 1
        why = f"{turn} {long}"
        desk.view = replace(desk.view, condition=replace(desk.view.condition, why=why))
        await anext(stream)
        async with client.get("/events") as answer:
            if answer.status == 200:
                return


async def test_a_view_is_drawn_once_for_all_who_ask_in_the_same_second() -> None:
    desk = Desk()
    parts = live.LiveParts(lambda: desk.view, desk.clock)
    first, *others = await asyncio.gather(*(parts.drawn() for _ in range(5)))
    assert all(other is first for other in others)
    desk.now = desk.view.as_of + timedelta(seconds=1)
    assert await parts.drawn() is not first


async def test_stopping_does_not_wait_for_open_pages() -> None:
    async with aiohttp.ClientSession() as client:
        async with serving(Desk(), period=60) as server:
            answer = await client.get(f"{server.url}events")
            await answer.content.readline()
            begun = time.monotonic()
            await server.stop()
            assert time.monotonic() - begun < 1
        answer.close()


async def test_a_taken_port_is_an_error_at_the_start() -> None:
    async with serving(Desk()) as server:
        second = WebServer(aiohttp.web.Application(), "127.0.0.1", server.port)
        with pytest.raises(OSError, match="in use"):
            await second.start()
        await second.stop()


async def test_an_address_of_version_six_is_written_in_brackets() -> None:
    server = WebServer(aiohttp.web.Application(), "::1", 0)
    await server.start()
    assert server.url == f"http://[::1]:{server.port}/"
    await server.stop()
