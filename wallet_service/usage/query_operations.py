"""Reading usage: sums, events, and how an event was settled."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.money import round_half_even
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError, invalid_field, not_found
from wallet_service.pages import Key, Page, decode_id, decode_token, page_of, page_size, query_digest
from wallet_service.usage import query_store
from wallet_service.usage.model import Settlement, UsageEvent
from wallet_service.usage.query_rules import (
    Bucket,
    Dimension,
    Position,
    UsageQuery,
    UsageRow,
    bucket_end,
    bucket_start,
    cut,
    in_order,
    position_of,
    row_digest,
)
from wallet_service.usage.steps import refuse_what_is_dropped

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FAR: Final = datetime(9999, 12, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_TEXTS_LENGTH_MAX: Final = 640
"""Longer texts would make a page token of more than 1024 characters."""


class UsageQueries:
    """Reads on one snapshot each. Every one is about one organization, named by its id."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def query(
        self,
        org_id: UUID,
        *,
        project_id: UUID | None = None,
        meter_prefix: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        bucket: Bucket = Bucket.DAY,
        dimensions: Iterable[Dimension] = (),
        currency: str = "",
        size: int = 0,
        token: str = "",
    ) -> Page[UsageRow]:
        """Sums by bucket, the dimensions and currency, in this order.

        `end` None means now: everything recorded so far, also usage that lies a few minutes ahead of our clock, so that the
        sums agree with the ledger.

        currency: only what was charged in it; "" for any. Without dimensions there is one row for each bucket and currency.
        The sums are exact at any bounds, not only at whole hours. Costs are those recorded when the usage was rated;
        category and unit are the meter's of today.
        """
        ordered = in_order(dimensions)
        digest = query_digest(
            "usage", org_id, project_id, meter_prefix, start, end, bucket.value, [d.value for d in ordered], currency
        )
        marker = _marker(token, digest, ordered)
        limit = page_size(size)
        query = UsageQuery(
            org_id=org_id,
            project_id=project_id,
            meter_prefix=meter_prefix,
            start=start,
            end=_FAR if end is None else end,
            bucket=bucket,
            dimensions=ordered,
            currency=currency,
        )

        async def work(conn: AsyncConnection) -> Page[UsageRow]:
            for span in cut(query.start, query.end).rest:
                await refuse_what_is_dropped(conn, span.start)
            after = await _resolve(conn, query, marker)
            rows = await query_store.sum_usage(conn, query, after=after, limit=limit + 1)
            return page_of(rows, size=limit, digest=digest, key=lambda row: _key_of(position_of(row, ordered)))

        return await self._db.read(work)

    async def list_events(
        self,
        org_id: UUID,
        *,
        project_id: UUID | None = None,
        meter_prefix: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        size: int = 0,
        token: str = "",
    ) -> Page[UsageEvent]:
        """Events, newest recorded first, with an event time at or after `start` and before `end` (None: no bound).

        Without a `start` those that are kept; with one from before those, INVALID_FIELD.
        """
        digest = query_digest("usage-events", org_id, project_id, meter_prefix, start, end)
        before = decode_id(token, digest)
        limit = page_size(size)

        async def work(conn: AsyncConnection) -> Page[UsageEvent]:
            if start is not None:
                await refuse_what_is_dropped(conn, start)
            rows = await query_store.list_events(
                conn,
                org_id,
                project_id=project_id,
                meter_prefix=meter_prefix,
                span=(start, end),
                before=before,
                limit=limit + 1,
            )
            return page_of(rows, size=limit, digest=digest, key=lambda row: (str(row.event_id),))

        return await self._db.read(work)

    async def settlement(
        self, org_id: UUID, event_id: str, *, amount_minor: int | None = None, currency: str = ""
    ) -> Settlement:
        """How an event was settled when it was recorded. Nothing moves.

        amount_minor: what the caller wants it to have cost; None is whatever it did. Raises NOT_FOUND, CURRENCY_MISMATCH,
        and USAGE_ALREADY_SETTLED when the cost, rounded half to even, is another one.
        """
        parsed = _event_id(event_id)
        found = await self._db.read(lambda conn: query_store.read_settlement(conn, org_id, parsed))
        if found is None:
            raise not_found("usage event", event_id)
        if currency and currency != found.currency:
            raise invalid_field(
                "currency", f"the event was charged in {found.currency}", reason=Reason.CURRENCY_MISMATCH
            )
        settled = round_half_even(found.cost_minor)
        if amount_minor is not None and amount_minor != settled:
            raise ServiceError(
                Code.FAILED_PRECONDITION,
                Reason.USAGE_ALREADY_SETTLED,
                f"the event was settled for {settled} minor units when it was recorded",
                metadata={"usage_event_id": event_id, "settled_minor": str(settled)},
            )
        return found


def _key_of(position: Position) -> Key:
    """The key of a page token: as it is, or with a digest in place of texts that would make the token too long."""
    seconds = (position.bucket_start - _EPOCH) // _SECOND
    if len(json.dumps(position.texts)) <= _TEXTS_LENGTH_MAX:
        return (seconds, *position.texts)
    return (seconds, row_digest(position.texts))


def _marker(token: str, digest: str, dimensions: tuple[Dimension, ...]) -> Position | None:
    """What a page token holds: a position, or the digest of one as its only text."""
    natural = (int, *(str for _ in dimensions), str)
    try:
        key = decode_token(token, digest, natural)
    except ServiceError:
        key = decode_token(token, digest, (int, str))
    if key is None:
        return None
    try:
        return Position(_EPOCH + timedelta(seconds=int(key[0])), tuple(str(text) for text in key[1:]))
    except OverflowError:
        raise _bad_token() from None


async def _resolve(conn: AsyncConnection, query: UsageQuery, marker: Position | None) -> Position | None:
    """The position that a marker stands for. A row that is grouped otherwise by now makes its token invalid."""
    if marker is None or len(marker.texts) == len(query.dimensions) + 1:
        return marker
    start = bucket_start(query.bucket, marker.bucket_start)
    inside = replace(
        query,
        start=start if query.start is None else max(start, query.start),
        end=min(bucket_end(query.bucket, start), query.end),
    )
    row = await query_store.find_row(conn, inside, digest=marker.texts[0])
    if row is None:
        raise _bad_token()
    return position_of(row, query.dimensions)


def _bad_token() -> ServiceError:
    return invalid_field("page_token", "is not a token of this query", reason=Reason.INVALID_PAGE_TOKEN)


def _event_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise not_found("usage event", text) from None
