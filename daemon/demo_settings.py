"""The configuration of the demo: ten coins, a hedge, and intervals that a person can watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COINS = ("BTC", "ETH", "SOL", "XRP", "ADA", "LINK", "AVAX", "DOT", "LTC", "ATOM")
"""What the demo holds."""

BALANCE = "USDT=45000,BTC=0.25,ETH=4,SOL=60,XRP=8000,ADA=9000"
"""What it begins with: half of it where the optimum would not put it."""

TEMPLATE = """# Written by `keelward demo`. Market time runs {speed:g} times as fast as the clock on the wall.
[portfolio]
name = "demo"
assets = [{assets}]
cash_floor = 0.20
cash_ceiling = 0.30

[venue]
exchange = "okx"
mode = "simulated"
api_key = {{ file = "{folder}/keelward.api_key" }}
secret = {{ file = "{folder}/keelward.secret" }}
passphrase = {{ file = "{folder}/keelward.passphrase" }}
urls = {{ rest = "{rest}", stream = "{stream}" }}
time_scale = {speed:g}

[market_data]
bar_interval = "{bar:.0f}s"
warm_up_interval = "{warm_up:.0f}s"
warm_up_bars = 300

[signals]
half_life = "20d"
short_half_life = "2d"
expected_returns = {{ model = "momentum", window = "60d" }}

[optimiser]
min_weight = 0.02
max_weight = 0.25
min_trade = 0.002

[hedge]
enabled = true
instrument = "BTC/USDT:USDT"
min_beta = 0.05
max_beta = 0.20

[execution]
pause = "300ms"

[limits]
max_orders_minute = 300

[cycle]
interval = "5s"
min_interval = "1s"

[service]
port = {port}
log_format = "human"
"""


def demo_configuration(folder: Path, ready: Mapping[str, str], speed: float, port: int) -> Path:
    """Write the demo's configuration and the exchange's keys into the folder; return the configuration's path."""
    for name in ("api_key", "secret", "passphrase"):
        file = folder / f"keelward.{name}"
        file.touch(mode=0o600)
        file.write_text(ready[name])
    path = folder / "keelward.toml"
    path.write_text(
        TEMPLATE.format(
            speed=speed,
            assets=", ".join(f'"{coin}/USDT"' for coin in COINS),
            folder=folder,
            rest=ready["rest"],
            stream=ready["ws"],
            bar=max(1.0, speed),
            warm_up=60.0 * speed,
            port=port,
        )
    )
    return path
