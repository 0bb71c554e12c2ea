"""A configuration is read exactly, or refused in words that say how to mend it."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daemon.config import (
    LiveNotConfirmedError,
    Settings,
    config_hash,
    confirm_live,
    default_path,
    from_plain,
    load,
    to_plain,
)
from daemon.config.docs import MINIMAL, effective, reference
from daemon.config.errors import ConfigError
from daemon.config.types import format_duration, parse_duration

LIVE = MINIMAL.replace('mode = "simulated"', 'mode = "live"').partition("[venue.urls]")[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keelward.toml"


def read(file: Path, text: str) -> Settings:
    file.write_text(text)
    return load(file)


def refusals(file: Path, text: str) -> list[str]:
    """Return the problems found, without the file's folder."""
    with pytest.raises(ConfigError) as caught:
        read(file, text)
    return [str(problem).removeprefix(f"{file.parent}/") for problem in caught.value.problems]


def with_(text: str, *, head: str = MINIMAL) -> str:
    return f"{head}\n{text}"


AFTER = len(MINIMAL.splitlines()) + 2
"""The first line after the minimal configuration and an empty line."""


def test_the_least_that_is_needed_is_enough(file: Path) -> None:
    settings = read(file, MINIMAL)
    assert settings.portfolio.assets == ("BTC/USDT", "ETH/USDT", "SOL/USDT")
    assert settings.symbols == settings.portfolio.assets
    assert settings.weight_bounds("BTC/USDT") == (0.0, 0.4)
    assert settings.signals.half_life == 864000.0
    assert not settings.is_live
    assert len(MINIMAL.splitlines()) <= 15


def test_money_is_exact_and_weights_are_floats(file: Path) -> None:
    settings = read(file, with_("[limits]\nmax_order_notional = 50000.10000000000000000001\nmax_drawdown = 0.3"))
    assert settings.limits.max_order_notional == Decimal("50000.10000000000000000001")
    assert settings.limits.max_drawdown == 0.3
    assert isinstance(settings.limits.max_drawdown, float)


def test_an_override_and_a_hedge_are_found(file: Path) -> None:
    text = with_(
        '[portfolio.overrides."ETH/USDT"]\nmin_weight = 0.1\nexpected_return = 0.2\n'
        '[hedge]\nenabled = true\ninstrument = "BTC/USDT:USDT"\n'
    )
    settings = read(file, text)
    assert settings.weight_bounds("ETH/USDT") == (0.1, 0.4)
    assert settings.expected_return("ETH/USDT") == 0.2
    assert settings.expected_return("BTC/USDT") is None
    assert settings.symbols == (*settings.portfolio.assets, "BTC/USDT:USDT")
    assert settings.allowed_symbols == set(settings.symbols)


def test_the_database_is_beside_the_file_wherever_we_start(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert read(file, MINIMAL).store.url == f"sqlite:///{file.parent}/keelward.db"
    text = with_('[store]\nurl = "sqlite:////var/lib/keelward/main.db"')
    assert read(file, text).store.url == "sqlite:////var/lib/keelward/main.db"


def test_nothing_changes_once_read(file: Path) -> None:
    settings = read(file, MINIMAL)
    with pytest.raises(ValidationError):
        settings.limits.max_drawdown = 1.0


def test_the_hash_changes_with_the_meaning_and_not_with_the_writing(file: Path) -> None:
    first = config_hash(read(file, MINIMAL))
    same = MINIMAL.replace('name = "main"', "# the name\nname   =  'main'")
    assert config_hash(read(file, with_("[limits]\nmax_drawdown = 0.250", head=same))) == first
    assert config_hash(read(file, with_("[limits]\nmax_drawdown = 0.26"))) != first


def test_settings_survive_a_snapshot(file: Path) -> None:
    text = with_(
        '[portfolio.overrides."ETH/USDT"]\nmin_weight = 0.1\n[[optimiser.groups]]\nname = "l1"\nassets = ["ETH/USDT"]'
    )
    settings = read(file, text)
    assert config_hash(from_plain(to_plain(settings))) == config_hash(settings)


def test_what_is_shown_as_effective_reads_back_the_same(file: Path) -> None:
    text = with_(
        '[portfolio.overrides."ETH/USDT"]\nmin_weight = 0.1\n'
        '[[optimiser.groups]]\nname = "l1"\nassets = ["ETH/USDT"]\n[cycle]\ninterval = "1h30m"\n'
    )
    settings = read(file, text)
    shown = effective(settings)
    assert config_hash(read(file, shown)) == config_hash(settings)
    assert 'interval = "90m"\n' in shown
    assert 'min_interval = "5s"  # default\n' in shown


def test_the_reference_names_every_key() -> None:
    text = reference()

    def check(model: type, path: str) -> None:
        for name, info in model.model_fields.items():  # type: ignore[attr-defined]  # every section is a model
            here = f"{path}.{name}" if path else name
            assert f"| `{name}` |" in text or f"[{here}" in text, here
            assert info.description, here

    check(Settings, "")
    for name, info in Settings.model_fields.items():
        assert isinstance(info.annotation, type)
        check(info.annotation, name)
    assert "an example" not in text


def test_the_committed_reference_is_the_models() -> None:
    committed = Path(__file__).parents[3] / "docs" / "configuration.md"
    assert committed.read_text() == reference(), "run: keelward config docs --write docs/configuration.md"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[limits]\nmax_order_notional = "ten"',
         ('keelward.toml:{1}: limits.max_order_notional = "ten": was text, must be a number (quote currency) above 0 '
         "and at most 1e+15, e.g. 25000")),
        ("[limits]\nmax_drawdwn = 0.1",
         ("keelward.toml:{1}: limits.max_drawdwn: was an unknown key, must be a key of [limits], e.g. max_drawdown "
         '(did you mean "max_drawdown"?)')),
        ("[lmits]\n",
         'keelward.toml:{0}: lmits: was an unknown section, must be a section, e.g. limits (did you mean "limits"?)'),
        ("[limits]\nmax_drawdown = 1.5",
         ("keelward.toml:{1}: limits.max_drawdown = 1.5: was above 1, must be a number (fraction of equity) above 0 "
         "and at most 1, e.g. 0.15")),
        ("[limits]\nmax_drawdown = true",
         ("keelward.toml:{1}: limits.max_drawdown = true: was true or false, must be a number (fraction of equity) "
         "above 0 and at most 1, e.g. 0.15")),
        ("[limits]\nmax_drawdown = nan",
         ("keelward.toml:{1}: limits.max_drawdown = NaN: was not finite, must be a number (fraction of equity) above 0 "
         "and at most 1, e.g. 0.15")),
        ("[limits]\nmax_orders_minute = 1.5",
         ("keelward.toml:{1}: limits.max_orders_minute = 1.5: was a number, must be a whole number (orders) at least 1 "
         "and at most 100000, e.g. 30")),
        ("[lease]\nttl = 30",
         ('keelward.toml:{1}: lease.ttl = 30: was a number without a unit, must be a duration such as "30s", "5m", '
         '"8h" or "10d" at least 500ms and at most 1h, e.g. "30s"')),
        ('[lease]\nttl = "10ms"',
         ('keelward.toml:{1}: lease.ttl = "10ms": was below 500ms, must be a duration such as "30s", "5m", "8h" or '
         '"10d" at least 500ms and at most 1h, e.g. "30s"')),
        ('[lease]\nttl = "20s"',
         ('keelward.toml:{1}: lease.ttl = "20s": was too short for two renewals and the margin, must be at least 25s, '
         'e.g. "25s"')),
        ('[lease]\nmargin = "1s"',
         ('keelward.toml:{1}: lease.margin = "1s": was below execution.request_deadline: a request could outlive the '
         'lease, must be at least 3s, e.g. "3s"')),
        ('[signals.expected_returns]\nmodel = "momentun"',
         ('keelward.toml:{1}: signals.expected_returns.model = "momentun": was another word, must be one of "none", '
         '"shrunk", "momentum", "given", e.g. "shrunk" (did you mean "momentum"?)')),
        ('[portfolio.overrides."BTC/USDC"]\nmax_weight = 0.1',
         ('keelward.toml:{0}: portfolio.overrides."BTC/USDC": was for no asset, must be for one of portfolio.assets, '
         'e.g. "BTC/USDT"')),
        ("[portfolio.overrides.bitcoin]\nmax_weight = 0.1",
         ("keelward.toml:{0}: portfolio.overrides.bitcoin: was not BASE/QUOTE or BASE/QUOTE:SETTLE, must be named by a "
         "symbol such as BASE/QUOTE or BASE/QUOTE:SETTLE")),
        ("[optimiser]\nmax_weight = 0.2\n[limits]\nmax_turnover_day = 1",
         ("keelward.toml:{3}: limits.max_turnover_day = 1: was below limits.max_turnover_cycle, must be at least 2.0, "
         "e.g. 2")),
        ("[hedge]\nenabled = true",
         ('keelward.toml:{0}: hedge.instrument: was missing, must be a linear swap when hedge.enabled is true, e.g. '
         '"BTC/USDT:USDT"')),
        ('[hedge]\ninstrument = "BTC/USD:BTC"',
         ('keelward.toml:{1}: hedge.instrument = "BTC/USD:BTC": was not settled in USDT, must be a swap settled in '
         'portfolio.quote, e.g. "BTC/USDT:USDT"')),
        ('[[optimiser.groups]]\nname = "majors"\nassets = ["BTC/USDT", "ETC/USDT"]',
         ('keelward.toml:{2}: optimiser.groups[0].assets[1] = "ETC/USDT": was no asset, must be one of '
         'portfolio.assets, e.g. "ETH/USDT"')),
        ('[[optimiser.groups]]\nname = "majors"\nassets = ["BTC/USDT", "ETH/USDT"]\nmin = 0.9',
         ("keelward.toml:{3}: optimiser.groups[0].min = 0.9: was above its assets' greatest weights, 0.8 in sum, "
         "must be at most 0.8")),
        ('[store]\nurl = "postgresql://keelward:hunter2@db/keelward"',
         ('keelward.toml:{1}: store.url = "postgresql://keelward:***@db/keelward": was with a password, must be '
         "without one: put a reference to it in store.password")),
        ('[store]\nurl = "mysql://db/keelward"',
         ('keelward.toml:{1}: store.url = "mysql://db/keelward": was another database, must be sqlite:///PATH or '
         "postgresql+psycopg://USER@HOST/DATABASE")),
        ('[service]\naddress = "example"',
         ('keelward.toml:{1}: service.address = "example": was no IP address, must be an IP address of this machine, '
         'e.g. "127.0.0.1"')),
    ],
)  # fmt: skip
def test_a_wrong_key_is_told_with_line_key_expectation_and_example(file: Path, text: str, expected: str) -> None:
    assert refusals(file, with_(text)) == [expected.format(*(AFTER + number for number in range(10)))]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('"ETH/USDT"', '"ETH/USDC"'),
         ('keelward.toml:3: portfolio.assets[1] = "ETH/USDC": was priced in another currency, must be priced in '
         'portfolio.quote = USDT, e.g. "ETH/USDT"')),
        (('"ETH/USDT"', '"BTC/USDT"'),
         'keelward.toml:3: portfolio.assets[1] = "BTC/USDT": was there twice, must be listed once'),
        (('"ETH/USDT"', '"ETH/USDT:USDT"'),
         ('keelward.toml:3: portfolio.assets[1] = "ETH/USDT:USDT": was a derivative, must be a spot market, e.g. '
         '"ETH/USDT"')),
        (('{env = "KEELWARD_SECRET"}', '"planted-secret"'),
         ('keelward.toml:9: venue.secret: was a secret written into the file, must be a reference: {file = "PATH"}, '
         '{env = "NAME"} or {credential = "NAME"}, e.g. {credential = "secret"}')),
        (('{env = "KEELWARD_SECRET"}', '{evn = "planted-secret"}'),
         ("keelward.toml:9: venue.secret.evn: was an unknown key, must be a key of [venue.secret], e.g. env (did you "
         'mean "env"?)')),
        (("secret = ", "sceret = "),
         None),
        (("http://127.0.0.1:8080", "https://www.okx.com"),
         ('keelward.toml:13: venue.urls.rest = "https://www.okx.com": was another machine, must be an address of this '
         'machine when venue.mode is "simulated", e.g. "http://127.0.0.1:8080"')),
        (("[portfolio]", "[portfolio"),
         "keelward.toml:1: was a table's name without its end at column 11, must be [table]"),
        (('name = "main"', 'name = "main'),
         'keelward.toml:2: was text without its closing quote at column 13, must be "text"'),
        (('name = "main"', "name = main"),
         ('keelward.toml:2: was no value of TOML at column 8, must be a number, true, false, "text", [a list], {a '
         "table} or a date")),
        (('name = "main"', 'name = "main"\nname = "other"'),
         "keelward.toml:3: portfolio.name: was defined in line 2 already, must be defined once"),
        (('name = "main"', 'name = "My Portfolio"'),
         ('keelward.toml:2: portfolio.name = "My Portfolio": was something else, must be a name of up to 32 lower-case '
         'letters, digits, - and _, e.g. "main"')),
        (('name = "main"', "name = 1e9999999999999999999"),
         ("keelward.toml:2: portfolio.name = Infinity: was a number, must be a name of up to 32 lower-case letters, "
         'digits, - and _, e.g. "main"')),
    ],
)  # fmt: skip
def test_a_wrong_word_is_told(file: Path, change: tuple[str, str], expected: str | None) -> None:
    found = refusals(file, MINIMAL.replace(*change))
    assert not any("planted-secret" in line for line in found)
    if expected is None:
        assert found == [
            (
                'keelward.toml:5: venue.secret: was missing, must be a reference: {file = "PATH"}, {env = "NAME"} or '
                '{credential = "NAME"}, e.g. {credential = "secret"}'
            ),
            (
                "keelward.toml:9: venue.sceret: was an unknown key, must be a key of [venue], e.g. secret (did you "
                'mean "secret"?)'
            ),
        ]
    else:
        assert found == [expected]


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(file: Path) -> None:
    text = with_('[limits]\nmax_drawdown = 2\nmax_daily_loss = "x"\n[lease]\nttl = 1\n[nothing]\n')
    lines = [line.split(": ")[0] for line in refusals(file, text)]
    assert lines == [f"keelward.toml:{AFTER + number}" for number in (1, 2, 4, 5)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"\x00",
        b"x = " + b"[" * 5000,
        b"x = " + b"{a=" * 5000,
        b"x = 1" + b"0" * 5000,
        b"=" * 2_000_000,
    ],
)
def test_no_file_makes_a_traceback(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert all(str(file) in str(problem) for problem in caught.value.problems)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing, must be a TOML file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="a folder, must be a TOML file"):
        load(tmp_path)


def test_lines_count_the_same_with_windows_line_ends(file: Path) -> None:
    file.write_bytes(with_("[limits]\nmax_drawdown = 2").replace("\n", "\r\n").encode())
    with pytest.raises(ConfigError, match=f"keelward.toml:{AFTER + 1}: limits.max_drawdown"):
        load(file)


def test_live_needs_the_second_switch_and_it_names_the_portfolio(file: Path) -> None:
    live = read(file, LIVE)
    assert live.is_live
    main = {"KEELWARD_LIVE": "main"}
    for argument, environment in (
        (None, {}),
        ("other", {}),
        (None, {"KEELWARD_LIVE": "1"}),
        ("", {"KEELWARD_LIVE": "main"}),
    ):
        with pytest.raises(LiveNotConfirmedError, match="say --live main or set KEELWARD_LIVE=main"):
            confirm_live(live, argument, environment)
    confirm_live(live, "main", {})
    confirm_live(live, None, main)
    confirm_live(read(file, MINIMAL), None, {})


def test_market_time_cannot_run_fast_where_the_market_is_real(file: Path) -> None:
    found = refusals(file, LIVE + "time_scale = 60\n")
    assert found == [
        (
            "keelward.toml:12: venue.time_scale = 60: was no real market's pace, must be 1 unless both urls lead to "
            "this machine, e.g. 1"
        )
    ]
    assert read(file, MINIMAL.replace("[venue.urls]", "time_scale = 60\n[venue.urls]")).venue.time_scale == 60


def test_a_secret_file_is_named_with_its_folder(file: Path) -> None:
    found = refusals(file, MINIMAL.replace('{env = "KEELWARD_SECRET"}', '{file = "secret.txt"}'))
    assert len(found) == 1
    assert 'must be a reference with a whole path, {file = "/PATH"}' in found[0]


def test_weights_that_cannot_be_met_are_refused(file: Path) -> None:
    cannot_invest = MINIMAL.replace("[venue]", "cash_ceiling = 0.1\n[venue]", 1) + "\n[optimiser]\nmax_weight = 0.2\n"
    assert any("portfolio.cash_ceiling" in line and "sum to 0.6" in line for line in refusals(file, cannot_invest))
    too_much = with_("[optimiser]\nmin_weight = 0.35")
    assert any("portfolio.cash_floor" in line and "sum to 1.05" in line for line in refusals(file, too_much))


def test_the_default_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_path({}) == Path("keelward.toml")
    assert default_path({"KEELWARD_CONFIG": "/etc/keelward/main.toml"}) == Path("/etc/keelward/main.toml")
    monkeypatch.setitem(os.environ, "KEELWARD_CONFIG", "x.toml")
    assert default_path() == Path("x.toml")


@given(st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000))
def test_a_duration_is_written_as_it_is_read(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1d12h", 129600), ("500ms", 0.5), ("1.5h", 5400), ("2w", 1209600), ("0s", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value", ["", "5", "s", "5 s", "-5s", "5y", "1e3s", "5S", 5, 5.0, True, ["5s"], "9" * 400 + "w"]
)
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        parse_duration(value)


def test_the_example_that_we_ship_is_right() -> None:
    example = Path(__file__).parents[3] / "deploy" / "keelward.example.toml"
    settings = load(example)
    assert not settings.is_live
    assert settings.limits.max_drawdown == 0.15
