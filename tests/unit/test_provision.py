"""What a missing tool means: a skip for a developer, a failure in CI, an install where that is possible."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests import provision
from tests.tools import TOOLS, Tool, require_tool

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH outside CI; returns its only folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


def program(folder: Path, name: str, script: str = "") -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_tool_is_found_under_any_of_its_names(bare: Path) -> None:
    tool = Tool("chromium", ("chromium", "chromium-browser"))
    assert tool.find() is None
    program(bare, "chromium-browser")
    assert tool.find() == str(bare / "chromium-browser")


def test_a_missing_tool_skips_here_and_fails_in_ci(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install prometheus"):
        require_tool("promtool")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install prometheus"):
        require_tool("promtool")


def test_nothing_is_done_when_nothing_is_missing(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for tool in TOOLS.values():
        program(bare, tool.names[0])
    program(bare, "apt-get", "exit 9")
    assert provision.main() == 0
    assert "found" in capsys.readouterr().out


def test_a_developer_is_told_what_to_install_and_ci_fails(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision.main() == 0
    assert "apt-get install chromium prometheus" in capsys.readouterr().out
    monkeypatch.setenv("CI", "true")
    assert provision.main() == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is let install packages")
def test_root_installs_what_is_missing_by_name(bare: Path) -> None:
    program(bare, "chromium")
    made = f"{bare}/promtool"
    program(
        bare,
        "apt-get",
        f'echo "$DEBIAN_FRONTEND $*" >>{bare}/calls\n'
        f"[ $1 = update ] || printf '#!/bin/sh\\n' >{made}\n[ $1 = update ] || {chmod()} {made}",
    )
    assert provision.main() == 0
    assert (bare / "calls").read_text().splitlines() == [
        "noninteractive update -q",
        "noninteractive install -q -y --no-install-recommends prometheus",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is let install packages")
def test_a_failed_install_is_reported_and_only_ci_fails(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(bare, "apt-get", "echo no network >&2; exit 100")
    assert provision.main() == 0
    assert "no network" in capsys.readouterr().err
    monkeypatch.setenv("CI", "true")
    assert provision.main() == 1


def chmod() -> str:
    """A command that makes its argument executable without looking at PATH."""
    return f"{sys.executable} -c 'import os, sys; os.chmod(sys.argv[1], 0o755)'"
