"""Rounding of money: one grain, one exact context, and which way each amount is rounded.

Trades are exact, since an instrument's tick times its lot is a multiple of the grain. Only fees, funding, margins and
the cost of a partly closed position need rounding. Sums stay exact below 10**15 in every coin, far under the 28 digits
of the default decimal context, which is neither changed nor relied on for rounding.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal

from exchanges.simulator.core.instruments import ATOM

LIMIT = Decimal(10) ** 15
_EXACT = Context(prec=80)


def up(amount: Decimal) -> Decimal:
    """Round what an account pays or must put up: to the grain, in the exchange's favour."""
    return amount.quantize(ATOM, rounding=ROUND_CEILING, context=_EXACT)


def nearest(amount: Decimal) -> Decimal:
    """Round to the nearest grain, halves to even."""
    return amount.quantize(ATOM, rounding=ROUND_HALF_EVEN, context=_EXACT)


def share(amount: Decimal, part: int, whole: int) -> Decimal:
    """Return amount · part / whole to the nearest grain; exactly the amount where part equals whole."""
    return nearest(_EXACT.divide(_EXACT.multiply(amount, Decimal(part)), Decimal(whole)))


def product(left: Decimal, right: Decimal) -> Decimal:
    """Return left · right without loss."""
    return _EXACT.multiply(left, right)


def quotient(left: Decimal, right: Decimal) -> Decimal:
    """Return left / right to the nearest grain."""
    return nearest(_EXACT.divide(left, right))
