"""The configuration as documents: the reference made from the model, and the effective settings as TOML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.config import Settings
from daemon.config.describe import Key, from_field, sections, toml
from daemon.config.types import SecretReference, Section, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """# Configuration

*Made from the settings model by `keelward config docs --write docs/configuration.md`; `make check` refuses a stale
copy.*

One TOML file describes one portfolio. `keelward check` judges it, `keelward config show` prints it with all defaults.
Unknown keys are refused, and every error names the file, the line, the key, what it was and what it must be.

The least that is needed:

```toml
{minimal}```

- A **duration** is text: a number with `ms`, `s`, `m`, `h`, `d` or `w`, or several of them: `"90s"`, `"8h"`, `"1d12h"`.
- A **reference** says where a secret is kept; a secret itself is refused in this file:
  `{{file = "/etc/keelward/key"}}` (not readable by everybody), `{{env = "KEELWARD_API_KEY"}}`, or
  `{{credential = "api_key"}}` (systemd's `LoadCredential`).
- A **fraction of equity** is 0.25 for 25 %. Money is in the portfolio's quote currency.
- **Market time** runs `venue.time_scale` times as fast as the clock on a simulated exchange, and like it elsewhere.
- A key without a default must be given; a default of – means that the key may be left out.
"""
MINIMAL = """[portfolio]
name = "main"
assets = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]

[venue]
exchange = "okx"
mode = "simulated"
api_key = {env = "KEELWARD_API_KEY"}
secret = {env = "KEELWARD_SECRET"}
passphrase = {env = "KEELWARD_PASSPHRASE"}

[venue.urls]
rest = "http://127.0.0.1:8080"
stream = "ws://127.0.0.1:8080/ws/v5"
"""


def reference() -> str:
    """Return the reference of all keys as Markdown."""
    parts = [HEAD.format(minimal=MINIMAL)]
    for documented in sections(Settings):
        parts.append(f"\n## `[{documented.path}]`\n\n{_paragraphs(documented.model)}\n")
        if documented.keys:
            parts.append("\n| key | type, unit and bounds | default | meaning | example |\n|---|---|---|---|---|\n")
            parts += [_row(name, key) for name, key in documented.keys]
    return "".join(parts)


def _paragraphs(model: type[object]) -> str:
    lines = [line.strip() for line in (model.__doc__ or "").strip().splitlines()]
    return "\n".join(lines)


def _row(name: str, key: Key) -> str:
    kind = ", ".join(part for part in (key.kind.name, key.unit, key.bounds) if part)
    default = key.default
    shown = {None: "required", "": "–"}.get(default, f"`{default}`")
    meaning = key.info.description if key.info is not None else ""
    example = f"`{key.example}`" if key.example else ""
    cells = [f"`{name}`", kind, shown, meaning or "", example]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def effective(settings: Settings) -> str:
    """Return the settings as TOML with every default filled in and marked; secrets are references, not values."""
    return "\n".join(_table(settings, "")).lstrip("\n") + "\n"


def _table(table: Section, path: str) -> Iterator[str]:
    inner: list[tuple[str, Section]] = []
    lines: list[str] = []
    for name, info in type(table).model_fields.items():
        value = getattr(table, name)
        here = f"{path}.{name}" if path else name
        if isinstance(value, Section) and not isinstance(value, SecretReference):
            inner.append((f"[{here}]", value))
        elif isinstance(value, dict):
            inner += [(f'[{here}."{key}"]', item) for key, item in value.items()]
        elif isinstance(value, tuple) and value and isinstance(value[0], Section):
            inner += [(f"[[{here}]]", item) for item in value]
        elif value is not None and value != ():
            mark = "" if name in table.model_fields_set else "  # default"
            lines.append(f"{name} = {_value(from_field(info), value)}{mark}")
    yield from lines
    for head, item in inner:
        body = list(_table(item, head.strip("[]")))
        if body and body[0] and not body[0].startswith("["):
            yield from ("", head)
        yield from body


def _value(key: Key, value: object) -> str:
    if key.kind.name == "duration" and isinstance(value, float):
        return f'"{format_duration(value)}"'
    if isinstance(value, SecretReference):
        return toml({name: place for name, place in value.model_dump().items() if place is not None})
    return toml(value)
