"""The system's Chromium, headless, with a new empty profile and nothing that calls home."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from playwright.async_api import async_playwright

from tests.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import BrowserContext

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
)


@asynccontextmanager
async def browser_context(
    width: int = 1440, height: int = 900, *, dark: bool = False, scripts: bool = True
) -> AsyncIterator[BrowserContext]:
    """Run Chromium with a viewport of this size."""
    program = require_tool("chromium")
    with tempfile.TemporaryDirectory(prefix="keelward-chromium-") as profile:
        async with async_playwright() as playwright:
            context = await playwright.chromium.launch_persistent_context(
                profile,
                executable_path=program,
                headless=True,
                args=list(FLAGS),
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                java_script_enabled=scripts,
            )
            try:
                yield context
            finally:
                await context.close()
