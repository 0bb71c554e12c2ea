"""The daemon as a process for the benchmarks, with a configuration made for each."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.system.processes import http_json, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Section = dict[str, Any]
SECRETS = ("api_key", "secret", "passphrase")


def configuration(folder: Path, ready: Mapping[str, str], **sections: Section) -> Path:
    """Write the exchange's keys and a configuration into a folder; return the configuration's path.

    Args:
        folder: of the daemon, with its database.
        ready: what the exchange said when it was ready.
        sections: of the configuration, by name; the venue's addresses and keys are added.
    """
    for name in SECRETS:
        file = folder / name
        file.touch(mode=0o600)
        file.write_text(ready[name])
    venue = {name: {"file": str(folder / name)} for name in SECRETS}
    venue |= {"urls": {"rest": ready["rest"], "stream": ready["ws"]}}
    whole = {**sections, "venue": venue | sections.get("venue", {})}
    whole.setdefault("service", {})
    whole["service"] |= {"port": 0, "log_format": "json"}
    path = folder / "keelward.toml"
    path.write_text("\n".join(f"[{name}]\n{_lines(section)}" for name, section in whole.items()))
    return path


def _lines(section: Section) -> str:
    return "".join(f"{name} = {_value(value)}\n" for name, value in section.items())


def _value(value: Any) -> str:
    """Return a value in TOML, which for everything but tables is JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_value(inner)}" for name, inner in value.items()) + " }"
    return json.dumps(value)


def spot_markets(rest: str) -> list[str]:
    """Return the unified symbols of an exchange's spot markets."""
    rows = http_json(f"{rest}/api/v5/public/instruments?instType=SPOT")["data"]
    return [f"{row['baseCcy']}/{row['quoteCcy']}" for row in rows]


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that runs, and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def is_ready(self) -> bool:
        """Whether it has said that it is ready."""
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended: {self.log.read_text()[-3000:]}")
        return '"ready: http' in self.log.read_text()

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Wait until it trades."""
        wait_for(self.is_ready, seconds, "the daemon is ready")

    def resident(self) -> float:
        """Return its resident memory in MB."""
        with open(f"/proc/{self.process.pid}/statm") as file:  # noqa: PTH123 - a file that no folder holds
            return int(file.read().split()[1]) * 4096 / 1e6


@contextlib.contextmanager
def daemon(path: Path) -> Iterator[Running]:
    """Run the daemon for the length of a block."""
    log = path.parent / "log.jsonl"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "daemon", "run", "--config", str(path)]
        process = subprocess.Popen(command, stderr=file, stdout=file)
    try:
        yield Running(process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
