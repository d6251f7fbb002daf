"""Several API processes and workers on one database: what one does holds for all, and one that is cut off does no harm."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.conftest import TestServer
from tests.system.hosts import API_COUNT, Answer, Hosts, Process, hosts_on
from tests.system.instance import until

ORGANIZATION = "organizations/my-org"
WALLET = f"{ORGANIZATION}/wallets/default"
LEDGER = "billing.v1.LedgerService"
ACCOUNTS = "billing.v1.AccountService"
BALANCE = "wallet.v1.WalletService/GetWalletBalance"
USAGE = "billing.v1.UsageService/RecordUsageEvent"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def hosts(
    postgres_server: TestServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hosts]:
    url = postgres_server.create_database(template=template_database)
    with hosts_on(postgres_server, url, tmp_path_factory.mktemp("hosts")) as running:
        yield running
    postgres_server.drop_database(url)


async def organization(hosts: Hosts, slug: str, amount_minor: int = 0, *, test_clock: str = "") -> str:
    """A new organization whose wallet has so much; the wallet's name."""
    await hosts.good(0, f"{ACCOUNTS}/CreateOrganization", organizationId=slug, testClockName=test_clock)
    wallet = f"organizations/{slug}/wallets/default"
    if amount_minor:
        await hosts.good(0, f"{LEDGER}/Deposit", walletName=wallet, amountMinor=amount_minor, requestId="first")
    return wallet


async def balance(hosts: Hosts, wallet: str) -> tuple[int, int]:
    """Available and held, the same at all API processes."""
    answers = await hosts.everywhere(BALANCE, name=wallet)
    found = {(int(each.body.get("availableMinor", 0)), int(each.body.get("heldMinor", 0))) for each in answers}
    assert len(found) == 1, found
    return found.pop()


async def hold(hosts: Hosts, number: int, wallet: str, amount_minor: int, key: str) -> Answer:
    return await hosts.call(number, f"{LEDGER}/CreateHold", walletName=wallet, amountMinor=amount_minor, requestId=key)


async def no_law_is_broken(hosts: Hosts) -> None:
    found = await hosts.good(1, f"{LEDGER}/VerifyLedger", organizationName="")
    assert found.get("violations", []) == []


async def test_a_key_is_used_once_wherever_it_is_sent(hosts: Hosts) -> None:
    wallet = await organization(hosts, "keys-org")
    await hosts.good(0, f"{ACCOUNTS}/CreateProject", organizationName="organizations/keys-org", projectId="keys-app")

    async def deposit(number: int) -> set[str]:
        answers = await hosts.everywhere(
            f"{LEDGER}/Deposit", walletName=wallet, amountMinor=number, requestId=f"deposit {number}"
        )
        return {each.good["journalEntry"]["name"] for each in answers}

    async def use(number: int) -> set[str]:
        event = {"projectName": "projects/keys-app", "meter": "compute.vm.vcpu_hours", "quantity": "1"}
        return {
            each.good["usageEventId"] for each in await hosts.everywhere(USAGE, **event, idempotencyKey=f"{number}")
        }

    async def set_aside(number: int) -> set[str]:
        answers = await asyncio.gather(*(hold(hosts, host, wallet, 1, f"hold {number}") for host in range(API_COUNT)))
        return {each.good["hold"]["name"] for each in answers}

    entries = await asyncio.gather(*(deposit(number) for number in range(1, 25)))
    events = await asyncio.gather(*(use(number) for number in range(12)))
    holds = await asyncio.gather(*(set_aside(number) for number in range(12)))
    assert [len(names) for names in (*entries, *events, *holds)] == [1] * 48
    assert len(set[str]().union(*entries, *events, *holds)) == 48
    used_minor = int(12 * Decimal("0.342466"))
    assert await balance(hosts, wallet) == (sum(range(1, 25)) - used_minor - 12, 12)
    other = await hosts.call(2, f"{LEDGER}/Deposit", walletName=wallet, amountMinor=9, requestId="deposit 1")
    assert other.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_a_hot_wallet_is_never_overspent(hosts: Hosts) -> None:
    """As many holds are granted as there is money for, not one more and not one less, however they arrive."""
    wallet = await organization(hosts, "hot-org", 500)
    answers = await asyncio.gather(
        *(hold(hosts, number % API_COUNT, wallet, 7, f"hold {number}") for number in range(90))
    )
    granted = [each.good["hold"]["name"] for each in answers if each.status == 200]
    assert {each.reason for each in answers if each.status != 200} == {"INSUFFICIENT_FUNDS"}
    assert len(granted) == 500 // 7
    assert await balance(hosts, wallet) == (500 - 7 * len(granted), 7 * len(granted))

    async def capture(name: str) -> list[Answer]:
        return await hosts.everywhere(f"{LEDGER}/CaptureHold", name=name, amountMinor=7, requestId=name[-36:])

    captured = await asyncio.gather(*(capture(name) for name in granted[:12]))
    assert {each.status for answers in captured for each in answers} == {200}
    assert await balance(hosts, wallet) == (500 - 7 * len(granted), 7 * (len(granted) - 12))
    await no_law_is_broken(hosts)


async def test_a_change_made_by_one_process_holds_in_all(hosts: Hosts) -> None:
    wallet = await organization(hosts, "change-org", 1_000)
    account = "organizations/change-org/billing-accounts/default"
    await hosts.good(
        1, f"{ACCOUNTS}/CreateProject", organizationName="organizations/change-org", projectId="change-app"
    )
    await hosts.good(0, "billing.v1.CatalogService/CreateMeter", meterId="pages", unit="page", category="Paper")

    async def price(number: int, price_minor: int) -> None:
        rate = {"meterName": "meters/pages", "unitPriceMinorDecimal": str(price_minor)}
        await hosts.good(number, "billing.v1.CatalogService/CreateRate", **rate)

    async def use_everywhere(key: str) -> None:
        for number in range(API_COUNT):
            event = {"projectName": "projects/change-app", "meter": "pages", "quantity": "1"}
            await hosts.good(number, USAGE, **event, idempotencyKey=f"{key} {number}")

    await price(0, 5)
    await use_everywhere("first")
    await price(1, 7)
    await use_everywhere("second")
    assert await balance(hosts, wallet) == (1_000 - 3 * 5 - 3 * 7, 0)

    await hosts.good(
        2,
        "wallet.v1.WalletService/SetSpendingLimit",
        walletName=wallet,
        amountMinor=100,
        duration="daily",
        strategy="fixed",
    )
    refused = [await hold(hosts, number, wallet, 65, f"limit {number}") for number in range(API_COUNT)]
    assert [each.reason for each in refused] == ["SPENDING_LIMIT_EXCEEDED"] * API_COUNT
    await hosts.good(0, "wallet.v1.WalletService/DeleteSpendingLimit", walletName=wallet)

    await hosts.good(1, f"{ACCOUNTS}/SuspendBillingAccount", name=account)
    refused = [await hold(hosts, number, wallet, 1, f"suspended {number}") for number in range(API_COUNT)]
    assert [each.reason for each in refused] == ["BILLING_ACCOUNT_SUSPENDED"] * API_COUNT
    await hosts.good(2, f"{ACCOUNTS}/ResumeBillingAccount", name=account)
    granted = [await hold(hosts, number, wallet, 1, f"resumed {number}") for number in range(API_COUNT)]
    assert [each.status for each in granted] == [200] * API_COUNT


async def test_a_revoked_key_is_refused_everywhere_within_a_second(hosts: Hosts) -> None:
    made = await hosts.good(
        0, f"{ACCOUNTS}/CreateApiKey", organizationName=ORGANIZATION, displayName="leaked", role="ROLE_VIEWER"
    )
    secret, name = made["secret"], made["apiKey"]["name"]
    for number in range(API_COUNT):
        await hosts.good(number, BALANCE, key=secret, name=WALLET)
    await hosts.good(0, f"{ACCOUNTS}/RevokeApiKey", name=name)
    await asyncio.sleep(1)
    answers = await hosts.everywhere(BALANCE, key=secret, name=WALLET)
    assert [each.status for each in answers] == [401] * API_COUNT


async def test_a_test_clock_shows_the_same_time_everywhere(hosts: Hosts) -> None:
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    await hosts.good(0, "billing.v1.TestClockService/CreateTestClock", testClockId="one", now=start.isoformat())
    wallet = await organization(hosts, "clock-org", 100, test_clock="test-clocks/one")
    for number in range(API_COUNT):
        later = (start + timedelta(hours=number + 1)).isoformat()
        clock = {"name": "test-clocks/one", "target": later}
        await hosts.good(number, "billing.v1.TestClockService/AdvanceTestClock", **clock)
        for other in range(API_COUNT):
            made = (await hold(hosts, other, wallet, 1, f"hold {number} {other}")).good["hold"]["createTime"]
            assert datetime.fromisoformat(made) == datetime.fromisoformat(later)


async def test_one_that_is_cut_off_says_so_and_comes_back(hosts: Hosts) -> None:
    """An API process and the worker that leads lose the database while calls are under way."""
    wallet = await organization(hosts, "cut-org", 10_000)
    await hosts.good(1, "wallet.v1.WalletService/ConfigureWalletAlerts", walletName=wallet, balanceAlertMinor=5_000)
    leader, fence = until(hosts.leader, "a leader")
    [other] = [worker for worker in hosts.workers if worker is not leader]

    async def deposit(number: int, key: int) -> Answer:
        return await hosts.call(
            number, f"{LEDGER}/Deposit", walletName=wallet, amountMinor=1, requestId=f"deposit {key}"
        )

    under_way = [asyncio.create_task(deposit(0, key)) for key in range(30)]
    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    hosts.apis[0].cable.cut()
    leader.cable.cut()
    answers = [await call for call in under_way] + [await deposit(0, key) for key in range(30, 40)]
    refused = [each for each in answers if each.status != 200]
    assert refused[-10:] == answers[-10:]
    assert {(each.status, each.has_retry_hint) for each in refused} == {(503, True)}
    assert {each.reason for each in refused} <= {"DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN"}
    until(lambda: not hosts.is_serving(0), "the health of the process that is cut off")
    assert [hosts.is_serving(number) for number in (1, 2)] == [True, True]

    # The others go on: calls, and the watching of balances before there is another leader.
    held = (await hold(hosts, 1, wallet, 6_000, "large")).good["hold"]["name"]
    await hosts.good(2, f"{LEDGER}/CaptureHold", name=held, amountMinor=6_000, requestId="large")
    until(lambda: alerts_of(hosts, wallet) == 1, "the alert")
    assert until(lambda: fence_of(hosts, other), "another leader") > fence

    hosts.apis[0].cable.heal()
    leader.cable.heal()
    until(lambda: hosts.is_serving(0), "the return of the process")
    # What was answered and what was not: each key is worth one cent, wherever it is sent again.
    again = [await asyncio.gather(*(deposit(number, key) for number in range(API_COUNT))) for key in range(40)]
    assert [len({each.good["journalEntry"]["name"] for each in of_key}) for of_key in again] == [1] * 40
    assert await balance(hosts, wallet) == (10_000 + 40 - 6_000, 0)
    assert alerts_of(hosts, wallet) == 1
    await no_law_is_broken(hosts)

    # The worker that was cut off works again: it leads as soon as the other one stops.
    other.popen.terminate()
    assert until(lambda: fence_of(hosts, leader), "the return of the worker") > fence + 1
    assert other.popen.wait(60) == 0


def fence_of(hosts: Hosts, worker: Process) -> int | None:
    """Of the lease, if this worker leads."""
    found = hosts.leader()
    return found[1] if found is not None and found[0] is worker else None


def alerts_of(hosts: Hosts, wallet: str) -> int:
    """How often the low balance was told."""
    statement = "SELECT count(*) FROM events WHERE subject = $1 AND type = 'wallet.alert.balance'"
    return hosts.rows(statement, wallet)[0]["count"]
