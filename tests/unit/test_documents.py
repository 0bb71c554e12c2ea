"""What the documents draw from the code is what the code says."""

from __future__ import annotations

from pathlib import Path

from exchanges.order_table import diagram

DOCS = Path(__file__).parents[2] / "docs"


def test_the_drawing_of_an_orders_life_is_the_tables() -> None:
    assert diagram() in (DOCS / "architecture.md").read_text()
