"""The sections of the status page, each a function of the view and the present time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon.page.charts import NEARLY, equity_plot, hedge_bar, use_bar, weight_axis, weight_bar, weight_ticks
from daemon.page.glance import status
from daemon.page.html import Html, join, tag
from daemon.page.numbers import (
    basis_points,
    clock,
    exact,
    fixed,
    money,
    percent,
    relative,
    rounded,
    seconds,
    write,
)
from daemon.page.parts import Heading, badge, code, facts, side, symbol, table
from daemon.view import Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from daemon.view import StatusView


def equity(view: StatusView, now: datetime) -> Html:
    """Draw equity and drawdown over time."""
    if view.equity is None or len(view.equity.series) < 2:
        return tag("p", "The plot begins with the second cycle.", class_="nothing")
    keys = (("equity", "Equity"), ("hold", "Bought and held"), ("fall", "Below the peak"))
    legend = tag("ul", [tag("li", name, class_=f"key {kind}") for kind, name in keys], class_="legend")
    return join(legend, tag("div", equity_plot(view.equity), class_="framed"))


def risk(view: StatusView, now: datetime) -> Html:
    """List the risk figures."""
    figures = view.risk
    if figures is None:
        return tag("p", "Risk is measured from the first cycle on.", class_="nothing")
    level = percent(figures.level, 0)

    def limited(value: float | None, limit: float | None) -> Html:
        of = None if limit is None else tag("small", f" of {percent(limit, 1)}")
        return join(write(value, Unit.FRACTION), of)

    return facts(
        (
            ("Regime", badge(figures.regime or "unknown")),
            ("Volatility, per year", write(figures.volatility, Unit.FRACTION)),
            (f"Value at risk {level}, {figures.horizon}", limited(figures.var, figures.var_limit)),
            (
                f"Expected shortfall {level}",
                limited(figures.expected_shortfall, figures.expected_shortfall_limit),
            ),
            ("Gross leverage", f"{fixed(figures.gross, 2)} ×"),
            ("Net leverage", f"{fixed(figures.net, 2)} ×"),
            ("Diversification ratio", write(figures.diversification, Unit.NUMBER)),
            ("Tracking error, per year", write(figures.tracking_error, Unit.FRACTION)),
        )
    )


def weights(view: StatusView, now: datetime) -> Html:
    """Show each asset's weight against its target and its no-trade region."""
    if not view.holdings:
        return tag("p", "Holdings appear once the ledger and the venue agree.", class_="nothing")
    axis = weight_axis(view.holdings)
    headings = (
        Heading("Asset"),
        Heading(weight_ticks(axis)),
        Heading("Weight", number=True),
        Heading("Target", number=True),
        Heading("Region", number=True, wide=True),
        Heading("Volatility", number=True, wide=True),
        Heading("Quantity", number=True, wide=True),
        Heading("Price", number=True, wide=True),
        Heading("Value", number=True, wide=True),
    )
    rows = [
        (
            symbol(row.symbol),
            weight_bar(row, axis),
            tag("span", write(row.weight, Unit.FRACTION), class_="outside" if row.inside is False else None),
            write(row.target, Unit.FRACTION),
            "–" if row.low is None or row.high is None else f"{fixed(100 * row.low, 2)} – {percent(row.high)}",
            "–" if row.volatility is None else percent(row.volatility, 0),
            tag("span", rounded(row.quantity), title=exact(row.quantity)),
            write(row.price, Unit.PRICE),
            write(row.value, Unit.MONEY),
        )
        for row in view.holdings
    ]
    legend = tag(
        "ul",
        tag("li", "Weight, inside", class_="key inside"),
        tag("li", "Weight, outside", class_="key outside"),
        tag("li", "Target", class_="key target"),
        tag("li", "No-trade region", class_="key band"),
        class_="legend",
    )
    return join(legend, table("Weights against targets", headings, rows, ""))


def limits(view: StatusView, now: datetime) -> Html:
    """Show how much of each limit is used, those nearly used up first and else in the order given."""
    if not view.limits:
        return tag("p", "No limit has been checked yet.", class_="nothing")
    return tag(
        "ul",
        [
            tag(
                "li",
                tag("span", limit.code.replace("_", " "), title=limit.code),
                tag(
                    "span",
                    tag(
                        "b",
                        write(limit.used, limit.unit),
                        class_="tight" if limit.fraction >= NEARLY else None,
                    ),
                    tag("small", f" of {write(limit.limit, limit.unit)}"),
                ),
                use_bar(limit.fraction, f"{limit.code}: {percent(limit.fraction, 0)} used"),
            )
            for limit in sorted(view.limits, key=lambda limit: (limit.fraction < 1, limit.fraction < NEARLY))
        ],
        class_="limits",
    )


def hedge(view: StatusView, now: datetime) -> Html:
    """Draw the net beta in its band."""
    if view.hedge is None:
        return tag("p", "This portfolio has no hedge.", class_="nothing")
    return join(
        hedge_bar(view.hedge),
        facts(
            (
                ("Net beta", write(view.hedge.beta, Unit.NUMBER)),
                ("Hedged with", symbol(view.hedge.symbol)),
                ("Position", exact(view.hedge.quantity)),
                ("Notional", write(view.hedge.value, Unit.MONEY)),
            )
        ),
    )


def decisions(view: StatusView, now: datetime) -> Html:
    """List the last decisions with their reasons."""
    headings = (
        Heading("Time"),
        Heading("Outcome"),
        Heading("What and why"),
        Heading("Trigger", wide=True),
        Heading("Reason", wide=True),
        Heading("Orders", number=True, wide=True),
        Heading("Expected cost", number=True, wide=True),
        Heading("Decision", wide=True),
    )
    rows = [
        (
            clock(row.time, now),
            badge(row.outcome),
            tag("a", row.sentence, href=f"/decisions/{row.id}"),
            row.trigger,
            code(row.reason),
            str(row.orders) if row.orders else "–",
            write(row.expected_cost, Unit.MONEY),
            code(row.id),
        )
        for row in view.decisions
    ]
    return table("Last decisions", headings, rows, "No decision has been made yet.")


def orders(view: StatusView, now: datetime) -> Html:
    """List the last orders and what became of them."""
    headings = (
        Heading("Time"),
        Heading("Symbol"),
        Heading("Side"),
        Heading("Type", wide=True),
        Heading("Filled of quantity", number=True),
        Heading("Price", number=True, wide=True),
        Heading("Average", number=True, wide=True),
        Heading("State"),
    )
    rows = [
        (
            clock(row.time, now),
            symbol(row.symbol),
            side(row.side),
            row.type.replace("_", " "),
            join(exact(row.filled), tag("small", f" of {exact(row.quantity)}")),
            write(row.price, Unit.QUANTITY),
            write(row.average_price, Unit.PRICE),
            join(badge(row.state), tag("small", row.note, class_="note") if row.note else None),
        )
        for row in view.orders
    ]
    return table("Last orders", headings, rows, "No order has been placed yet.")


def fills(view: StatusView, now: datetime) -> Html:
    """List the last executions."""
    headings = (
        Heading("Time"),
        Heading("Symbol"),
        Heading("Side"),
        Heading("Quantity", number=True),
        Heading("Price", number=True),
        Heading("Fee", number=True, wide=True),
    )
    rows = [
        (
            clock(row.time, now),
            symbol(row.symbol),
            side(row.side),
            exact(row.quantity),
            exact(row.price),
            join(tag("span", rounded(row.fee), title=exact(row.fee)), tag("small", f" {row.fee_currency}")),
        )
        for row in view.fills
    ]
    return table("Last fills", headings, rows, "Nothing has been filled yet.")


def feeds(view: StatusView, now: datetime) -> Html:
    """List the age and the quotes of every feed."""
    headings = (
        Heading("Symbol"),
        Heading("Age", number=True),
        Heading("Bid", number=True),
        Heading("Ask", number=True),
        Heading("Spread", number=True, wide=True),
        Heading("Bars", number=True, wide=True),
        Heading("Messages", number=True, wide=True),
    )
    rows = [
        (
            symbol(row.symbol),
            tag("span", write(row.age, Unit.SECONDS), class_="outside" if row.stale else None),
            write(row.bid, Unit.QUANTITY),
            write(row.ask, Unit.QUANTITY),
            "–" if row.spread is None else basis_points(row.spread),
            fixed(row.bars, 0),
            fixed(row.messages, 0),
        )
        for row in view.feeds
    ]
    return table("Feeds", headings, rows, "No feed is followed yet.")


def venue(view: StatusView, now: datetime) -> Html:
    """List the connections to the venue and its clock."""
    reached = view.venue
    offset = "–" if reached.clock_offset is None else seconds(reached.clock_offset)
    accuracy = "" if reached.clock_uncertainty is None else f" ± {seconds(reached.clock_uncertainty)}"
    return facts(
        (
            *(
                (
                    connection.name,
                    join(
                        tag(
                            "span",
                            "connected" if connection.connected else "not connected",
                            class_="gain" if connection.connected else "outside",
                        ),
                        " ",
                        tag("small", relative(connection.since, now)) if connection.since else None,
                        tag("small", f" {connection.detail}") if connection.detail else None,
                    ),
                )
                for connection in reached.connections
            ),
            ("Clock offset", join(offset, tag("small", accuracy))),
            ("Reconnects", fixed(reached.reconnects, 0)),
            ("Unreadable messages", fixed(reached.malformed, 0)),
        )
    )


def costs(view: StatusView, now: datetime) -> Html:
    """Set what trading cost against what was predicted."""
    spent = view.costs
    ratio = percent(float(spent.paid / spent.predicted), 0) if spent.predicted else "–"
    rate = basis_points(float(spent.paid / spent.turnover)) if spent.turnover else "–"
    return facts(
        (
            ("Paid", money(spent.paid)),
            ("Predicted", money(spent.predicted)),
            ("Paid of predicted", ratio),
            ("Turnover", money(spent.turnover)),
            ("Paid of turnover", rate),
            ("Fills", fixed(spent.fills, 0)),
        )
    )


SECTIONS: Final[Mapping[str, tuple[str, Callable[[StatusView, datetime], Html]]]] = {
    "status": ("Status", status),
    "equity": ("Equity and drawdown", equity),
    "risk": ("Risk of the book", risk),
    "weights": ("Weights and targets", weights),
    "limits": ("Limits and their use", limits),
    "hedge": ("Hedge", hedge),
    "decisions": ("Decisions", decisions),
    "orders": ("Orders", orders),
    "fills": ("Fills", fills),
    "feeds": ("Feeds", feeds),
    "venue": ("Venue", venue),
    "costs": ("Cost of trading", costs),
}


def render(view: StatusView, now: datetime) -> dict[str, Html]:
    """Return every section's markup by its id, without its frame."""
    return {name: draw(view, now) for name, (_, draw) in SECTIONS.items()}
