"""Who plays in the year: twenty organizations, what each uses on a day, and what it pays with."""

import math
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
VCPU: Final = "compute.vm.vcpu_hours"
MEMORY: Final = "compute.vm.memory_gib_hours"
DAY_OF_VCPU_MINOR: Final = 25
"""What a vCPU with 4 GiB costs on a usual day, in whole minor units, rounded up."""


class Part(StrEnum):
    """What an organization stands for."""

    RECHARGED = "recharged"
    DECLINED = "declined"
    AUTHENTICATED = "authenticated"
    LIMITED = "limited"
    CRYPTO = "crypto"
    DISPUTED = "disputed"
    DRY = "dry"
    PROMOTED = "promoted"
    HOLDING = "holding"


_PARTS: Final = (
    Part.RECHARGED,
    Part.CRYPTO,
    Part.DECLINED,
    Part.LIMITED,
    Part.DRY,
    Part.DISPUTED,
    Part.AUTHENTICATED,
    Part.PROMOTED,
    Part.HOLDING,
)
CARDS: Final = {
    Part.RECHARGED: "pm_card_visa",
    Part.LIMITED: "pm_card_mastercard",
    Part.DECLINED: "pm_card_chargeCustomerFail",
    Part.AUTHENTICATED: "pm_card_authenticationRequired",
}
"""Parts whose wallet is recharged from a card, and the card; the others are paid for by hand."""


@dataclass(frozen=True)
class Tenant:
    """One of the organizations: what it runs, around the clock."""

    slug: str
    part: Part
    vcpus: int

    @property
    def name(self) -> str:
        return f"organizations/{self.slug}"

    @property
    def wallet(self) -> str:
        return f"{self.name}/wallets/default"

    @property
    def account(self) -> str:
        return f"{self.name}/billing-accounts/default"

    def days_minor(self, days: int) -> int:
        """What so many usual days cost, about, in whole hundreds of minor units."""
        return -(-self.vcpus * DAY_OF_VCPU_MINOR * days // 100) * 100

    def vcpu_hours(self, day: date) -> Decimal:
        """Of a day: less at weekends and in summer, a little more every week, and noise, with digits that no cent has."""
        noise = random.Random(f"{self.slug}:{day}").randint(850, 1150)
        week = 600 if day.weekday() >= 5 else 1000
        number = (day - START.date()).days
        season = 1000 + round(200 * math.cos(2 * math.pi * number / 365))
        growth = 1000 + number
        return Decimal(self.vcpus * 24) * noise * week * season * growth / 10**12


def tenants(count: int) -> tuple[Tenant, ...]:
    """The first ones play a part each; whoever is left is recharged."""
    return tuple(
        Tenant(f"tenant-{n:02}", _PARTS[n] if n < len(_PARTS) else Part.RECHARGED, 4 + n) for n in range(count)
    )
