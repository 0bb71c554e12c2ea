"""Many broken configurations: each is refused with file, line, key and expectation, or means the same as before.

A seeded mutator takes a full configuration and breaks it in one of the ways people and editors do. What it breaks, it
knows: so the test can say whether the text must still be accepted, and which line and key the refusal must name.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from daemon.config import config_hash, load
from daemon.config.docs import MINIMAL, effective
from daemon.config.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "planted-3c9f71"
ADDITIONS = """
[portfolio.overrides."ETH/USDT"]
min_weight = 0.05

[[optimiser.groups]]
name = "majors"
assets = ["BTC/USDT", "ETH/USDT"]
max = 0.7
"""
KEY_LINE = re.compile(r"^([a-z_]+) = (.+?)(  # default)?$")
PROBLEM = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): (?:(?P<key>[^:=]+?)(?: = .*?)?: )?was .+, must be .+")


@dataclass(frozen=True)
class Mutation:
    """A broken text, and what must become of it: accepted alike, or refused at a line (any of these) and key."""

    name: str
    text: str
    accepted: bool
    lines: frozenset[int] = frozenset()
    key: str = ""


class Mutator:
    """Breaks a configuration, by seed."""

    def __init__(self, text: str, seed: int) -> None:
        self.lines = text.splitlines()
        self.random = random.Random(seed)

    def mutate(self) -> Mutation:
        """Return one mutation."""
        ways: list[Callable[[], Mutation]] = [
            self.misspell, self.misspell_section, self.change_type, self.no_number, self.out_of_bounds,
            self.unit_lost, self.twice, self.secret_written, self.cut_quote, self.cut_equals, self.cut_bracket,
            self.respell, self.comment, self.windows, self.reorder, self.unknown_word, self.not_finite,
            self.line_lost, self.nested,
        ]  # fmt: skip
        return self.random.choice(ways)()

    def pick(self, wanted: Callable[[str], bool] = lambda _value: True) -> tuple[int, str, str, str]:
        """Return the index, section, key and value of a random `key = value` line whose value is wanted."""
        found = []
        section = ""
        for index, line in enumerate(self.lines):
            if line.startswith("["):
                section = line.strip("[]")
            match = KEY_LINE.match(line)
            if match and wanted(match[2]):
                found.append((index, section, match[1], match[2]))
        return self.random.choice(found)

    def replaced(self, index: int, *new: str) -> str:
        return "\n".join([*self.lines[:index], *new, *self.lines[index + 1 :]]) + "\n"

    def refused(self, name: str, text: str, index: int, key: str = "", reach: int = 1) -> Mutation:
        return Mutation(name, text, accepted=False, lines=frozenset(range(index + 1, index + 1 + reach)), key=key)

    def misspell(self) -> Mutation:
        index, _, key, value = self.pick()
        place = self.random.randrange(len(key))
        wrong = key[:place] + "x" + key[place:]
        return self.refused("misspelt key", self.replaced(index, f"{wrong} = {value}"), index, wrong)

    def misspell_section(self) -> Mutation:
        index = self.random.choice([i for i, line in enumerate(self.lines) if re.fullmatch(r"\[[a-z]+\]", line)])
        wrong = self.lines[index].replace("]", "s]") if self.random.random() < 0.5 else "[x" + self.lines[index][1:]
        return self.refused("misspelt section", self.replaced(index, wrong), index, wrong.strip("[]"))

    def change_type(self) -> Mutation:
        index, _, key, value = self.pick(lambda value: not value.startswith(("[", "{")))
        wrong = self.random.choice(["[1]", "{a = 1}", "1979-05-27", "12:30:00", "[[]]"])
        return self.refused(f"{value} becomes {wrong}", self.replaced(index, f"{key} = {wrong}"), index, key)

    def no_number(self) -> Mutation:
        index, _, key, value = self.pick(lambda value: value[0].isdigit())
        wrong = self.random.choice([f'"{value}"', "true", '"ten"', '""'])
        return self.refused(f"{value} becomes {wrong}", self.replaced(index, f"{key} = {wrong}"), index, key)

    def out_of_bounds(self) -> Mutation:
        index, _, key, value = self.pick(lambda value: value[0].isdigit())
        wrong = self.random.choice(["-1e30", "1e30", "-99999999"])
        return self.refused(f"{value} becomes {wrong}", self.replaced(index, f"{key} = {wrong}"), index, key)

    def not_finite(self) -> Mutation:
        index, _, key, value = self.pick(lambda value: value[0].isdigit())
        wrong = self.random.choice(["nan", "inf", "-inf", "1e99999", "1e99999999999999999999"])
        return self.refused(f"{value} becomes {wrong}", self.replaced(index, f"{key} = {wrong}"), index, key)

    def unit_lost(self) -> Mutation:
        index, _, key, value = self.pick(lambda value: re.fullmatch(r'"\d+(ms|[smhdw])"', value) is not None)
        number = re.sub(r"\D", "", value)
        wrong = self.random.choice([number, f'"{number}"', f'"{number} seconds"', f'"-{number}s"', f'"{number}y"'])
        return self.refused(f"{value} becomes {wrong}", self.replaced(index, f"{key} = {wrong}"), index, key)

    def unknown_word(self) -> Mutation:
        words = {'"simulated"', '"none"', '"info"', '"auto"'}
        index, _, key, value = self.pick(lambda value: value in words)
        wrong = self.random.choice(['"liev"', '"nine"', '"INFO"', '"au to"'])
        return self.refused(f"{value} becomes {wrong}", self.replaced(index, f"{key} = {wrong}"), index, key)

    def twice(self) -> Mutation:
        index, _, key, _ = self.pick()
        return self.refused("key twice", self.replaced(index, self.lines[index], self.lines[index]), index + 1, key)

    def secret_written(self) -> Mutation:
        index, _, key, _ = self.pick(lambda value: value.startswith("{env"))
        wrong = self.random.choice([
            f'"{SECRET}"', f'{{evn = "{SECRET}"}}', f'{{env = "A", file = "/{SECRET}"}}', f'["{SECRET}"]', "{}",
            f'{{file = "{SECRET}"}}',
        ])  # fmt: skip
        return self.refused("a secret in the file", self.replaced(index, f"{key} = {wrong}"), index, key)

    def cut_quote(self) -> Mutation:
        index, _, _, _ = self.pick(lambda value: value.startswith('"'))
        return self.refused("quote lost", self.replaced(index, self.lines[index].replace('"', "", 1)), index)

    def cut_equals(self) -> Mutation:
        index, _, key, value = self.pick()
        return self.refused("= lost", self.replaced(index, f"{key} {value}"), index)

    def cut_bracket(self) -> Mutation:
        index = self.random.choice([i for i, line in enumerate(self.lines) if line.startswith("[")])
        return self.refused("] lost", self.replaced(index, self.lines[index].rstrip("]")), index)

    def line_lost(self) -> Mutation:
        index = next(i for i, line in enumerate(self.lines) if line.startswith("assets = "))
        section = max(i for i, line in enumerate(self.lines[:index]) if line.startswith("["))
        return self.refused("needed key lost", self.replaced(index), section, "portfolio.assets")

    def nested(self) -> Mutation:
        index, _, key, _ = self.pick(lambda value: value[0].isdigit())
        wrong = "[" * 40 + "]" * 40
        return self.refused("nested list", self.replaced(index, f"{key} = {wrong}"), index, key)

    def respell(self) -> Mutation:
        index, _, key, value = self.pick()
        same = self.random.choice([
            f"   {key}={value}", f'"{key}" = {value}', f"'{key}' = {value} # {SECRET}", f"{key}\t=\t{value}",
        ])  # fmt: skip
        return Mutation("the same in other words", self.replaced(index, same), accepted=True)

    def comment(self) -> Mutation:
        index = self.random.randrange(len(self.lines))
        return Mutation("a comment", self.replaced(index, "# [x] = ]", self.lines[index]), accepted=True)

    def windows(self) -> Mutation:
        return Mutation("windows line ends", "\r\n".join(self.lines), accepted=True)

    def reorder(self) -> Mutation:
        blocks = re.split(r"\n(?=\[[a-z])", "\n".join(self.lines))
        self.random.shuffle(blocks)
        return Mutation("sections in another order", "\n".join(blocks), accepted=True)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A configuration with every default written out, and its hash."""
    file = tmp_path_factory.mktemp("config") / "keelward.toml"
    file.write_text(f"{MINIMAL}\n{ADDITIONS}")
    settings = load(file)
    text = effective(settings).replace(f"sqlite:///{file.parent}/keelward.db", "sqlite:////srv/keelward.db")
    file.write_text(text)
    return text, config_hash(load(file))


@pytest.mark.parametrize("seed", range(400))
def test_a_mutated_configuration_is_refused_in_full_or_means_the_same(
    tmp_path: Path, full: tuple[str, str], seed: int
) -> None:
    text, meaning = full
    mutation = Mutator(text, seed).mutate()
    file = tmp_path / "keelward.toml"
    file.write_bytes(mutation.text.encode())
    if mutation.accepted:
        assert config_hash(load(file)) == meaning, mutation.name
        return
    with pytest.raises(ConfigError) as caught:
        load(file)
    told = [str(problem) for problem in caught.value.problems]
    assert SECRET not in "\n".join(told), mutation.name
    matches = [PROBLEM.match(line.removeprefix(f"{tmp_path}/")) for line in told]
    assert all(matches), (mutation.name, told)
    named = [
        match
        for match in matches
        if match and int(match["line"]) in mutation.lines and mutation.key in (match["key"] or mutation.key)
    ]
    assert named, (mutation.name, mutation.lines, mutation.key, told)


def test_the_mutator_does_all_it_can(full: tuple[str, str]) -> None:
    names = {Mutator(full[0], seed).mutate().name.partition(" becomes ")[0] for seed in range(400)}
    assert len(names) >= 30
    accepted = sum(Mutator(full[0], seed).mutate().accepted for seed in range(400))
    assert 40 <= accepted <= 160
