"""What the commands that build a whole service share: secrets read, the application made, signals heard."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from daemon.app import App
from daemon.clock import Clock
from daemon.commands.common import engine_of
from daemon.exits import EndingError
from daemon.secrets import read_secret
from daemon.store.database import writing
from daemon.store.errors import StoreError
from daemon.store.lease import LeaseLostError
from exchanges.ccxt_client import Credentials
from exchanges.errors import VenueError
from migrations import revisions

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.config import Settings
    from daemon.logs import Redactor
    from daemon.supervise import TaskEndedError

ACTIONABLE = (EndingError, VenueError, StoreError, LeaseLostError)


def make_tables(settings: Settings) -> None:
    """Make the tables of a database that has none; one that has some is only ever upgraded by `keelward db upgrade`."""
    engine = engine_of(settings)
    try:
        with writing(engine) as connection:
            if revisions.current(connection) is None:
                revisions.upgrade(connection)
    finally:
        engine.dispose()


def make_app(settings: Settings, redactor: Redactor, on_ready: Callable[[str], None] | None = None) -> App:
    """Return the application of a configuration, its secrets read and struck out of every log.

    Raises:
        SecretError: a secret cannot be read.
    """
    own = settings.venue
    key, secret = read_secret(own.api_key, os.environ), read_secret(own.secret, os.environ)
    passphrase = None if own.passphrase is None else read_secret(own.passphrase, os.environ)
    password = None if settings.store.password is None else read_secret(settings.store.password, os.environ)
    redactor.protect(one for one in (key, secret, passphrase, password) if one is not None)
    credentials = Credentials(key.reveal(), secret.reveal(), "" if passphrase is None else passphrase.reveal())
    return App(
        settings,
        credentials,
        Clock(),
        password=None if password is None else password.reveal(),
        on_ready=on_ready,
    )


async def until_signal(app: App) -> None:
    """Run the application until SIGTERM or SIGINT, of which a second one ends the process; SIGUSR1 calls a cycle."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if app.stop.is_set():
            os._exit(130)  # start is recovery: to end in the middle of anything is safe
        app.stop.set()

    def call() -> None:
        if app.engine is not None:
            app.engine.call()

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGUSR1: call}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        await app.run()
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def root_of(error: TaskEndedError) -> Exception:
    """Return what ended a task, if it is something that an operator can act on; else the ending itself."""
    cause: BaseException | None = error.__cause__
    while isinstance(cause, BaseExceptionGroup) and len(cause.exceptions) == 1:
        cause = cause.exceptions[0]
    return cause if isinstance(cause, ACTIONABLE) else error
