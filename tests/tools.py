"""Programs that some tests need from the system, and what a test does where one is missing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import Final

import pytest


@dataclass(frozen=True, slots=True)
class Tool:
    """A program: its Debian package, and the names that its executable goes by."""

    package: str
    names: tuple[str, ...]

    def find(self) -> str | None:
        """Return where it is, or None."""
        return next((path for name in self.names if (path := shutil.which(name))), None)


TOOLS: Final = {
    "chromium": Tool("chromium", ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")),
    "promtool": Tool("prometheus", ("promtool",)),
}


def in_ci() -> bool:
    """Return whether this is a CI run, in which nothing may be missing."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def require_tool(name: str) -> str:
    """Return where a tool is; without it the test fails in CI and is skipped elsewhere."""
    tool = TOOLS[name]
    path = tool.find()
    if path is None:
        reason = f"{name} is not installed: apt-get install {tool.package}"
        if in_ci():
            pytest.fail(reason)
        pytest.skip(reason)
    return path
