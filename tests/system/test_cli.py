"""The command line as a person and a script meet it: real processes, a real database, exit codes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli import COMMANDS, main
from daemon.config.docs import MINIMAL
from daemon.ledger import LedgerDelta
from daemon.snapshot import Standing
from daemon.store import current_halt
from daemon.store import lease as leases
from daemon.store.database import open_engine, reading, writing
from daemon.store.decisions import DecisionRecord, Intent, record_decision
from daemon.store.lease import FileLock
from daemon.store.orders import mark_sent, record_event
from daemon.store.series import EquityRecord, append_equity
from exchanges.orders import Filled, apply, plan
from exchanges.port import Fill, OrderRequest, OrderType, Side

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
CLIENT_ID = "0123456789abcdef0123456789abcdef"
SECRETS = {"KEELWARD_API_KEY": "key", "KEELWARD_SECRET": "secret", "KEELWARD_PASSPHRASE": "pass"}


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "keelward.toml"
    path.write_text(f"{MINIMAL}\n[service]\nport = 1\n")
    return path


@pytest.fixture
def keelward(config: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Run a command of this process' own."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KEELWARD_CONFIG", str(config))

    def run(*words: str) -> Answer:
        try:
            code = main(words)
        except SystemExit as end:
            code = int(end.code or 0)
        return Answer(code, *capfd.readouterr())

    return run


@pytest.fixture
def stored(config: Path, keelward: Callable[..., Answer]) -> Path:
    """A database in which a decision was made, sent and filled."""
    assert keelward("db", "upgrade").code == 0
    path = config.parent / "keelward.db"
    engine = open_engine(f"sqlite:///{path}")
    order = plan(OrderRequest(CLIENT_ID, "BTC/USDT", Side.BUY, OrderType.IOC, Decimal("0.5"), Decimal(64000)), "okx")
    fill = Fill(
        "okx", "t1", "v1", CLIENT_ID, "BTC/USDT", Side.BUY, Decimal("0.5"), Decimal("63999.5"), Decimal("0.0005"),
        "BTC", AT,
    )  # fmt: skip
    with writing(engine) as connection:
        lease = leases.acquire(connection, "main", "a-host:1", 30)
        assert lease is not None
        record = DecisionRecord(
            "20260501T120000000Z", AT, "timer", "trade", "rebalance", "Rebalanced into BTC.", Decimal("1.5"), b"", b"",
            "0f", "ab", "0.1.0", 0.01,
        )  # fmt: skip
        record_decision(connection, record, [Intent(order, 0, 0, Decimal(32000))], lease)
        (sent,) = mark_sent(connection, [order], lease, AT)
        event = Filled(fill)
        record_event(
            connection, apply(sent, event), event, AT, "main", lambda f: LedgerDelta({"BTC": f.quantity - f.fee}, {})
        )
        append_equity(
            connection,
            EquityRecord(AT, Decimal(100000), Decimal(68000), 0.32, 0.32, Decimal(100000), 0.0, Decimal(99000)),
        )
    engine.dispose()
    return path


def test_help_is_quick_and_names_every_command_and_exit_code() -> None:
    command = [sys.executable, "-c", "import sys; from daemon.cli import main; sys.exit(main())", "--help"]
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        taken.append(time.perf_counter() - begin)
    for command_ in COMMANDS:
        assert f"\n  {command_.name} " in done.stdout
    for code in ("0", "1", "2", "69", "75", "78", "130"):
        assert f"\n  {code} " in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 100
    assert min(taken) < 0.3


def test_help_imports_nothing_heavy() -> None:
    script = "import sys, daemon.cli; daemon.cli.build_parser(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "sqlalchemy", "numpy", "ccxt", "cvxpy", "aiohttp"} & set(modules)


@pytest.mark.parametrize(
    "words",
    [["config", "show"], ["db", "upgrade"], *([command.name] for command in COMMANDS)],
)
def test_every_command_explains_itself(keelward: Callable[..., Answer], words: list[str]) -> None:
    answer = keelward(*words, "--help")
    assert answer.code == 0
    assert answer.err == ""
    assert f"usage: keelward {words[0]}" in answer.out
    assert len(words) > 1 or "examples:" in answer.out


def test_no_command_and_a_wrong_one_are_told(keelward: Callable[..., Answer]) -> None:
    assert keelward().code == 2
    wrong = keelward("rebalance")
    assert wrong.code == 2
    assert "invalid choice: 'rebalance'" in wrong.err
    assert keelward("--version").out.startswith("keelward 0.")


def test_a_bad_configuration_ends_with_78_and_no_traceback(keelward: Callable[..., Answer], config: Path) -> None:
    config.write_text(f"{MINIMAL}\n[limits]\nmax_drawdwn = 1\n")
    for words in (["check"], ["status"], ["orders"], ["db", "upgrade"], ["config", "show"]):
        answer = keelward(*words)
        assert answer.code == 78
        assert f"{config}:17: limits.max_drawdwn: was an unknown key" in answer.err
        assert "Traceback" not in answer.err


def test_check_tells_all_that_is_missing_and_then_that_all_is_well(
    keelward: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEELWARD_SECRET")
    before = keelward("check", "--json")
    assert before.code == 1
    wrong = {check["name"]: check["detail"] for check in before.json["checks"] if not check["ok"]}
    assert set(wrong) == {"secret", "database"}
    assert "keelward db upgrade" in wrong["database"]
    monkeypatch.setenv("KEELWARD_SECRET", "planted-secret")
    assert keelward("db", "upgrade").code == 0
    after = keelward("check")
    assert after.code == 0
    assert "WRONG" not in after.out
    assert "planted-secret" not in after.out


def test_a_check_makes_no_database(keelward: Callable[..., Answer], config: Path) -> None:
    for words in (["check"], ["db", "check"], ["status"], ["orders"], ["halt", "--reason", "x"]):
        assert keelward(*words).code in {1, 78}
    assert sorted(path.name for path in config.parent.iterdir()) == ["keelward.toml"]


def test_the_database_goes_up_and_down(keelward: Callable[..., Answer]) -> None:
    assert keelward("db", "upgrade").out == "revision none → 0001\n"
    assert keelward("db", "upgrade").out == "already at revision 0001\n"
    assert keelward("db", "check").out == "revision 0001\nsound\n"
    assert keelward("db", "downgrade", "base").code == 2
    assert keelward("db", "downgrade", "base", "--yes").out == "revision 0001 → none\n"
    assert keelward("db", "check").code == 78


def test_a_database_of_a_newer_program_is_refused(keelward: Callable[..., Answer], stored: Path) -> None:
    with sqlite3.connect(stored) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.close()
    for words in (["status"], ["db", "check"], ["db", "upgrade"]):
        answer = keelward(*words)
        assert answer.code == 78
        assert "newer than this program" in answer.err


def test_no_migration_under_a_running_daemon(keelward: Callable[..., Answer], stored: Path) -> None:
    lock = FileLock(stored.with_name("keelward.db.lock"))
    lock.acquire()
    answer = keelward("db", "upgrade")
    lock.release()
    assert answer.code == 75
    assert f"process {os.getpid()} runs on this database already" in answer.err


def test_a_damaged_database_is_told(keelward: Callable[..., Answer], stored: Path) -> None:
    stored.write_bytes(b"not a database" * 1000)
    answer = keelward("status")
    assert answer.code == 69
    assert "restore the latest backup" in answer.err


def test_decisions_are_listed(keelward: Callable[..., Answer], stored: Path) -> None:
    answer = keelward("decisions")
    assert answer.code == 0
    assert "20260501T120000000Z" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 100
    (decision,) = keelward("decisions", "--json").json
    assert decision["sentence"] == "Rebalanced into BTC."
    assert decision["expected_cost"] == "1.5"
    assert decision["orders"] == 1
    assert keelward("decisions", "--outcome", "hold").out == "no decisions\n"
    assert keelward("decisions", "--since", "1h").out == "no decisions\n"
    assert keelward("decisions", "--since", "2026-05-01", "--json").json != []
    assert keelward("decisions", "--since", "yesterday").code == 2
    assert keelward("decisions", "-n", "0").code == 2


def test_orders_are_listed_and_one_is_told_in_full(keelward: Callable[..., Answer], stored: Path) -> None:
    answer = keelward("orders")
    assert CLIENT_ID in answer.out
    assert "filled" in answer.out
    assert keelward("orders", "--open").out == "no orders\n"
    assert keelward("orders", "--state", "unknown").out == "no orders\n"
    whole = keelward("orders", CLIENT_ID)
    for part in ("buy 0.5 BTC/USDT at 64000", "0.0005 BTC", "20260501T120000000Z", "Sent", "Filled", "t1"):
        assert part in whole.out
    document = keelward("orders", CLIENT_ID, "--json").json
    assert document["fills"][0]["fee"] == "0.0005"
    assert [event["kind"] for event in document["events"]] == ["Sent", "Filled"]
    assert keelward("orders", "nobody").code == 1


def test_halt_and_resume_are_kept_with_who_and_why(keelward: Callable[..., Answer], stored: Path) -> None:
    assert keelward("halt").code == 2
    assert keelward("halt", "--reducing", "--by", "Ada", "--reason", "weekend").out == "REDUCING\n"
    assert keelward("halt", "--by", "Ada", "--reason", "venue is odd").out == "HALTED\n"
    assert keelward("halt", "--reducing", "--reason", "again").out == "HALTED, as it was already\n"
    assert "HALTED, venue is odd (Ada," in keelward("status").out
    assert keelward("resume", "--reason", "fine").code == 2
    assert keelward("resume", "--by", " ", "--reason", "fine").code == 2
    resumed = keelward("resume", "--by", "Grace", "--reason", "venue confirmed", "--json")
    assert resumed.json == {"before": "HALTED", "changed": True, "state": "ACTIVE"}
    assert "nothing to resume" in keelward("resume", "--by", "Grace", "--reason", "again").out
    engine = open_engine(f"sqlite:///{stored}")
    with reading(engine) as connection:
        halt = current_halt(connection)
    engine.dispose()
    assert halt is not None
    assert (halt.state, halt.who, halt.reason) == (Standing.ACTIVE, "Grace", "venue confirmed")


def test_status_without_a_daemon(keelward: Callable[..., Answer], stored: Path) -> None:
    answer = keelward("status")
    assert answer.code == 1
    for part in ("no answer at 127.0.0.1:1", "ACTIVE", "a-host:1, epoch 1", "Rebalanced into BTC.", "100,000.00 USDT"):
        assert part in answer.out
    document = keelward("status", "--json").json
    assert document["running"] is False
    assert document["ledger"]["balances"] == {"BTC": "0.4995"}
    assert document["equity"]["equity"] == "100000"


def test_status_with_a_daemon_and_with_a_stranger_on_its_port(
    keelward: Callable[..., Answer], stored: Path, config: Path
) -> None:
    said: dict[str, Any] = {
        "instance": {"portfolio": "main"},
        "condition": {"ready": True, "why": "Trading: all limits hold."},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the base class' name for it
            body = json.dumps(said).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class' name for it
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        config.write_text(f"{MINIMAL}\n[service]\nport = {server.server_address[1]}\n")
        ready = keelward("status")
        assert (ready.code, "ready: Trading: all limits hold." in ready.out) == (0, True)
        keelward("halt", "--reason", "x")
        assert keelward("status").code == 1
        said["instance"]["portfolio"] = "another"
        assert "no answer" in keelward("status").out
        server.shutdown()


def test_a_reader_that_goes_away_is_no_error(config: Path, stored: Path) -> None:
    script = "import sys; from daemon.cli import main; sys.exit(main(['config', 'docs']))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0


def test_the_example_and_the_effective_configuration_are_good(keelward: Callable[..., Answer], config: Path) -> None:
    config.write_text(keelward("config", "example").out)
    shown = keelward("config", "show")
    assert shown.code == 0
    before = keelward("config", "show", "--json").json["hash"]
    config.write_text(shown.out)
    assert keelward("config", "show", "--json").json["hash"] == before


def test_a_stale_reference_is_told(keelward: Callable[..., Answer], tmp_path: Path) -> None:
    file = tmp_path / "configuration.md"
    assert keelward("config", "docs", "--check", str(file)).code == 1
    assert keelward("config", "docs", "--write", str(file)).code == 0
    assert keelward("config", "docs", "--check", str(file)).code == 0
    file.write_text(file.read_text() + "x")
    assert keelward("config", "docs", "--check", str(file)).code == 1
