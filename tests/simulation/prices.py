"""The catalog of a run, and what usage costs by it: exact, and without the service's code."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from wallet_service.catalog.rules import CatalogDocument, NewMeter, NewRate

_FIRST: Final = datetime(2025, 1, 1, tzinfo=UTC)
_SECOND: Final = datetime(2026, 2, 3, 7, 30, tzinfo=UTC)
CPU: Final = "compute.vm.vcpu_hours"
GPU: Final = "compute.gpu.h100.runtime_hours"
EGRESS: Final = "network.vm.egress_gib"
METERS: Final = (CPU, GPU, EGRESS)

_PRICES: Final = {
    (CPU, "USD"): (("0.342466", _FIRST), ("0.5", _SECOND)),
    (GPU, "USD"): (("249", _FIRST), ("231.75", _SECOND)),
    (EGRESS, "USD"): (("0.9765625", _FIRST),),
    (CPU, "EUR"): (("0.301", _FIRST), ("0.47", _SECOND)),
    (GPU, "EUR"): (("220.000000000001", _FIRST),),
    (EGRESS, "EUR"): (("0.1", _FIRST),),
    (CPU, "JPY"): (("0.513", _FIRST),),
    (GPU, "JPY"): (("373", _FIRST), ("360.5", _SECOND)),
    (EGRESS, "JPY"): (("1.4648", _FIRST),),
}

CATALOG: Final = CatalogDocument(
    meters=(
        NewMeter(CPU, "vcpu-hour", "vCPU", "vCPU"),
        NewMeter(GPU, "gpu-hour", "GPU", "GPU H100"),
        NewMeter(EGRESS, "GiB", "Data Transfer", "Egress"),
    ),
    rates=tuple(
        NewRate(meter, currency, Decimal(price), at)
        for (meter, currency), prices in _PRICES.items()
        for price, at in prices
    ),
)


def cost(meter: str, currency: str, quantity: str, at: datetime, percent: int) -> Fraction:
    """Exact minor units of an event that happened at `at` under a discount of `percent`."""
    price = next(price for price, since in reversed(_PRICES[meter, currency]) if since <= at)
    return Fraction(quantity) * Fraction(price) * (100 - percent) / 100
