"""The log: the right form for who reads it, one record one event, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING

import pytest

from daemon import logs
from daemon.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

PLANTED = 'k3y"with/odd+chars&so on'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, sys.excepthook, threading.excepthook)
    quiet = {name: logging.getLogger(name).level for name in logs.QUIET}
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level, sys.excepthook, threading.excepthook = before
    for name, level in quiet.items():
        logging.getLogger(name).setLevel(level)


def fail() -> None:
    raise ValueError(f"refused {PLANTED}")


def log_all(form: str) -> str:
    stream = io.StringIO()
    logs.set_up(form, "info", stream, {}).protect([Secret(PLANTED)])
    log = logging.getLogger("daemon.cycle")
    log.debug("too fine")
    log.info("Held: %s.", "inside", extra={"decision": "d1", "reason": "inside_region", "key": PLANTED})
    log.warning("sent %s and %r and %s", PLANTED, PLANTED, json.dumps({"secret": PLANTED}))
    try:
        fail()
    except ValueError:
        log.exception("failed")
    return stream.getvalue()


@pytest.mark.parametrize("form", ["human", "json", "journal"])
def test_a_secret_never_leaves_in_any_form(form: str) -> None:
    text = log_all(form)
    assert PLANTED not in text
    assert "odd+chars" not in text
    assert "***" in text
    assert "too fine" not in text


def test_json_is_one_object_a_line_with_the_extra_fields() -> None:
    held, sent, failed = (json.loads(line) for line in log_all("json").splitlines())
    assert held["message"] == "Held: inside."
    assert (held["decision"], held["reason"], held["level"], held["logger"]) == (
        "d1",
        "inside_region",
        "info",
        "daemon.cycle",
    )
    assert held["at"].endswith("+00:00")
    assert sent["level"] == "warning"
    assert "ValueError: refused ***" in failed["traceback"]


def test_a_person_reads_the_sentence_first() -> None:
    first, second, *_ = log_all("human").splitlines()
    assert first[8:] == "  Held: inside."
    assert second[8:].startswith("  warning: sent ***")


def test_every_line_for_the_journal_has_its_level() -> None:
    lines = log_all("journal").splitlines()
    assert lines[0] == "<6>Held: inside. decision=d1 reason=inside_region key=***"
    assert lines[1].startswith("<4>")
    assert len(lines) > 4
    assert all(line.startswith("<3>") for line in lines[2:])


def test_url_and_basic_authentication_forms_are_struck_out_too() -> None:
    redact = logs.Redactor()
    redact.protect([Secret("a b/c=d"), Secret("")])
    assert redact("https://x/?key=a%20b%2Fc%3Dd") == "https://x/?key=***"
    assert redact("Basic YSBiL2M9ZA==") == "Basic ***=="
    assert redact("nothing here") == "nothing here"


def test_auto_knows_who_reads(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "journal"
    with path.open("w") as stream:
        status = os.fstat(stream.fileno())
        journal = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert logs.choose("auto", stream, journal) == "journal"
        assert logs.choose("auto", stream, {"JOURNAL_STREAM": "1:2"}) == "json"
        assert logs.choose("human", stream, journal) == "human"
    assert logs.choose("auto", Terminal(), {}) == "human"


def test_colours_only_on_a_terminal_that_wants_them() -> None:
    for stream, environment, coloured in (
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (io.StringIO(), {}, False),
    ):
        logs.set_up("human", "info", stream, environment)
        logging.getLogger("daemon").error("no")
        assert ("\x1b[31m" in stream.getvalue()) is coloured


def test_warnings_and_errors_nobody_caught_are_records_too() -> None:
    stream = io.StringIO()
    logs.set_up("json", "info", stream, {})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    thread = threading.Thread(target=fail, name="a thread")
    thread.start()
    thread.join()
    warned, stopped = (json.loads(line) for line in stream.getvalue().splitlines())
    assert "old ways" in warned["message"]
    assert stopped["level"] == "critical"
    assert "ValueError" in stopped["traceback"]


def test_a_second_set_up_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.set_up("json", "info", first, {})
    logs.set_up("json", "warning", second, {})
    logging.getLogger("daemon").info("fine")
    logging.getLogger("daemon").warning("not fine")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1
