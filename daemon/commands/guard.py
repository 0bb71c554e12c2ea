"""How a command's errors end: one line for people and an exit code for scripts, never a traceback."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from daemon.config import LiveNotConfirmedError
from daemon.config.errors import ConfigError
from daemon.exits import EndingError, Exit
from daemon.secrets import SecretError
from daemon.store.errors import StoreBusyError, StoreConflictError, StoreError, StoreRevisionError
from daemon.store.lease import LeaseLostError, LockHeldError
from exchanges.errors import VenueError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

ENDINGS: tuple[tuple[type[Exception], Exit], ...] = (
    (ConfigError, Exit.BAD_CONFIG),
    (SecretError, Exit.BAD_CONFIG),
    (LiveNotConfirmedError, Exit.BAD_CONFIG),
    (StoreRevisionError, Exit.BAD_CONFIG),
    (StoreConflictError, Exit.BAD_CONFIG),
    (StoreBusyError, Exit.TEMPORARY),
    (StoreError, Exit.UNAVAILABLE),
    (LockHeldError, Exit.TEMPORARY),
    (LeaseLostError, Exit.TEMPORARY),
    (VenueError, Exit.UNAVAILABLE),
)
"""The first that fits decides."""


def guarded(run: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Run a command; return its exit code, or that of the error which ended it."""
    try:
        return run(args)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return Exit.OK
    except EndingError as error:
        sys.stderr.write(f"keelward: {error}\n")
        return error.exit_code
    except tuple(kind for kind, _ in ENDINGS) as error:
        sys.stderr.write(f"{error}\n" if isinstance(error, ConfigError) else f"keelward: {error}\n")
        return next(code for kind, code in ENDINGS if isinstance(error, kind))
