"""Take a picture of a page: `python -m tests.browser.screenshot URL OUT WIDTH HEIGHT [dark]`.

Height 0 takes all of the page.
"""

from __future__ import annotations

import asyncio
import sys

from tests.browser.chromium import chromium


async def picture(url: str, out: str, width: int, height: int, *, dark: bool = False) -> None:
    """Write the page as a PNG once it is quiet and has been renewed."""
    async with chromium() as browser:
        page = await browser.new_page(
            viewport={"width": width, "height": height or 900}, color_scheme="dark" if dark else "light"
        )
        await page.goto(url)
        await page.wait_for_timeout(1500)
        await page.screenshot(path=out, full_page=height == 0)


def main() -> None:
    """Read the arguments and take the picture."""
    url, out, width, height, *rest = sys.argv[1:]
    asyncio.run(picture(url, out, int(width), int(height), dark=rest == ["dark"]))


if __name__ == "__main__":
    main()
