"""The status page in a real browser: it loads, renews itself, fits a phone, and can be read by everybody."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from daemon.page.sections import SECTIONS
from tests.browser.chromium import chromium
from tests.browser.contrast import POOR_CONTRAST
from tests.example_view import halted
from tests.page_server import Desk, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page, Request

    from daemon.web import WebServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

DESKTOP, PHONE = (1440, 900), (390, 844)
UNNAMED = """() => [...document.querySelectorAll('svg[role=img], a, [role=region], section, table, [tabindex]')]
    .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim()
        || document.getElementById(e.getAttribute('aria-labelledby'))?.textContent))
    .map(e => e.outerHTML.slice(0, 120))"""
TOO_WIDE = """() => [...document.querySelectorAll('body *')]
    .filter(e => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 0.5)
    .filter(e => !e.closest('.unseen'))
    .map(e => e.outerHTML.slice(0, 120))"""


@dataclass
class Visit:
    """A page open in a browser, all it complained of, and every address it asked for."""

    page: Page
    server: WebServer
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@asynccontextmanager
async def visit(
    browser: Browser,
    desk: Desk,
    size: tuple[int, int] = DESKTOP,
    *,
    dark: bool = False,
    scripts: bool = True,
) -> AsyncIterator[Visit]:
    """Open the status page as a new visitor, and fail if the browser complained of anything."""
    async with serving(desk, period=0.05) as server:
        page = await browser.new_page(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        visited = Visit(page, server)

        def failed(request: Request) -> None:
            if request.failure != "net::ERR_ABORTED":  # which is what leaving a page does
                visited.complaints.append(f"failed: {request.url}")

        page.on("console", lambda said: visited.complaints.append(said.text))
        page.on("pageerror", lambda error: visited.complaints.append(str(error)))
        page.on("requestfailed", failed)
        page.on("request", lambda request: visited.asked.append(request.url))
        await page.goto(server.url)
        yield visited
        assert visited.complaints == []
        await page.context.close()


async def test_it_loads_every_section_and_asks_nobody_else(browser: Browser) -> None:
    desk = Desk()
    async with visit(browser, desk) as at:
        for name, (title, _) in SECTIONS.items():
            assert await at.page.locator(f"#{name} h2").inner_text() == title
            assert await at.page.locator(f"#{name} .body").inner_text()
        assert await at.page.locator("#weights tbody tr").count() == len(desk.view.holdings)
        assert await at.page.title() == "ACTIVE · core-ten · Keelward"
        assert all(address.startswith(at.server.url) for address in at.asked)
        assert {address.removeprefix(at.server.url) for address in at.asked} >= {
            "",
            "events",
            "static/page.css",
            "static/page.js",
        }


async def test_numbers_change_without_a_reload(browser: Browser) -> None:
    desk = Desk()
    async with visit(browser, desk) as at:
        await at.page.evaluate("document.body.dataset.mark = 'not reloaded'")
        desk.view = replace(
            desk.view,
            unknown_intents=3,
            feeds=(replace(desk.view.feeds[0], messages=987_654), *desk.view.feeds[1:]),
        )
        await at.page.get_by_text("3 orders in doubt").wait_for()
        await at.page.get_by_text("987\u202f654").wait_for()
        assert await at.page.evaluate("document.body.dataset.mark") == "not reloaded"


async def test_a_halt_reaches_the_page_its_title_and_a_screen_reader(browser: Browser) -> None:
    desk = Desk()
    async with visit(browser, desk) as at:
        desk.view = halted(desk.view)
        await at.page.locator(".state.halted").wait_for()
        assert (await at.page.title()).startswith("HALTED")
        assert (await at.page.locator("[role=status]").inner_text()).startswith("HALTED")


async def test_an_update_keeps_the_readers_place(browser: Browser) -> None:
    desk = Desk()
    async with visit(browser, desk, PHONE) as at:
        frame = at.page.locator("#decisions .scroll")
        link = frame.locator("a").nth(2)
        await link.focus()
        await at.page.locator("#feeds .scroll").evaluate("e => { e.style.maxHeight = '80px'; e.scrollTop = 50 }")
        first = desk.view.decisions[0]
        desk.view = replace(
            desk.view,
            decisions=(replace(first, sentence="Changed."), *desk.view.decisions[1:]),
            feeds=(replace(desk.view.feeds[0], messages=987_654), *desk.view.feeds[1:]),
        )
        await frame.get_by_text("Changed.").wait_for()
        await at.page.get_by_text("987\u202f654").wait_for(state="attached")
        focused = await at.page.evaluate("document.activeElement.getAttribute('href')")
        assert focused == f"/decisions/{desk.view.decisions[2].id}"


async def test_text_being_selected_is_left_alone_until_it_is_not(browser: Browser) -> None:
    desk = Desk()
    async with visit(browser, desk) as at:
        await at.page.evaluate("getSelection().selectAllChildren(document.querySelector('#status .why'))")
        desk.view = replace(desk.view, unknown_intents=3, costs=replace(desk.view.costs, fills=4_321))
        await at.page.get_by_text("4\u202f321").wait_for()
        assert await at.page.get_by_text("3 orders in doubt").count() == 0
        assert await at.page.evaluate("getSelection().toString().length") > 20
        await at.page.evaluate("getSelection().removeAllRanges()")
        await at.page.get_by_text("3 orders in doubt").wait_for()


async def test_silence_is_told_and_ends_when_the_daemon_speaks_again(browser: Browser) -> None:
    desk = Desk()
    async with visit(browser, desk) as at:
        await at.page.locator("#link.live").wait_for()
        port = at.server.port
        await at.server.stop()
        await at.page.locator("body.lost").wait_for()
        said = await at.page.locator("#link").get_attribute("data-silence")
        assert re.fullmatch(r"No word from the daemon for \d+ s\.", said or "")
        assert await at.page.locator("[role=status]").inner_text() == "No word from the daemon."
        desk.view = halted(desk.view)
        async with serving(desk, port=port, period=0.05):
            await at.page.locator("body:not(.lost) .state.halted").wait_for()
        assert all("ERR_CONNECTION_REFUSED" in each or "/events" in each for each in at.complaints)
        at.complaints.clear()


async def test_a_decision_can_be_followed_and_left(browser: Browser) -> None:
    desk = Desk()
    async with visit(browser, desk) as at:
        await at.page.locator("#decisions a").first.click()
        name = desk.view.decisions[0].id
        await at.page.wait_for_url(f"**/decisions/{name}")
        assert await at.page.locator("h1").inner_text() == f"Decision {name} trade"
        assert await at.page.locator("section", has_text="Binding constraints").count() == 1
        await at.page.get_by_text("← Status").click()
        await at.page.locator("#weights").wait_for()


async def test_the_checks_lead_to_their_sections_by_keyboard(browser: Browser) -> None:
    async with visit(browser, Desk()) as at:
        link = at.page.locator(".chip", has_text="feeds fresh")
        await link.focus()
        await at.page.keyboard.press("Enter")
        await at.page.wait_for_url("**/#feeds")
        await asyncio.wait_for(at.page.locator("#feeds h2").scroll_into_view_if_needed(), 5)


async def test_words_without_end_do_not_widen_a_phone(browser: Browser) -> None:
    desk, endless = Desk(), "0123456789abcdef" * 20
    view = desk.view
    desk.view = replace(
        view,
        instance=replace(view.instance, portfolio=endless[:64]),
        condition=replace(view.condition, why=endless, reason=endless, sentence=endless, ready=False),
        decisions=tuple(replace(row, sentence=endless, trigger=endless) for row in view.decisions),
        orders=tuple(replace(row, note=endless) for row in view.orders),
    )
    async with visit(browser, desk, PHONE) as at:
        for path in ("", f"decisions/{view.decisions[0].id}"):
            await at.page.goto(at.server.url + path)
            assert await at.page.evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("size", [PHONE, (320, 640), (768, 1024), DESKTOP])
async def test_nothing_is_wider_than_the_screen(browser: Browser, size: tuple[int, int]) -> None:
    desk = Desk()
    async with visit(browser, desk, size) as at:
        for path in ("", f"decisions/{desk.view.decisions[0].id}"):
            await at.page.goto(at.server.url + path)
            assert await at.page.evaluate(TOO_WIDE) == []
            assert await at.page.evaluate("document.documentElement.scrollWidth") <= size[0]


async def test_on_a_phone_no_table_needs_scrolling_sideways(browser: Browser) -> None:
    async with visit(browser, Desk(), PHONE) as at:
        hidden = await at.page.evaluate(
            "() => [...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
            ".map(e => e.getAttribute('aria-label'))"
        )
        assert hidden == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("state", ["active", "halted"])
async def test_text_stands_out_from_its_ground(browser: Browser, dark: bool, state: str) -> None:
    desk = Desk()
    if state == "halted":
        desk.view = halted(desk.view)
    async with visit(browser, desk, dark=dark) as at:
        for path in ("", f"decisions/{desk.view.decisions[0].id}"):
            await at.page.goto(at.server.url + path)
            assert await at.page.evaluate(POOR_CONTRAST) == []


async def test_dark_is_dark(browser: Browser) -> None:
    grounds = []
    for dark in (False, True):
        async with visit(browser, Desk(), dark=dark) as at:
            colour = await at.page.evaluate("getComputedStyle(document.body).backgroundColor")
            grounds.append(sum(int(part) for part in re.findall(r"\d+", colour)[:3]) / 3)
    assert grounds[0] > 200
    assert grounds[1] < 60


async def test_everything_has_a_name_and_headings_are_in_order(browser: Browser) -> None:
    async with visit(browser, Desk()) as at:
        assert await at.page.evaluate(UNNAMED) == []
        assert await at.page.evaluate("document.documentElement.lang") == "en"
        for where in ("th", "svg[role=img]"):
            assert await at.page.locator(where).count() > 10
        assert await at.page.evaluate("[...document.querySelectorAll('th')].every(e => e.scope === 'col')")


async def test_it_is_complete_without_scripts(browser: Browser) -> None:
    desk = Desk()
    async with visit(browser, desk, scripts=False) as at:
        assert await at.page.locator("section").count() == len(SECTIONS)
        desk.view = halted(desk.view)
        await at.page.reload()
        assert await at.page.locator(".state.halted").count() == 1
        assert await at.page.locator("noscript meta[http-equiv=refresh]").count() == 1


async def test_old_numbers_raise_an_alarm(browser: Browser) -> None:
    desk = Desk()
    async with visit(browser, desk) as at:
        desk.now = desk.view.as_of + timedelta(seconds=77)
        await at.page.get_by_role("alert").wait_for()
        assert "1\u202fmin 17\u202fs" in await at.page.get_by_role("alert").inner_text()
