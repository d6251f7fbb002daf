"""Whether something may be spent now: what a hold would meet, without making one."""

from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import queries
from wallet_service.catalog.operations import read_tariffs
from wallet_service.clock import Clock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError, invalid_field
from wallet_service.limits import steps
from wallet_service.limits.model import Authorization, LimitStatus, Standing
from wallet_service.limits.rules import account_refusal, allows, whole_minor
from wallet_service.promotions.model import Promotion
from wallet_service.promotions.steps import active_promotion
from wallet_service.rating.rules import COST_MINOR_MAX, Charge, charge, parse_quantity, rate_in_force

_ONE: Final = Decimal(1)


class SpendAuthorization:
    """Answers on one snapshot each; nothing is set aside."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def of_amount(self, org_id: UUID, amount_minor: int) -> Authorization:
        """Of a prepaid purchase of a list price, above 0. Raises RESOURCE_NOT_FOUND."""

        async def work(conn: AsyncConnection) -> Authorization:
            standing, now = await steps.standing(conn, org_id), self._clock.now()
            percent = _of_prepaid(await active_promotion(conn, org_id, now=now))
            priced = charge(Decimal(amount_minor), _ONE, discount_percent=percent)
            return await _answer(conn, standing, priced, now=now)

        return await self._db.read(work)

    async def of_usage(self, org_id: UUID, *, meter: str, quantity: str) -> Authorization:
        """Of a quantity of a meter (decimal text, not negative), rated as usage of this moment is.

        Raises METER_UNKNOWN, RATE_MISSING, QUANTITY_OUT_OF_RANGE and RESOURCE_NOT_FOUND.
        """
        wanted = parse_quantity(quantity)
        if wanted is None or wanted < 0:
            raise _out_of_range("must be decimal text of at most 18 digits before and 12 after the point, 0 or more")

        async def work(conn: AsyncConnection) -> Authorization:
            standing, now = await steps.standing(conn, org_id), self._clock.now()
            price = await _price(conn, meter, standing.wallet.currency, now=now)
            percent = _of_usage(await active_promotion(conn, org_id, now=now))
            priced = charge(wanted, price, discount_percent=percent)
            if priced.cost_minor > COST_MINOR_MAX:
                raise _out_of_range(f"the cost exceeds {COST_MINOR_MAX} minor units")
            return await _answer(conn, standing, priced, now=now)

        return await self._db.read(work)


async def _price(conn: AsyncConnection, meter: str, currency: str, *, now: datetime) -> Decimal:
    tariff = (await read_tariffs(conn, [meter])).get(meter)
    if tariff is None:
        raise ServiceError(
            Code.NOT_FOUND, Reason.METER_UNKNOWN, f"no meter is named {meter}", metadata={"meter": meter}
        )
    price = rate_in_force(tariff.rates.get(currency, ()), now)
    if price is None:
        raise ServiceError(
            Code.FAILED_PRECONDITION,
            Reason.RATE_MISSING,
            f"{meter} has no rate in {currency} in force",
            metadata={"meter": meter, "currency": currency},
        )
    return price


async def _answer(conn: AsyncConnection, standing: Standing, priced: Charge, *, now: datetime) -> Authorization:
    wallet, limit = standing.wallet, standing.limit
    balance = await queries.balance(conn, wallet.org_id, wallet.account_id)
    assert balance is not None, "every wallet has a ledger account"
    status = None if limit is None else await steps.status(conn, wallet, limit, now=now)
    amount_minor = whole_minor(priced.cost_minor)
    refusals: list[Reason] = []
    if (refusal := account_refusal(standing.state)) is not None:
        refusals.append(refusal)
    if amount_minor > 0 and status is not None and not _within(status, amount_minor):
        refusals.append(Reason.SPENDING_LIMIT_EXCEEDED)
    if amount_minor > max(0, balance.available_minor):
        refusals.append(Reason.INSUFFICIENT_FUNDS)
    return Authorization(
        refusals=tuple(refusals),
        charge=priced,
        amount_minor=amount_minor,
        currency=wallet.currency,
        available_minor=balance.available_minor,
        held_minor=balance.held_minor,
        limit_remaining_minor=None if status is None else status.remaining_minor,
    )


def _within(status: LimitStatus, amount_minor: int) -> bool:
    return allows(status.limit, spent_minor=status.spent_minor, held_minor=status.held_minor, amount_minor=amount_minor)


def _of_prepaid(promotion: Promotion | None) -> int:
    return promotion.percent if promotion is not None and promotion.applies_to_prepaid else 0


def _of_usage(promotion: Promotion | None) -> int:
    return promotion.percent if promotion is not None and promotion.applies_to_usage else 0


def _out_of_range(description: str) -> ServiceError:
    return invalid_field("quantity", description, reason=Reason.QUANTITY_OUT_OF_RANGE)
