"""The main job from end to end on real input; run it with `make demo`.

An isolated instance is started, its wallet is funded by card through the simulated Stripe (webhook and all), 997 rows of
real cloud usage are imported twice, and balance, usage and ledger are asked whether they agree. A second organization pays
in USDC, is recharged, warned and exported, and gets a statement. Prints one JSON object.
"""

import asyncio
import json
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Final

import httpx
import uvloop
from wallet_api.billing.v1.ledger_service_connect import LedgerServiceClient
from wallet_api.billing.v1.ledger_service_pb import VerifyLedgerRequest
from wallet_api.wallet.v1.usage_pb import UsageGroupBy
from wallet_api.wallet.v1.wallet_service_connect import WalletServiceClient
from wallet_api.wallet.v1.wallet_service_pb import (
    CreateStripeTopUpIntentRequest,
    GetTopUpRequest,
    GetWalletBalanceRequest,
    QueryUsageRequest,
)

from examples.demo_more import play_more
from wallet_service.catalog.files import read_catalog
from wallet_service.cli.dev import SAMPLE_CATALOG
from wallet_service.config import Settings
from wallet_service.development import Instance, private_settings, running
from wallet_service.logs import configure_logging
from wallet_service.rating.rules import plain_text
from wallet_service.usage.importing import ImportFormat, ImportReport, UsageImport

SAMPLE: Final = Path(__file__).parent / "data" / "focus_sample.csv"
TOP_UP_MINOR: Final = 5000
WALLET: Final = "organizations/my-org/wallets/default"
CREDIT_SECONDS_MAX: Final = 30


def main() -> None:
    """Run the demo in a folder that is removed afterwards."""
    configure_logging(format="json", level="error")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wallet-demo-") as folder:
        settings = private_settings(Path(folder))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(_demo(settings))
    figures["seconds"] = round(time.monotonic() - started, 1)
    print(json.dumps(figures, indent=2))


async def _demo(settings: Settings) -> dict[str, object]:
    async with running(settings, read_catalog(SAMPLE_CATALOG)) as instance:
        headers = {"authorization": f"Bearer {instance.api_key}"}
        wallet = WalletServiceClient(instance.url)
        ledger = LedgerServiceClient(instance.url)
        await _fund(instance, wallet, headers)
        first = await _import(instance)
        second = await _import(instance)
        usage = await wallet.query_usage(
            QueryUsageRequest(
                organization_name="organizations/my-org",
                bucket="month",
                group_by=UsageGroupBy.CATEGORY,
                page_size=1000,
            ),
            headers=headers,
        )
        balance = await wallet.get_wallet_balance(GetWalletBalanceRequest(name=WALLET), headers=headers)
        verified = await ledger.verify_ledger(
            VerifyLedgerRequest(organization_name="organizations/my-org"), headers=headers
        )
        more = await play_more(instance)
    by_category: dict[str, Decimal] = {}
    for row in usage.rows:
        cost = Decimal(row.cost_minor_decimal)
        by_category[row.category] = by_category.get(row.category, Decimal(0)) + cost
    return {
        "usage_rows": first.recorded_count,
        "usage_cost_minor_exact": plain_text(sum(by_category.values(), Decimal(0))),
        "wallet_debited_minor": TOP_UP_MINOR - balance.balance_minor,
        "carry_minor_exact": balance.carry_minor_decimal,
        "balance_minor": balance.balance_minor,
        "duplicates_ignored": second.duplicate_count,
        "by_category": {name: plain_text(cost) for name, cost in sorted(by_category.items())},
        "audit": "ok" if verified.ok else [f"{v.law}: {v.row}: {v.detail}" for v in verified.violations],
        "more": more,
    }


async def _fund(instance: Instance, wallet: WalletServiceClient, headers: dict[str, str]) -> None:
    """Top up by card as a browser would: the payer confirms with the client secret, and a webhook brings the credit."""
    intent = await wallet.create_stripe_top_up_intent(
        CreateStripeTopUpIntentRequest(wallet_name=WALLET, amount_minor=TOP_UP_MINOR, idempotency_key="demo"),
        headers=headers,
    )
    assert intent.top_up is not None, "the answer always has the top-up"
    async with httpx.AsyncClient(base_url=instance.stripe_url) as payer:
        url = f"/_sim/payment_intents/{intent.top_up.external_id}/pay"
        (await payer.post(url, json={"payment_method": "pm_card_visa"})).raise_for_status()
    async with asyncio.timeout(CREDIT_SECONDS_MAX):
        while True:
            found = await wallet.get_top_up(GetTopUpRequest(name=intent.top_up.name), headers=headers)
            if found.top_up is not None and found.top_up.state == "SUCCEEDED":
                return
            await asyncio.sleep(0.05)


async def _import(instance: Instance) -> ImportReport:
    service = instance.service
    org_id = await service.directory.resolve_organization("my-org")
    assert org_id is not None, "the development organization exists"
    print(f"importing {SAMPLE.name}", file=sys.stderr)
    return await UsageImport(service.catalog, service.usage).run(
        SAMPLE, file_format=ImportFormat.FOCUS, org_id=org_id, project="my-app"
    )


if __name__ == "__main__":
    main()
