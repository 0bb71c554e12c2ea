"""How the page writes numbers and times, and that nothing reaches it unescaped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from daemon.page.html import Html, join, tag
from daemon.page.numbers import age, clock, exact, fixed, percent, relative, rounded, seconds, write
from daemon.view import Unit

NOW = datetime(2026, 11, 22, 17, 3, 12, tzinfo=UTC)


def plain(text: str) -> str:
    return text.replace("\u202f", "_").replace("\u2212", "-")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (fixed(1_234_567.891, 2), "1_234_567.89"),
        (fixed(Decimal("-1234.5"), 2), "-1_234.50"),
        (fixed(-0.001, 2), "0.00"),
        (fixed(0.001, 2, sign=True), "0.00"),
        (fixed(12, 0, sign=True), "+12"),
        (percent(0.12345), "12.35_%"),
        (percent(-0.05, 1, sign=True), "-5.0_%"),
        (rounded(94213.4), "94_213.40"),
        (rounded(Decimal("0.000012345678")), "0.000012346"),
        (rounded(0), "0.00"),
        (exact(Decimal("0.100")), "0.1"),
        (exact(Decimal("1E+3")), "1_000"),
        (exact(Decimal("-0.00000001")), "-0.00000001"),
        (exact(Decimal("21000000.00000001")), "21_000_000.00000001"),
        (seconds(0.0123), "12_ms"),
        (seconds(-0.0121), "-12_ms"),
        (seconds(6.24), "6.2_s"),
        (seconds(59.6), "1_min"),
        (age(0), "0_s"),
        (age(3599), "59_min 59_s"),
        (age(7201), "2_h"),
        (age(-90), "-1_min 30_s"),
        (age(90061), "1_d 1_h"),
        (write(None, Unit.MONEY), "–"),
        (write(float("nan"), Unit.FRACTION), "–"),
        (write(float("inf"), Unit.NUMBER), "–"),
        (write(Decimal("NaN"), Unit.MONEY), "–"),
        (write("as it is", Unit.MONEY), "as it is"),
        (write(0.00043, Unit.BASIS_POINTS), "4.3_bp"),
        (write(NOW, Unit.TIME), "2026-11-22 17:03:12 UTC"),
    ],
)
def test_numbers_are_written_the_same_everywhere(written: str, expected: str) -> None:
    assert plain(written) == expected


def test_every_unit_writes_a_number() -> None:
    for unit in Unit:
        assert write(1.5, unit)


def test_a_time_carries_its_date_only_when_it_is_not_todays() -> None:
    assert ">17:03:12<" in clock(NOW, NOW)
    assert ">21 Nov 17:03<" in clock(NOW - timedelta(days=1), NOW)


@pytest.mark.parametrize(
    ("away", "expected"),
    [(timedelta(seconds=12), "12_s ago"), (timedelta(seconds=-48), "in 48_s"), (timedelta(0), "now")],
)
def test_times_are_told_relative_to_now(away: timedelta, expected: str) -> None:
    assert f">{expected}<" in plain(relative(NOW - away, NOW))
    assert "2026-11-22" in relative(NOW - away, NOW)


def test_text_and_attributes_are_escaped_and_markup_is_not() -> None:
    hostile = "<script>alert('\"&')</script>"
    made = tag("p", hostile, tag("b", "1 < 2"), title=hostile)
    assert "<script>" not in made
    assert made.count("&lt;script&gt;") == 2
    assert made.endswith("<b>1 &lt; 2</b></p>")


def test_markup_joined_by_hand_is_text_again() -> None:
    assert join(tag("b", "x") + "<i>") == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"
    assert isinstance(join("a", None, ["b", ["c"]]), Html)


def test_attributes_are_written_by_their_kind() -> None:
    made = tag("line", x1=1 / 3, y1=10, stroke_width="2", class_="grid", hidden=None, open=True, defer=False)
    assert made == '<line x1="0.33" y1="10" stroke-width="2" class="grid" open></line>'
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
