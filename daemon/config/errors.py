"""Errors of a configuration in the operator's words: file, line, key, what it was, what it must be, and an example.

    keelward.toml:14: limits.max_order_notional = "ten": was text, must be a number (quote currency) above 0, e.g. 25000

Values of secrets and of unknown keys are never shown: a key misspelt may well hold a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.config.describe import Key, clip, find, printable, toml
from daemon.config.positions import Positions, scan
from daemon.config.rules import Breach, nearest
from daemon.config.types import type_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel, ValidationError

KeyPath = tuple[str | int, ...]
PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
ABSENT = object()
SYNTAX = {
    "Invalid value": ("no value of TOML", 'a number, true, false, "text", [a list], {a table} or a date'),
    "Invalid statement": ("neither a table nor a key", "[table] or key = value"),
    "Expected '=' after a key in a key/value pair": ("a key without a value", "key = value"),
    "Expected newline or end of document after a statement": (
        "followed by something more",
        "alone on its line",
    ),
    "Expected ']' at the end of a table declaration": ("a table's name without its end", "[table]"),
    "Unclosed array": ("a list without its end", "[a, b, c]"),
    "Unclosed inline table": ("a table without its end", "{key = value}"),
    "Unterminated string": ("text without its closing quote", '"text"'),
    "Illegal character '\\n'": ("text without its closing quote", '"text"'),
    "Unescaped '\\' in a string": ("text with an unknown escape in it", "'text' in single quotes"),
}
"""What `tomllib` says, as (was, must)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. `value` is None where it is not shown, `line` where the whole file is meant."""

    file: str
    line: int | None
    path: KeyPath
    value: str | None
    was: str
    must: str
    example: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        """Return the problem in one line."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        subject = show_path(self.path)
        if self.value is not None:
            subject = f"{subject} = {self.value}"
        example = f", e.g. {self.example}" if self.example else ""
        hint = f" ({self.hint})" if self.hint else ""
        head = f"{place}: {subject}" if subject else place
        return f"{head}: was {self.was}, must be {self.must}{example}{hint}"


class ConfigError(Exception):
    """A configuration that is refused, with every problem that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def show_path(path: KeyPath) -> str:
    """Return a path as it is written in the file, e.g. `optimiser.groups[0].max`."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{clip(printable(part))}"'
            shown += f".{name}" if shown else name
    return shown


def explain(
    error: ValidationError, model: type[BaseModel], tree: Mapping[str, Any], positions: Positions, file: str
) -> list[Problem]:
    """Return the problems behind a validation error, in the order of the file."""
    problems: list[Problem] = []
    for item in error.errors(include_url=False):
        if item["type"] == "breaches":
            found: Sequence[Breach] = item["ctx"]["breaches"]
            problems += [_breach(breach, model, tree, positions, file) for breach in found]
        else:
            problems.append(_single(item, model, tree, positions, file))
    return sorted(problems, key=lambda problem: (problem.line or 0, show_path(problem.path)))


def syntax_problems(error: Exception, text: str, file: str) -> list[Problem]:
    """Return the problems behind text that is not TOML; a key defined twice is named with both places."""
    try:
        duplicates = scan(text).duplicates
    except (ValueError, RecursionError):
        duplicates = ()
    if duplicates:
        return [
            Problem(
                file,
                again.second.line,
                again.path,
                None,
                f"defined in line {again.first.line} already",
                "defined once",
            )
            for again in duplicates
        ]
    if isinstance(error, RecursionError):
        return [Problem(file, None, (), None, "nested too deep", "a configuration")]
    message = str(error)
    place = PLACE.search(message)
    reason = PLACE.sub("", message)
    was, must = SYNTAX.get(reason, (f"not TOML ({printable(reason)})", "TOML"))
    if place is None:
        # Python itself refuses to read a whole number this long, and does not say where it stands.
        long = re.search(r"\d[\d_]{4000}", text)
        line = None if long is None else text.count("\n", 0, long.start()) + 1
        return [Problem(file, line, (), None, was, must)]
    line = int(place[1]) if place[1] else max(1, text.count("\n") + (not text.endswith("\n")))
    where = f"at column {place[2]}" if place[2] else "at the end of the file"
    return [Problem(file, line, (), None, f"{was} {where}", must)]


def _single(
    item: Mapping[str, Any], model: type[BaseModel], tree: Mapping[str, Any], positions: Positions, file: str
) -> Problem:
    path: KeyPath = tuple(part for part in item["loc"] if part != "[key]")
    key = find(model, path)
    owner = find(model, path[:-1])
    line = positions.line(path)
    if item["type"] == "extra_forbidden":
        return _unknown(path, owner, tree, line, file)
    must = key.expectation if key is not None else "a known key"
    example = key.example if key is not None else None
    if item["loc"][-1] == "[key]" and owner is not None:
        must, example = f"named by {owner.names.kind.phrase}", None
    if item["type"] == "missing":
        is_table = key is not None and key.model is not None and not key.is_secret
        return Problem(file, line, path, None, "missing", f"a table [{show_path(path)}]" if is_table else must, example)
    value = _at(tree, path)
    context = item.get("ctx", {})
    hidden = (key is not None and key.is_secret) or (owner is not None and owner.is_secret)
    suggestion = nearest(value, key.choices) if key is not None and isinstance(value, str) else None
    return Problem(
        file,
        line,
        path,
        None if hidden else _shown(value),
        context["was"] if item["type"] == "mismatch" else _was(item["type"], context, value, key),
        context.get("must") or must,
        example if context.get("example") is None else toml(context["example"]),
        f'did you mean "{suggestion}"?' if suggestion else None,
    )


def _unknown(path: KeyPath, owner: Key | None, tree: Mapping[str, Any], line: int | None, file: str) -> Problem:
    known = list(owner.model.model_fields) if owner is not None and owner.model is not None else []
    near = nearest(str(path[-1]), known)
    noun = "section" if len(path) == 1 and isinstance(_at(tree, path), dict) else "key"
    must = f"a key of [{show_path(path[:-1])}]" if len(path) > 1 else "a section"
    hint = f'did you mean "{near}"?' if near else f"there are {', '.join(known)}"
    return Problem(file, line, path, None, f"an unknown {noun}", must, near, hint)


def _breach(
    breach: Breach, model: type[BaseModel], tree: Mapping[str, Any], positions: Positions, file: str
) -> Problem:
    value = _at(tree, breach.path)
    key = find(model, breach.path)
    shown = _shown(value)
    if value is ABSENT and key is not None and key.default:
        shown = f"{key.default} (the default)"
    if key is not None and key.is_secret:
        shown = None
    example = key.example if breach.example is None and value is ABSENT and key is not None else None
    if breach.example is not None:
        example = toml(breach.example)
    return Problem(file, positions.line(breach.path), breach.path, shown, breach.was, breach.must, example)


def _was(kind: str, context: Mapping[str, Any], value: object, key: Key | None) -> str:
    """Return what a value was, for an error of pydantic's own."""
    for name, words in (("gt", "not above"), ("ge", "below"), ("lt", "not below"), ("le", "above")):
        if name in context and key is not None:
            return f"{words} {key.show_bound(context[name])}"
    if kind in {"literal_error", "string_pattern_mismatch"} and isinstance(value, str):
        return "another word" if kind == "literal_error" else "something else"
    return type_name(value)


def _at(tree: Any, path: KeyPath) -> Any:
    """Return the value at a path of the file, or ABSENT."""
    for part in path:
        if isinstance(tree, str):
            return ABSENT
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return tree


def _shown(value: object) -> str | None:
    return None if value is ABSENT or isinstance(value, dict) else clip(toml(value))
