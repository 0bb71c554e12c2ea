"""Find what the tests need from the system, and install it where possible: `python -m tests.provision`.

As root on Debian or Ubuntu the missing packages are installed by name. Elsewhere it prints what to install, and
the tests that need it are skipped; in CI (CI=true) a missing tool is an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.tools import TOOLS, in_ci

QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def missing() -> dict[str, str]:
    """Return the package of each tool that is not there."""
    return {name: tool.package for name, tool in TOOLS.items() if tool.find() is None}


def may_install() -> bool:
    """Return whether packages can be installed here without asking anybody."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: list[str]) -> None:
    """Install packages without their recommendations; a failure is told by what is still missing after."""
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
    ):
        print(f"tests.provision: {' '.join(command)}", flush=True)
        done = subprocess.run(command, env={**os.environ, **QUIET}, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr or done.stdout, file=sys.stderr)
            return


def main() -> int:
    """Return 0, or 1 where something is missing in CI."""
    wanted = missing()
    if wanted and may_install():
        install(sorted(set(wanted.values())))
        wanted = missing()
    if not wanted:
        print(f"tests.provision: {', '.join(TOOLS)} found")
        return 0
    packages = " ".join(sorted(set(wanted.values())))
    print(f"tests.provision: missing {', '.join(wanted)}; install with: apt-get install {packages}")
    if in_ci():
        return 1
    print("tests.provision: the tests that need them will be skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
