"""Exit codes, after sysexits(3) where it has one; systemd does not restart after BAD_CONFIG."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 69
    TEMPORARY = 75
    BAD_CONFIG = 78
    INTERRUPTED = 130


class EndingError(Exception):
    """Something ends a command, and an operator can do something about it; `exit_code` is how it ends."""

    exit_code = Exit.FAILED


MEANINGS = {
    Exit.OK: "done",
    Exit.FAILED: "the command says no: a check failed, a decision does not replay, nothing by that name",
    Exit.USAGE: "wrong options",
    Exit.UNAVAILABLE: "the database or the exchange cannot be reached, or the disk is full or damaged",
    Exit.TEMPORARY: "another process is in the way (the lease, the lock, a locked database): try again later",
    Exit.BAD_CONFIG: "the configuration, a secret or the tables' revision is wrong: a restart would not help",
    Exit.INTERRUPTED: "stopped by Ctrl-C",
}
"""What each says, for help and documents."""
