"""wallet.v1.CreditService over the whole stack: interceptors, servicer, the service and Stripe's simulator."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from providers.simulators.stripe.server import StripeSimulator
from providers.simulators.stripe.server import running as simulating
from providers.simulators.stripe.world import Settings as Simulation
from tests.operations.payments_lab import AUTHENTICATE, DECLINED_AFTER_SAVING, GOOD
from tests.operations.usage_scene import CATALOG, GPU, event
from tests.rpc.service_app import START, Api, running
from wallet_service.clock import ManualClock
from wallet_service.principal import Role

ORG = "organizations/my-org"
NOW_UNIX = int(START.timestamp())
LIMIT = {"amount": 500, "duration": "daily", "strategy": "fixed"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Credits:
    """The service, called as Connect JSON by the keys of my-org."""

    api: Api
    stripe: StripeSimulator
    org_id: UUID

    async def call(self, method: str, key: Role | str = Role.ADMIN, **fields: Any) -> Json:
        answer = await self.api.http.post(
            f"http://test/wallet.v1.CreditService/{method}",
            headers={**self.api.headers(key), "content-type": "application/json"},
            content={"organizationName": ORG, **fields},
        )
        return answer.json()

    async def refusal(self, method: str, key: Role | str = Role.ADMIN, **fields: Any) -> tuple[str, str, list[str]]:
        """(code, reason, fields)."""
        body = await self.call(method, key, **fields)
        details = {each["type"].rpartition(".")[2]: each["debug"] for each in body["details"]}
        named = [each.get("field", "") for each in details.get("BadRequest", {}).get("fieldViolations", [])]
        return body["code"], details["ErrorInfo"]["reason"], named

    async def card(self, token: str = GOOD) -> str:
        """Save a card and make it the default."""
        saved = await self.api.service.payment_methods.attach(
            self.org_id, provider_method_id=token, payment_method_id=None, make_default=True
        )
        return saved.payment_method_id

    async def balance(self) -> Json:
        return await self.call("GetCreditBalance", Role.VIEWER)

    async def status(self, made: Json) -> str:
        found = await self.call("GetTopUpStatus", Role.VIEWER, paymentIntentId=made["paymentIntentId"])
        assert found["paymentIntentId"] == made["paymentIntentId"]
        return found["status"]

    async def sync(self, made: Json) -> None:
        """What the job of a webhook does."""
        await self.api.service.topup_sync.sync(self.org_id, UUID(made["paymentIntentId"].rpartition("/")[2]))

    async def use(self, key: str, quantity: str, at: datetime | None = None) -> None:
        used = event(key, quantity, meter=GPU, **({"event_time": at} if at else {}))
        await self.api.service.usage.record(self.org_id, [used])


@pytest.fixture
async def credit(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Credits]:
    settings = Simulation(webhook_url="http://127.0.0.1:9/webhooks/stripe", webhook_secret="whsec_credit")
    async with simulating(settings, clock=ManualClock(START).now) as stripe:
        monkeypatch.setenv("WALLET_STRIPE_API_BASE", stripe.url)
        monkeypatch.setenv("WALLET_STRIPE_API_KEY", "sk_test_credit")
        monkeypatch.setenv("WALLET_DATA_DIR", str(tmp_path))
        async with running(database_url) as api:
            await api.service.catalog.apply(CATALOG)
            org_id = await api.service.directory.resolve_organization("my-org")
            assert org_id is not None
            yield Credits(api, stripe, org_id)


async def test_a_balance_of_nothing(credit: Credits) -> None:
    assert await credit.balance() == {"balanceDecimal": "0", "currency": "USD", "topupConfig": {}}


async def test_a_balance_has_the_fraction_of_usage_and_may_be_negative(credit: Credits) -> None:
    await credit.use("a", "2.5")
    found = await credit.balance()
    assert (found["balance"], found["balanceDecimal"]) == (-622.5, "-622.5")
    await credit.api.service.journal.deposit(credit.org_id, amount_minor=1000, currency="", description="", key="d")
    found = await credit.balance()
    assert (found["balance"], found["balanceDecimal"]) == (377.5, "377.5")


async def test_held_money_is_still_the_customers(credit: Credits) -> None:
    service = credit.api.service
    await service.journal.deposit(credit.org_id, amount_minor=1000, currency="", description="", key="d")
    await service.holds.create(credit.org_id, amount_minor=400, currency="", expires_at=None, description="", key="h")
    assert (await credit.balance())["balance"] == 1000


async def test_a_top_up_of_the_default_card(credit: Credits) -> None:
    await credit.card()
    made = await credit.call("CreateTopUp", Role.EDITOR, amount=1000, idempotencyKey="k")
    assert made == {
        "paymentIntentId": made["paymentIntentId"],
        "onboarding": True,
        "brand": "visa",
        "last4": "4242",
    }
    assert made["paymentIntentId"].startswith(f"{ORG}/topUps/")
    assert await credit.status(made) == "completed"
    found = await credit.balance()
    assert found["balance"] == 1000
    assert found["firstTopupSuccess"] is True
    assert (found["hasDefaultPaymentMethod"], found["paymentMethod"]) == (True, {"brand": "visa", "last4": "4242"})
    credit.api.clock.advance(timedelta(minutes=1))
    assert "onboarding" not in await credit.call("CreateTopUp", amount=1000)
    assert await credit.call("CreateTopUp", amount=1000, idempotencyKey="k") == made


async def test_a_repetition_is_about_the_same_card(credit: Credits) -> None:
    first = await credit.card()
    made = await credit.call("CreateTopUp", amount=1000, idempotencyKey="k")
    await credit.card("pm_card_mastercard")
    await credit.api.service.payment_methods.detach(credit.org_id, first)
    assert await credit.call("CreateTopUp", amount=1000, idempotencyKey="k") == made
    assert (await credit.balance())["balance"] == 1000
    assert await credit.refusal("CreateTopUp", amount=1001, idempotencyKey="k") == (
        "already_exists",
        "IDEMPOTENCY_KEY_REUSED",
        [],
    )


async def test_without_a_default_card(credit: Credits) -> None:
    refused = ("failed_precondition", "PAYMENT_METHOD_INVALID", [])
    assert await credit.refusal("CreateTopUp", amount=1000, idempotencyKey="k") == refused
    assert await credit.refusal("SetTopUpConfig", amount=1000, threshold=500) == refused
    # The refusal has not used up the key.
    await credit.card()
    assert "paymentIntentId" in await credit.call("CreateTopUp", amount=1000, idempotencyKey="k")


async def test_a_bank_that_wants_the_customer(credit: Credits) -> None:
    await credit.card(AUTHENTICATE)
    made = await credit.call("CreateTopUp", amount=1000, idempotencyKey="k")
    assert made["clientSecret"].startswith("pi_")
    assert await credit.status(made) == "pending"
    assert await credit.refusal("SetSpendingLimit", config=LIMIT) == ("failed_precondition", "NO_MANUAL_TOPUP", [])
    [intent] = credit.stripe.world.tables["payment_intent"]
    async with httpx.AsyncClient(base_url=credit.stripe.url, trust_env=False) as browser:
        answer = await browser.post(f"/_sim/payment_intents/{intent}/authenticate", json={"outcome": "succeed"})
        assert answer.status_code == 200
    await credit.sync(made)
    assert await credit.status(made) == "completed"
    assert "clientSecret" not in await credit.call("CreateTopUp", amount=1000, idempotencyKey="k")
    assert await credit.call("SetSpendingLimit", config=LIMIT) == {}


async def test_a_declined_card(credit: Credits) -> None:
    await credit.card(DECLINED_AFTER_SAVING)
    assert await credit.refusal("CreateTopUp", amount=1000) == ("failed_precondition", "PAYMENT_DECLINED", [])
    [topup] = (await credit.api.service.topups.list(credit.org_id, state=None, size=0, token="")).rows
    found = await credit.call("GetTopUpStatus", paymentIntentId=f"{ORG}/topUps/{topup.topup_id}")
    assert (found["status"], found["failureMessage"]) == ("failed", "Your card was declined.")
    assert "firstTopupSuccess" not in await credit.balance()


async def test_top_ups_of_others_and_of_nobody_are_not_found(credit: Credits) -> None:
    await credit.card()
    made = await credit.call("CreateTopUp", amount=1000)
    identifier = made["paymentIntentId"].rpartition("/")[2]
    missing = ("not_found", "RESOURCE_NOT_FOUND", [])
    stranger = credit.api.stranger
    for key, org, name in (
        (Role.ADMIN, "my-org", f"organizations/other-org/topUps/{identifier}"),
        (Role.ADMIN, "my-org", f"{ORG}/topUps/{UUID(int=1)}"),
        (Role.ADMIN, "my-org", f"{ORG}/topUps/pi_123"),
        (stranger, "other-org", f"organizations/other-org/topUps/{identifier}"),
        (stranger, "other-org", made["paymentIntentId"]),
        (stranger, "my-org", made["paymentIntentId"]),
    ):
        found = await credit.refusal(
            "GetTopUpStatus", key, organizationName=f"organizations/{org}", paymentIntentId=name
        )
        assert found == missing
    assert await credit.refusal("GetTopUpStatus", paymentIntentId="pi_123") == (
        "invalid_argument",
        "INVALID_RESOURCE_NAME",
        ["payment_intent_id"],
    )
    assert (await credit.call("GetTopUpStatus", paymentIntentId=f"topUps/{identifier}"))["status"] == "completed"


async def test_the_automatic_top_up(credit: Credits) -> None:
    await credit.card()
    assert await credit.call("GetTopUpConfig", Role.VIEWER) == {"config": {}}
    made = await credit.call("SetTopUpConfig", Role.EDITOR, amount=1000, threshold=500)
    assert made == {"config": {"amount": "1000", "threshold": "500"}}
    assert await credit.call("GetTopUpConfig", Role.VIEWER) == made
    assert (await credit.balance())["topupConfig"] == made["config"]
    view = await credit.api.service.auto_recharges.get(credit.org_id)
    assert view.consent is not None
    assert "visa 4242 is charged 1000 USD" in view.consent.mandate_text
    assert credit.stripe.world.tables["charge"] == {}
    for _ in range(2):
        assert await credit.call("DeleteTopUpConfig", Role.EDITOR) == {}
        assert await credit.call("GetTopUpConfig", Role.VIEWER) == {"config": {}}


async def test_an_automatic_top_up_that_fails_tells_why_until_it_is_set_again(credit: Credits) -> None:
    await credit.card(DECLINED_AFTER_SAVING)
    await credit.call("SetTopUpConfig", amount=1000, threshold=500)
    await credit.use("a", "1")
    await credit.api.service.watch.run_due(credit.org_id)
    for _ in range(4):
        await credit.api.service.recharge_work.run_due(credit.org_id)
        credit.api.clock.advance(timedelta(hours=80))
    config = (await credit.call("GetTopUpConfig"))["config"]
    assert (config["amount"], config["disabledReason"]) == ("1000", "retries_exhausted")
    assert config["error"] == "Your card was declined."
    assert int(config["lastFailedAt"]) > NOW_UNIX
    again = await credit.call("SetTopUpConfig", amount=2000, threshold=600)
    assert again == {"config": {"amount": "2000", "threshold": "600"}}


async def test_a_spending_limit_needs_a_manual_top_up(credit: Credits) -> None:
    assert await credit.call("GetSpendingLimit", Role.VIEWER) == {}
    assert await credit.refusal("SetSpendingLimit", config=LIMIT) == ("failed_precondition", "NO_MANUAL_TOPUP", [])
    await credit.card()
    await credit.call("CreateTopUp", amount=1000)
    for limit in (LIMIT, {"amount": 100, "duration": "weekly", "strategy": "sliding"}):
        assert await credit.call("SetSpendingLimit", config=limit) == {}
        assert await credit.call("GetSpendingLimit", Role.VIEWER) == {
            "enabled": True,
            "config": {**limit, "amount": str(limit["amount"])},
        }
    for _ in range(2):
        assert await credit.call("DeleteSpendingLimit") == {}
        assert await credit.call("GetSpendingLimit", Role.VIEWER) == {}


@pytest.mark.parametrize(
    ("method", "least", "fields", "path"),
    [
        ("CreateTopUp", {"amount": 1000}, {"amount": 999}, "amount"),
        ("SetTopUpConfig", {"amount": 1000, "threshold": 500}, {"amount": 999, "threshold": 500}, "amount"),
        ("SetTopUpConfig", {"amount": 1000, "threshold": 500}, {"amount": 1000, "threshold": 499}, "threshold"),
        (
            "SetSpendingLimit",
            {"config": {**LIMIT, "amount": 100}},
            {"config": {**LIMIT, "amount": 99}},
            "config.amount",
        ),
    ],
)
async def test_minimums(credit: Credits, method: str, least: Json, fields: Json, path: str) -> None:
    await credit.card()
    await credit.call("CreateTopUp", amount=1000)
    code, reason, named = await credit.refusal(method, **fields)
    assert (code, named) == ("invalid_argument", [path])
    assert reason in ("INVALID_FIELD", "AMOUNT_TOO_SMALL")
    assert "code" not in await credit.call(method, **least)


async def test_refusals_of_the_domains_name_fields_of_this_service(credit: Credits) -> None:
    await credit.card()
    refused = ("invalid_argument", "AMOUNT_TOO_LARGE", ["amount"])
    for method, fields in (("CreateTopUp", {}), ("SetTopUpConfig", {"threshold": 500})):
        assert await credit.refusal(method, amount=10**15, **fields) == refused
        assert (await credit.call(method, amount=10**15, **fields))["message"].startswith("amount is beyond")


async def test_usage_by_hour_and_day(credit: Credits) -> None:
    day = datetime(2026, 2, 27, tzinfo=UTC)
    for hours in (0, 5, 23, 24):
        await credit.use(f"at-{hours}", "0.5", day + timedelta(hours=hours, minutes=59))
    start = int(day.timestamp() * 1000)
    asked = {"valueGroupingWindow": "day", "startTime": start}
    days = await credit.call("GetUsageHistory", Role.VIEWER, **asked)
    assert days == {
        "history": [
            {
                "id": "day-2026-02-27-usd",
                "aggregatedValue": 373.5,
                "aggregatedValueDecimal": "373.5",
                "startTime": str(start),
                "endTime": str(start + 86_400_000),
            },
            {
                "id": "day-2026-02-28-usd",
                "aggregatedValue": 124.5,
                "aggregatedValueDecimal": "124.5",
                "startTime": str(start + 86_400_000),
                "endTime": str(start + 2 * 86_400_000),
            },
        ]
    }
    hours = await credit.call("GetUsageHistory", **{**asked, "valueGroupingWindow": "hour"})
    assert [row["id"] for row in hours["history"]] == [
        "hour-2026-02-27T00-usd",
        "hour-2026-02-27T05-usd",
        "hour-2026-02-27T23-usd",
        "hour-2026-02-28T00-usd",
    ]
    by_default = await credit.call("GetUsageHistory", valueGroupingWindow="day")
    assert by_default == days


async def test_the_range_of_a_history_is_half_open(credit: Credits) -> None:
    at = datetime(2026, 2, 27, 7, 30, tzinfo=UTC)
    await credit.use("a", "1", at)
    moment = int(at.timestamp() * 1000)
    for start, end, count in ((moment, moment + 1, 1), (moment - 1, moment, 0), (moment + 1, moment + 9, 0)):
        found = await credit.call("GetUsageHistory", valueGroupingWindow="hour", startTime=start, endTime=end)
        assert len(found.get("history", [])) == count
    last = 253402300799999
    for span in ({"startTime": last}, {"startTime": last - 1, "endTime": last}, {"endTime": last}, {"endTime": 1}):
        assert await credit.call("GetUsageHistory", valueGroupingWindow="day", **span) == {}
    backwards = await credit.refusal("GetUsageHistory", valueGroupingWindow="day", startTime=2, endTime=1)
    assert backwards[:2] == ("invalid_argument", "INVALID_FIELD")
    assert await credit.refusal("GetUsageHistory", valueGroupingWindow="week") == (
        "invalid_argument",
        "INVALID_FIELD",
        ["value_grouping_window"],
    )


async def test_pages_of_a_history(credit: Credits) -> None:
    for hours in range(5):
        await credit.use(f"{hours}", "1", START - timedelta(hours=2 * hours + 1))
    asked: Json = {"valueGroupingWindow": "hour"}
    whole = (await credit.call("GetUsageHistory", **asked))["history"]
    rows: list[Json] = []
    token = ""
    while True:
        page = await credit.call("GetUsageHistory", **asked, pageSize=2, pageToken=token)
        rows += page.get("history", [])
        token = page.get("nextPageToken", "")
        if not token:
            break
        # Time that passes between two pages changes nothing.
        credit.api.clock.advance(timedelta(hours=9))
    assert rows == whole
    assert len(rows) == 5
    first = await credit.call("GetUsageHistory", **asked, pageSize=2)
    assert await credit.refusal(
        "GetUsageHistory", valueGroupingWindow="day", pageSize=2, pageToken=first["nextPageToken"]
    ) == ("invalid_argument", "INVALID_PAGE_TOKEN", ["page_token"])


async def test_receipts_by_who_made_the_top_up(credit: Credits) -> None:
    await credit.card()
    await credit.call("CreateTopUp", amount=1500)
    await credit.call("SetTopUpConfig", amount=1000, threshold=2000)
    await credit.use("a", "1")
    await credit.api.service.watch.run_due(credit.org_id)
    await credit.api.service.recharge_work.run_due(credit.org_id)
    credit.api.clock.advance(datetime(2026, 4, 1, 0, 10, tzinfo=UTC) - START)
    assert await credit.api.service.statement_closing.run_due(credit.org_id) == 1
    found = await credit.call("GetInvoiceHistory", Role.VIEWER)
    assert [(row["invoiceOrigin"], row["amountPaid"]) for row in found["invoices"]] == [
        ("auto", "1000"),
        ("manual", "1500"),
    ]
    manual = found["invoices"][1]
    assert manual == {
        "id": manual["id"],
        "amountDue": "1500",
        "amountPaid": "1500",
        "currency": "USD",
        "created": str(NOW_UNIX),
        "description": "Top-up, receipt RC-000001",
        "invoiceOrigin": "manual",
        "status": "paid",
    }
    assert (await credit.call("GetInvoiceHistory", type="manual"))["invoices"] == [manual]
    assert [row["description"] for row in (await credit.call("GetInvoiceHistory", type="auto"))["invoices"]] == [
        "Automatic top-up, receipt RC-000002"
    ]
    page = await credit.call("GetInvoiceHistory", type="all", pageSize=1)
    following = await credit.call("GetInvoiceHistory", type="all", pageSize=1, pageToken=page["nextPageToken"])
    assert [*page["invoices"], *following["invoices"]] == found["invoices"]
    assert "nextPageToken" not in following


async def test_the_preview_of_a_month_owes_nothing(credit: Credits) -> None:
    await credit.use("a", "2.5")
    first = await credit.call("GetInvoicePreview", Role.VIEWER)
    assert first == {
        "amountPaid": "622",
        "currency": "USD",
        "invoiceLines": [
            {
                "amount": "622",
                "currency": "USD",
                "description": "GPU H100",
                "unitAmountDecimal": "2.49",
                "quantity": "2.5",
            }
        ],
        "periodStart": str(int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())),
        "periodEnd": str(int(datetime(2026, 4, 1, tzinfo=UTC).timestamp())),
        "status": "draft",
    }
    assert await credit.call("GetInvoicePreview", Role.VIEWER) == first


READS = ("GetCreditBalance", "GetInvoiceHistory", "GetInvoicePreview", "GetTopUpConfig", "GetSpendingLimit")


async def test_who_may(credit: Credits) -> None:
    usage: Json = {"valueGroupingWindow": "day"}
    for method, fields in (*((name, {}) for name in READS), ("GetUsageHistory", usage)):
        assert "code" not in await credit.call(method, Role.VIEWER, **fields)
        assert (await credit.refusal(method, credit.api.stranger, **fields))[0] == "not_found"
        assert (await credit.refusal(method, "wk_test_none", **fields))[0] == "unauthenticated"
    top_up: Json = {"amount": 1000}
    for method, key, fields in (
        ("CreateTopUp", Role.VIEWER, top_up),
        ("SetTopUpConfig", Role.VIEWER, {**top_up, "threshold": 500}),
        ("DeleteTopUpConfig", Role.VIEWER, {}),
        ("SetSpendingLimit", Role.EDITOR, {"config": LIMIT}),
        ("DeleteSpendingLimit", Role.EDITOR, {}),
    ):
        assert (await credit.refusal(method, key, **fields))[:2] == ("permission_denied", "ROLE_TOO_LOW")


async def test_an_organization_without_a_wallet(credit: Credits) -> None:
    await credit.api.service.wallets.delete(credit.org_id)
    usage: Json = {"valueGroupingWindow": "day"}
    for method, fields in (("GetCreditBalance", {}), ("GetUsageHistory", usage), ("GetTopUpConfig", {})):
        assert (await credit.refusal(method, **fields))[:2] == ("not_found", "RESOURCE_NOT_FOUND")
