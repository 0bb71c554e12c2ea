"""New orders through ccxt: sent once, and each row's answer judged alone.

ccxt raises the first row's error when all rows of a batch fail, and hands back an order without an id when an
answer cannot be read. So where the venue answers row by row, the rows are read from the answer itself; and an
answer without an id is no answer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from exchanges import ccxt_convert as convert
from exchanges.ccxt_client import call, expiring, known_codes, redact
from exchanges.ccxt_guards import require_client_id
from exchanges.classify import Action, Trace, classify_code
from exchanges.client_ids import encode
from exchanges.errors import Ambiguous, Rejected, VenueError
from exchanges.port import Acknowledgement, OrderRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchanges.ccxt_venue import CcxtVenue

Answer = str | VenueError  # the venue's id of the order, or what else came back


async def create(venue: CcxtVenue, requests: Sequence[OrderRequest], deadline: float) -> list[Acknowledgement]:
    """Send the orders in one request; see `Venue.create_orders`.

    Raises:
        ValueError: more rows than one request may carry, none, or a row without a client id of ours.
    """
    if not 1 <= len(requests) <= venue.batch_limit:
        raise ValueError(f"{len(requests)} orders in one request: {venue.name} takes 1 to {venue.batch_limit}")
    ids = [encode(venue.exchange_id, require_client_id(request.client_id)) for request in requests]
    trace = Trace()
    answers: Mapping[str, Answer]
    fallback: Answer = Ambiguous("the answer has no order id")
    try:
        entries = [
            convert.order_arguments(request, venue.market(request.symbol), theirs)
            for request, theirs in zip(requests, ids, strict=True)
        ]
        rows = await _send(venue, entries, deadline, trace)
    except VenueError as error:
        answers, fallback = _rows_of_body(venue, ids, trace), error
    else:
        answers = _rows_of_body(venue, ids, trace) or _rows_of_orders(ids, rows)
    return [
        _acknowledge(venue, request, answers.get(theirs, fallback))
        for request, theirs in zip(requests, ids, strict=True)
    ]


async def _send(venue: CcxtVenue, entries: list[dict[str, Any]], deadline: float, trace: Trace) -> list[dict[str, Any]]:
    client = venue.client
    if venue.traits.deadline == "window":
        for entry in entries:
            entry["params"]["recvWindow"] = round(deadline * 1000)
    with expiring(convert.to_milliseconds(venue.venue_now()) + round(deadline * 1000)):
        if venue.traits.batch > 1:
            rows = await call(client, Action.CREATE, client.create_orders(entries), trace)
        else:
            (entry,) = entries
            rows = [await call(client, Action.CREATE, client.create_order(**entry), trace)]
    return [row for row in rows if isinstance(row, dict)]


def _rows_of_body(venue: CcxtVenue, ids: Sequence[str], trace: Trace) -> dict[str, Answer]:
    """Return what OKX answered to each row, by client id; nothing where its answer has no such rows."""
    if venue.exchange_id != "okx" or trace.status != 200:
        return {}
    try:
        rows = json.loads(trace.body)["data"]
        known = known_codes(venue.client)
        found: dict[str, Answer] = {}
        for index, row in enumerate(rows):
            # A refused row may come without its client id; rows keep the order of the request.
            theirs = row["clOrdId"] or (ids[index] if len(rows) == len(ids) else "")
            if row["sCode"] != "0":
                message = redact(venue.client, row.get("sMsg") or "no message")
                found[theirs] = classify_code(venue.exchange_id, row["sCode"], message, known)
            elif row["ordId"]:
                found[theirs] = row["ordId"]
    except (ValueError, LookupError, TypeError):
        return {}  # unreadable: the caller takes every row for unanswered
    return found


def _rows_of_orders(ids: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, Answer]:
    """Return the answers by client id as ccxt read them; a lone answer may come without its client id."""
    found: dict[str, Answer] = {}
    for row in rows:
        theirs = row.get("clientOrderId") or (ids[0] if len(ids) == len(rows) == 1 else None)
        if theirs is None:
            continue
        if row.get("id"):
            found[theirs] = str(row["id"])
        elif row.get("status") == "rejected":
            found[theirs] = Rejected("the venue rejected the row")
    return found


def _acknowledge(venue: CcxtVenue, request: OrderRequest, answer: Answer) -> Acknowledgement:
    if isinstance(answer, str):
        return Acknowledgement(request.client_id, answer, None)
    answer.venue = venue.name
    return Acknowledgement(request.client_id, None, answer)
