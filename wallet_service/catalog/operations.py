"""Use cases of the catalog, and the step that rating asks for rates."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.ids import new_id, unix_us
from wallet_service.audit_log.pending import note_before
from wallet_service.catalog import store
from wallet_service.catalog.rules import (
    CATEGORY_LENGTH_MAX,
    DISPLAY_NAME_LENGTH_MAX,
    CatalogDiff,
    CatalogDocument,
    Meter,
    MeterTariff,
    NewMeter,
    NewRate,
    PublicRate,
    Rate,
    diff,
    fault_of_meter,
    fault_of_rate,
    is_storable,
)
from wallet_service.clock import Clock
from wallet_service.db import Database, driver
from wallet_service.errors import Code, Reason, ServiceError, already_exists, invalid_field, not_found
from wallet_service.pages import Page, decode_token, page_of, page_size, query_digest
from wallet_service.rating.rules import RatePoint, plain_text
from wallet_service.requests.operations import PLATFORM, claim

T = TypeVar("T")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS_PER_STATEMENT: Final = 1000


class CatalogOperations:
    """Meters and rates. Money texts are exact; times are aware."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def create_meter(self, new: NewMeter, *, request_id: str = "") -> Meter:
        """Create a meter. Raises RESOURCE_EXISTS, unless this is a repeat of the call with the same request id."""
        _check(fault_of_meter(new))
        wanted = replace(new, display_name=new.display_name or new.meter)
        now = self._clock.now()

        async def work(conn: AsyncConnection) -> Meter:
            first = await claim(
                conn,
                org_id=PLATFORM,
                method="CreateMeter",
                request_id=request_id,
                content={
                    "meter": wanted.meter,
                    "display_name": wanted.display_name,
                    "unit": wanted.unit,
                    "category": wanted.category,
                },
                resource=wanted.meter,
                now=now,
            )
            if first is None and not await store.insert_meters(conn, [wanted], created_at=now):
                raise already_exists("meter", f"meters/{wanted.meter}")
            return (await store.read_meters(conn, [wanted.meter]))[wanted.meter]

        return await self._db.transact(work)

    async def get_meter(self, meter: str) -> Meter:
        found = await self._db.read(lambda conn: store.read_meters(conn, [meter]))
        if meter not in found:
            raise _meter_not_found(meter)
        return found[meter]

    async def list_meters(self, *, prefix: str = "", size: int = 0, token: str = "") -> Page[Meter]:
        """Meters whose name starts with `prefix`, by name."""
        digest = query_digest("meters", prefix)
        key = decode_token(token, digest, (str,))
        limit = page_size(size)
        rows = await self._db.read(
            lambda conn: store.list_meters(
                conn,
                prefix=prefix,
                after=None if key is None else str(key[0]),
                limit=limit + 1,
            )
        )
        return page_of(rows, size=limit, digest=digest, key=lambda row: (row.meter,))

    async def update_meter(self, meter: str, *, display_name: str | None, category: str | None) -> Meter:
        """Change the name for people, the category, or both; None leaves it."""
        for field, text, length_max in (
            ("display_name", display_name, DISPLAY_NAME_LENGTH_MAX),
            ("category", category, CATEGORY_LENGTH_MAX),
        ):
            if text is not None and not (0 < len(text) <= length_max and is_storable(text)):
                raise invalid_field(
                    field,
                    f"must be 1 to {length_max} characters without control characters",
                )

        async def work(conn: AsyncConnection) -> Meter:
            if not await store.lock_meter(conn, meter):
                raise _meter_not_found(meter)
            before = (await store.read_meters(conn, [meter]))[meter]
            note_before(f"meters/{meter}", {"display_name": before.display_name, "category": before.category})
            changed = await store.update_meter(conn, meter, display_name=display_name, category=category)
            assert changed is not None, "it is locked"
            return changed

        return await self._db.transact(work)

    async def create_rate(self, new: NewRate, *, request_id: str = "", effective_given: bool = True) -> Rate:
        """Add a rate; the same rate again answers the first one.

        effective_given: whether the caller chose the effective time, which makes it a part of what `request_id` stands for.
        Raises NOT_FOUND for an unknown meter, RATE_CONFLICT when another price takes effect at the same time.
        """
        _check(fault_of_rate(new))
        now = self._clock.now()
        rate_id = new_id(now)

        async def work(conn: AsyncConnection) -> Rate:
            if not await store.lock_meter(conn, new.meter):
                raise _meter_not_found(new.meter)
            present = await _rate_at(conn, new)
            first = await claim(
                conn,
                org_id=PLATFORM,
                method="CreateRate",
                request_id=request_id,
                content={
                    "meter": new.meter,
                    "currency": new.currency,
                    "unit_price_minor": plain_text(new.unit_price_minor),
                    "effective_us": unix_us(new.effective_at) if effective_given else None,
                },
                resource=str(rate_id if present is None else present.rate_id),
                now=now,
            )
            if first is not None:
                return await store.read_rate(conn, UUID(first))
            if present is None:
                await store.insert_rates(conn, [(rate_id, new)], created_at=now)
                return await store.read_rate(conn, rate_id)
            if present.unit_price_minor != new.unit_price_minor:
                raise _rate_conflict(present)
            return present

        return await self._db.transact(work)

    async def list_rates(
        self,
        *,
        meter: str = "",
        currency: str = "",
        in_force_at: datetime | None = None,
        size: int = 0,
        token: str = "",
    ) -> Page[Rate]:
        """Rates by meter, currency and effective time; with `in_force_at` only those in force then."""
        digest = query_digest("rates", meter, currency, in_force_at)
        key = decode_token(token, digest, (str, str, int))
        after = (
            None
            if key is None
            else (
                str(key[0]),
                str(key[1]),
                _EPOCH + timedelta(microseconds=int(key[2])),
            )
        )
        limit = page_size(size)
        rows = await self._db.read(
            lambda conn: store.list_rates(
                conn,
                meter=meter,
                currency=currency,
                in_force_at=in_force_at,
                after=after,
                limit=limit + 1,
            )
        )
        return page_of(
            rows, size=limit, digest=digest, key=lambda row: (row.meter, row.currency, unix_us(row.effective_at))
        )

    async def list_public_rates(
        self, *, prefix: str = "", currency: str = "", size: int = 0, token: str = ""
    ) -> Page[PublicRate]:
        """The rate of each meter and currency that is in force now."""
        digest = query_digest("public-rates", prefix, currency)
        key = decode_token(token, digest, (str, str))
        after = None if key is None else (str(key[0]), str(key[1]))
        limit, now = page_size(size), self._clock.now()
        rows = await self._db.read(
            lambda conn: store.list_public_rates(
                conn,
                prefix=prefix,
                currency=currency,
                at=now,
                after=after,
                limit=limit + 1,
            )
        )
        return page_of(rows, size=limit, digest=digest, key=lambda row: (row.rate.meter, row.rate.currency))

    async def compare(self, wanted: CatalogDocument) -> CatalogDiff:
        """What `apply` would do now."""
        _check_document(wanted)
        return await self._db.read(lambda conn: _difference(conn, wanted))

    async def apply(self, wanted: CatalogDocument) -> CatalogDiff:
        """Make the catalog contain `wanted`, in one transaction; returns what was done.

        With any conflict nothing is done and the conflicts are returned.
        """
        _check_document(wanted)
        now = self._clock.now()

        async def work(conn: AsyncConnection) -> CatalogDiff:
            found = await _difference(conn, wanted)
            if found.conflicts:
                return found
            for part in _parts(found.added_meters):
                await store.insert_meters(conn, part, created_at=now)
            for present, new in found.changed_meters:
                await store.update_meter(
                    conn,
                    present.meter,
                    display_name=new.display_name or new.meter,
                    category=new.category,
                )
            for part in _parts(found.added_rates):
                await store.insert_rates(conn, [(new_id(now), rate) for rate in part], created_at=now)
            return found

        return await self._db.transact(work)

    async def read(self, meters: Collection[str]) -> tuple[dict[str, Meter], list[Rate]]:
        """The meters among `meters` that exist, and all of their rates."""

        async def work(conn: AsyncConnection) -> tuple[dict[str, Meter], list[Rate]]:
            return await store.read_meters(conn, meters), await store.read_rates(conn, meters)

        return await self._db.read(work)


async def read_tariffs(conn: AsyncConnection, meters: Collection[str]) -> dict[str, MeterTariff]:
    """Step: the unit and the rates of each meter of `meters` that exists."""
    units: dict[str, str] = {}
    points: dict[str, dict[str, list[RatePoint]]] = {}
    for meter, unit, currency, point in await store.read_tariff_rows(await driver(conn), meters):
        units[meter] = unit
        if point is not None:
            points.setdefault(meter, {}).setdefault(currency, []).append(point)
    return {meter: MeterTariff(unit, points.get(meter, {})) for meter, unit in units.items()}


async def _difference(conn: AsyncConnection, wanted: CatalogDocument) -> CatalogDiff:
    names = {meter.meter for meter in wanted.meters} | {rate.meter for rate in wanted.rates}
    return diff(
        wanted,
        await store.read_meters(conn, names),
        await store.read_rates(conn, names),
    )


async def _rate_at(conn: AsyncConnection, wanted: NewRate) -> Rate | None:
    for rate in await store.read_rates(conn, [wanted.meter]):
        if (rate.currency, rate.effective_at) == (wanted.currency, wanted.effective_at):
            return rate
    return None


def _parts(rows: Sequence[T]) -> list[Sequence[T]]:
    return [rows[start : start + _ROWS_PER_STATEMENT] for start in range(0, len(rows), _ROWS_PER_STATEMENT)]


def _check_document(wanted: CatalogDocument) -> None:
    for meter in wanted.meters:
        _check(fault_of_meter(meter))
    for rate in wanted.rates:
        _check(fault_of_rate(rate))


def _check(fault: tuple[str, str] | None) -> None:
    if fault is not None:
        raise invalid_field(*fault)


def _meter_not_found(meter: str) -> ServiceError:
    return not_found("meter", f"meters/{meter}")


def _rate_conflict(present: Rate) -> ServiceError:
    price = plain_text(present.unit_price_minor)
    return ServiceError(
        Code.ALREADY_EXISTS,
        Reason.RATE_CONFLICT,
        f"meter {present.meter} has a rate of {price} {present.currency} minor units from that time on",
        metadata={
            "meter": present.meter,
            "currency": present.currency,
            "unit_price_minor_decimal": price,
        },
    )
