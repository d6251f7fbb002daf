"""What the demo shows of a second organization in a month: USDC, a recharge, an alert, an export and a statement."""

import asyncio
import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
from protobuf.wkt import Timestamp
from wallet_api.billing.v1 import account_service_pb as account
from wallet_api.billing.v1 import test_clock_service_pb as clock
from wallet_api.billing.v1 import usage_service_pb as usage
from wallet_api.billing.v1.account_service_connect import AccountServiceClient
from wallet_api.billing.v1.ledger_service_connect import LedgerServiceClient
from wallet_api.billing.v1.ledger_service_pb import VerifyLedgerRequest
from wallet_api.billing.v1.test_clock_service_connect import TestClockServiceClient
from wallet_api.billing.v1.usage_service_connect import UsageServiceClient
from wallet_api.wallet.v1 import wallet_service_pb as wallet
from wallet_api.wallet.v1.wallet_service_connect import WalletServiceClient

from wallet_service.development import Instance

ORGANIZATION: Final = "organizations/more"
WALLET: Final = f"{ORGANIZATION}/wallets/default"
ACCOUNT: Final = f"{ORGANIZATION}/billing-accounts/default"
CARD: Final = f"{ORGANIZATION}/payment-methods/card"
CLOCK: Final = "test-clocks/more"
START: Final = datetime(2026, 3, 1, tzinfo=UTC)
END: Final = datetime(2026, 4, 1, tzinfo=UTC)
EVENT_COUNT: Final = 8
CRYPTO_MINOR: Final = 5000
RECHARGE_MINOR: Final = 3000
THRESHOLD_MINOR: Final = 2000
CREDIT_SECONDS_MAX: Final = 30


async def play_more(instance: Instance) -> dict[str, object]:
    """Live through a month on a test clock; the figures of it."""
    headers = {"authorization": f"Bearer {instance.operator_key}"}
    client = WalletServiceClient(instance.url)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        await _open(instance, headers)
        await _pay_in_crypto(instance, client, http, headers)
        await _recharge_and_warn(client, headers)
        await _use(instance, headers)
        shown = await _shown(client, headers)
        files = {
            "export_rows": await _export(client, http, headers),
            "statement": await _statement(client, http, headers),
        }
    verified = await LedgerServiceClient(instance.url).verify_ledger(
        VerifyLedgerRequest(organization_name=ORGANIZATION), headers=headers
    )
    return {**shown, **files, "audit": "ok" if verified.ok else [f"{v.law}: {v.row}" for v in verified.violations]}


async def _open(instance: Instance, headers: Mapping[str, str]) -> None:
    accounts = AccountServiceClient(instance.url)
    await TestClockServiceClient(instance.url).create_test_clock(
        clock.CreateTestClockRequest(test_clock_id="more", now=Timestamp.from_datetime(START)), headers=headers
    )
    await accounts.create_organization(
        account.CreateOrganizationRequest(organization_id="more", test_clock_name=CLOCK), headers=headers
    )
    await accounts.create_project(
        account.CreateProjectRequest(organization_name=ORGANIZATION, project_id="more"), headers=headers
    )


async def _pay_in_crypto(
    instance: Instance, client: WalletServiceClient, http: httpx.AsyncClient, headers: Mapping[str, str]
) -> None:
    made = await client.create_coinbase_top_up_checkout(
        wallet.CreateCoinbaseTopUpCheckoutRequest(
            wallet_name=WALLET, amount_minor=CRYPTO_MINOR, idempotency_key="more"
        ),
        headers=headers,
    )
    assert made.top_up is not None, "the answer always has the top-up"
    url = f"{instance.coinbase_url}/_sim/checkouts/{made.top_up.external_id}/pay"
    (await http.post(url, json={"outcome": "success"})).raise_for_status()
    async with asyncio.timeout(CREDIT_SECONDS_MAX):
        while True:
            found = await client.get_top_up(wallet.GetTopUpRequest(name=made.top_up.name), headers=headers)
            if found.top_up is not None and found.top_up.state == "SUCCEEDED":
                return
            await asyncio.sleep(0.05)


async def _recharge_and_warn(client: WalletServiceClient, headers: Mapping[str, str]) -> None:
    await client.attach_payment_method(
        wallet.AttachPaymentMethodRequest(
            name=CARD, billing_account_name=ACCOUNT, stripe_payment_method_id="pm_card_visa"
        ),
        headers=headers,
    )
    await client.configure_auto_recharge(
        wallet.ConfigureAutoRechargeRequest(
            wallet_name=WALLET,
            enabled=True,
            threshold_minor=THRESHOLD_MINOR,
            amount_minor=RECHARGE_MINOR,
            payment_method_name=CARD,
        ),
        headers=headers,
    )
    await client.configure_wallet_alerts(
        wallet.ConfigureWalletAlertsRequest(wallet_name=WALLET, balance_alert_minor=THRESHOLD_MINOR), headers=headers
    )


async def _use(instance: Instance, headers: Mapping[str, str]) -> None:
    """Use that leaves less than the threshold, then the rest of the month and its close."""
    events = [
        usage.UsageEventInput(
            project_name="projects/more",
            meter="compute.vm.vcpu_hours",
            quantity="1234.5",
            idempotency_key=f"event-{number}",
        )
        for number in range(EVENT_COUNT)
    ]
    await UsageServiceClient(instance.url).record_usage_events(
        usage.RecordUsageEventsRequest(organization_name=ORGANIZATION, events=events), headers=headers
    )
    await _advance(instance, headers, END + timedelta(minutes=30))


async def _advance(instance: Instance, headers: Mapping[str, str], target: datetime) -> None:
    clocks = TestClockServiceClient(instance.url)
    while True:
        answer = await clocks.advance_test_clock(
            clock.AdvanceTestClockRequest(name=CLOCK, target=Timestamp.from_datetime(target)), headers=headers
        )
        assert answer.test_clock is not None, "the answer always has the clock"
        if answer.test_clock.state is clock.TestClock.State.READY:
            return


async def _shown(client: WalletServiceClient, headers: Mapping[str, str]) -> dict[str, object]:
    """What the activity of the month and the balance say."""
    listed = await client.list_top_ups(wallet.ListTopUpsRequest(wallet_name=WALLET), headers=headers)
    balance = await client.get_wallet_balance(wallet.GetWalletBalanceRequest(name=WALLET), headers=headers)
    alerts = await client.get_wallet_alerts(wallet.GetWalletAlertsRequest(wallet_name=WALLET), headers=headers)
    assert alerts.config is not None, "the answer always has the alerts"
    return {
        "crypto_minor": sum(top_up.amount_minor for top_up in listed.top_ups if top_up.origin == "manual"),
        "recharged_minor": sum(top_up.amount_minor for top_up in listed.top_ups if top_up.origin == "auto"),
        "alert_fired": alerts.config.last_balance_fired_at_unix > 0,
        "balance_minor": balance.balance_minor,
    }


async def _export(client: WalletServiceClient, http: httpx.AsyncClient, headers: Mapping[str, str]) -> int:
    """Rows of the downloaded file."""
    made = await client.export_usage(
        wallet.ExportUsageRequest(
            organization_name=ORGANIZATION,
            start_time_unix=int(START.timestamp()),
            end_time_unix=int(END.timestamp()),
            format="csv",
        ),
        headers=headers,
    )
    content = await _download(http, made.download_url)
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert len(rows) == made.row_count, "the file has the rows that were promised"
    return len(rows)


async def _statement(
    client: WalletServiceClient, http: httpx.AsyncClient, headers: Mapping[str, str]
) -> dict[str, object]:
    listed = await client.list_invoices(wallet.ListInvoicesRequest(billing_account_name=ACCOUNT), headers=headers)
    [invoice] = listed.invoices
    made = await client.download_invoice_pdf(wallet.DownloadInvoicePDFRequest(name=invoice.name), headers=headers)
    content = await _download(http, made.download_url)
    return {
        "number": invoice.number,
        "topped_up_minor": invoice.topped_up_minor,
        "spent_minor": invoice.spent_minor,
        "closing_balance_minor": invoice.closing_balance_minor,
        "is_pdf": content.startswith(b"%PDF"),
        "pdf_bytes": len(content),
    }


async def _download(http: httpx.AsyncClient, url: str) -> bytes:
    answer = await http.get(url)
    answer.raise_for_status()
    return answer.content
