"""Organizations, billing accounts, wallets and projects."""

import asyncio
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from ledger.accounts import AccountKind, chart_account_id
from ledger.batcher import Ledger
from ledger.model import Accrue, OpenHold, Posted, Transfer
from wallet_service.accounts.balances import Balances
from wallet_service.accounts.directory import Directory
from wallet_service.accounts.model import Organization, WalletBalance
from wallet_service.accounts.operations import Organizations, ensure_development
from wallet_service.accounts.project_operations import Projects
from wallet_service.accounts.wallet_operations import Wallets
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError


@pytest.fixture
def organizations(db: Database, clock: ManualClock) -> Organizations:
    return Organizations(db, clock)


@pytest.fixture
def wallets(db: Database, clock: ManualClock) -> Wallets:
    return Wallets(db, clock)


@pytest.fixture
def projects(db: Database, clock: ManualClock) -> Projects:
    return Projects(db, clock)


async def rows(db: Database, statement: str) -> list[tuple[object, ...]]:
    async def work(conn):
        return [tuple(row) for row in await conn.execute(text(statement))]

    return await db.read(work)


async def fund(ledger: Ledger, made: Organization, wallet_account: uuid.UUID, amount: int):
    return await ledger.post(
        Transfer(
            org_id=made.org_id,
            key=f"fund-{amount}",
            debit_account=chart_account_id(made.org_id, made.currency, AccountKind.PROVIDER_CLEARING),
            credit_account=wallet_account,
            amount_minor=amount,
        )
    )


class TestOrganizations:
    async def test_creation_makes_everything_in_one_transaction(self, db, organizations, wallets):
        made = await organizations.create(slug="acme", currency="jpy")
        assert (made.slug, made.display_name, made.currency) == ("acme", "acme", "JPY")
        assert made.usage_age_max is None
        account = await organizations.get_billing_account(made.org_id)
        assert (account.state, account.suspended_reason) == ("active", None)
        wallet = await wallets.get(made.org_id)
        assert (wallet.currency, wallet.org_slug) == ("JPY", "acme")
        kinds = await rows(db, "SELECT kind FROM ledger_accounts ORDER BY kind")
        assert {kind for (kind,) in kinds} == {kind.value for kind in AccountKind}

    async def test_a_taken_slug_leaves_nothing_behind(self, db, organizations):
        await organizations.create(slug="acme")
        before = await rows(db, "SELECT count(*) FROM ledger_accounts")
        with pytest.raises(ServiceError) as refused:
            await organizations.create(slug="acme", request_id="second")
        assert (refused.value.code, refused.value.reason) == (
            Code.ALREADY_EXISTS,
            Reason.RESOURCE_EXISTS,
        )
        assert await rows(db, "SELECT count(*) FROM ledger_accounts") == before
        assert await rows(db, "SELECT * FROM request_keys") == []

    async def test_a_repeated_request_answers_with_the_organization_as_it_is(self, organizations):
        first = await organizations.create(slug="acme", request_id="r-1")
        renamed = await organizations.update(first.org_id, display_name="Acme")
        assert await organizations.create(slug="acme", request_id="r-1") == renamed

    async def test_a_request_id_stands_for_one_content(self, organizations):
        await organizations.create(slug="acme", request_id="r-1")
        with pytest.raises(ServiceError) as refused:
            await organizations.create(slug="other", request_id="r-1")
        assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED

    async def test_concurrent_requests_with_one_id_make_one_organization(self, organizations):
        made = await asyncio.gather(*(organizations.create(slug="acme", request_id="r-1") for _ in range(6)))
        assert len({organization.org_id for organization in made}) == 1

    @pytest.mark.parametrize(
        ("currency", "age"),
        [
            ("QQQ", None),
            ("XAU", None),
            ("USD", timedelta(0)),
            ("USD", timedelta(days=3651)),
            ("USD", timedelta(milliseconds=1500)),
        ],
    )
    async def test_bad_values_are_refused(self, organizations, currency, age):
        with pytest.raises(ServiceError) as refused:
            await organizations.create(slug="acme", currency=currency, usage_age_max=age)
        assert refused.value.reason is Reason.INVALID_FIELD

    async def test_update_changes_what_is_given(self, organizations):
        made = await organizations.create(slug="acme", display_name="Acme")
        changed = await organizations.update(made.org_id, usage_age_max=timedelta(days=7))
        assert changed.display_name == "Acme"
        assert changed.usage_age_max == timedelta(days=7)
        assert await organizations.get(made.org_id) == changed

    async def test_lists_page_by_slug_for_the_platform_and_for_one(self, organizations):
        slugs = ["b", "a", "d", "c", "e"]
        made = {slug: await organizations.create(slug=slug) for slug in slugs}
        for list_of, slug_of in (
            (organizations.list, lambda row: row.slug),
            (organizations.list_billing_accounts, lambda row: row.org_slug),
        ):
            seen, token, pages = [], "", 0
            while pages == 0 or token:
                page = await list_of(None, size=2, token=token)
                seen += [slug_of(row) for row in page.rows]
                token, pages = page.next_page_token, pages + 1
            assert (seen, pages) == (sorted(slugs), 3)
            only = await list_of(made["c"].org_id, size=2, token="")
            assert [slug_of(row) for row in only.rows] == ["c"]
            assert only.next_page_token == ""

    async def test_a_page_token_belongs_to_its_list(self, organizations):
        made = [await organizations.create(slug=slug) for slug in ("a", "b")]
        page = await organizations.list(None, size=1, token="")
        for foreign in (
            organizations.list_billing_accounts(None, size=1, token=page.next_page_token),
            organizations.list(made[0].org_id, size=1, token=page.next_page_token),
        ):
            with pytest.raises(ServiceError) as refused:
                await foreign
            assert refused.value.reason is Reason.INVALID_PAGE_TOKEN

    async def test_development_data_is_made_once(self, db, organizations, projects):
        first = await ensure_development(organizations, projects)
        assert await ensure_development(organizations, projects) == first
        assert await rows(db, "SELECT slug, currency FROM organizations") == [("my-org", "USD")]
        assert await rows(db, "SELECT slug FROM projects") == [("my-app",)]


class TestWallets:
    async def test_a_second_open_wallet_is_refused(self, organizations, wallets, db):
        made = await organizations.create(slug="acme")
        before = await rows(db, "SELECT count(*) FROM ledger_wallets")
        with pytest.raises(ServiceError) as refused:
            await wallets.create(made.org_id, currency="EUR", display_name="")
        assert refused.value.reason is Reason.RESOURCE_EXISTS
        assert await rows(db, "SELECT count(*) FROM ledger_wallets") == before

    async def test_an_empty_wallet_can_be_deleted_and_opened_again(self, organizations, wallets, clock):
        made = await organizations.create(slug="acme")
        await wallets.delete(made.org_id)
        for missing in (wallets.get(made.org_id), wallets.delete(made.org_id)):
            with pytest.raises(ServiceError) as refused:
                await missing
            assert refused.value.reason is Reason.RESOURCE_NOT_FOUND
            assert "organizations/acme/wallets/default" in refused.value.message
        clock.advance(timedelta(seconds=1))
        again = await wallets.create(made.org_id, currency="eur", display_name="two")
        assert (again.currency, again.display_name) == ("EUR", "two")
        page = await wallets.list(made.org_id, size=1, token="")
        assert page.rows[0].closed_at is not None
        rest = await wallets.list(made.org_id, size=1, token=page.next_page_token)
        assert rest.rows == (again,)
        assert rest.next_page_token == ""

    async def test_a_wallet_that_is_not_empty_stays_open(self, db, organizations, wallets, clock):
        made = await organizations.create(slug="acme")
        account = (await wallets.get(made.org_id)).account_id
        revenue = chart_account_id(made.org_id, "USD", AccountKind.REVENUE)
        async with Ledger(db.engine, clock) as ledger:

            async def refusal() -> dict[str, str]:
                with pytest.raises(ServiceError) as refused:
                    await wallets.delete(made.org_id)
                assert refused.value.code is Code.FAILED_PRECONDITION
                assert refused.value.reason is Reason.WALLET_NOT_EMPTY
                return refused.value.metadata

            async def accrue(key: str, exact: str) -> None:
                posted = await ledger.post(
                    Accrue(
                        org_id=made.org_id,
                        key=key,
                        wallet=account,
                        revenue_account=revenue,
                        exact_minor=Decimal(exact),
                    )
                )
                assert isinstance(posted, Posted)

            await accrue("a", "0.25")
            assert (await refusal())["carry_minor"] == "0.25"
            await accrue("b", "1.75")
            assert (await refusal())["available_minor"] == "-2"
            assert isinstance(await fund(ledger, made, account, 7), Posted)
            hold = OpenHold(org_id=made.org_id, key="h", wallet=account, amount_minor=5)
            assert isinstance(await ledger.post(hold), Posted)
            assert (await refusal())["held_minor"] == "5"
            again = await ledger.post(
                Transfer(
                    org_id=made.org_id,
                    key="still-open",
                    debit_account=revenue,
                    credit_account=account,
                    amount_minor=1,
                )
            )
            assert isinstance(again, Posted)


class TestBalances:
    async def test_a_balance_is_available_and_held(self, db, organizations, wallets, clock):
        made = await organizations.create(slug="acme")
        wallet = await wallets.get(made.org_id)
        async with Ledger(db.engine, clock) as ledger, Balances(db) as balances:
            empty = await balances.balance(made.org_id)
            assert empty == WalletBalance("USD", 0, 0, Decimal(0), None)
            clock.advance(timedelta(seconds=5))
            assert isinstance(await fund(ledger, made, wallet.account_id, 700), Posted)
            hold = OpenHold(org_id=made.org_id, key="h", wallet=wallet.account_id, amount_minor=200)
            assert isinstance(await ledger.post(hold), Posted)
            balance = await balances.balance(made.org_id)
            assert balance == WalletBalance("USD", 500, 200, Decimal(0), clock.now())
            assert balance.balance_minor == 700

    async def test_many_callers_each_get_their_own_answer(self, db, organizations, wallets):
        made = [await organizations.create(slug=f"o{n}", currency=("USD", "EUR")[n % 2]) for n in range(4)]
        await wallets.delete(made[3].org_id)
        async with Balances(db) as balances:
            answers = await asyncio.gather(
                *(balances.balance(made[n % 4].org_id) for n in range(40)),
                balances.balance(uuid.uuid4()),
            )
        currencies = [answer and answer.currency for answer in answers]
        assert currencies == ["USD", "EUR", "USD", None] * 10 + [None]


class TestProjects:
    async def test_life_of_a_project(self, organizations, projects):
        made = await organizations.create(slug="acme")
        project = await projects.create(made.org_id, slug="web", display_name="", request_id="r")
        assert (project.display_name, project.org_slug) == ("web", "acme")
        renamed = await projects.rename(made.org_id, slug="web", display_name="Web")
        assert await projects.get(made.org_id, "web") == renamed
        replayed = await projects.create(made.org_id, slug="web", display_name="", request_id="r")
        assert replayed == renamed

    async def test_a_slug_is_unique_on_the_platform(self, organizations, projects):
        one = await organizations.create(slug="one")
        two = await organizations.create(slug="two")
        await projects.create(one.org_id, slug="web", display_name="", request_id="")
        for owner in (one, two):
            with pytest.raises(ServiceError) as refused:
                await projects.create(owner.org_id, slug="web", display_name="", request_id="")
            assert refused.value.reason is Reason.RESOURCE_EXISTS
        with pytest.raises(ServiceError) as missing:
            await projects.get(two.org_id, "web")
        assert missing.value.reason is Reason.RESOURCE_NOT_FOUND

    async def test_a_request_id_belongs_to_its_organization(self, organizations, projects):
        one = await organizations.create(slug="one")
        two = await organizations.create(slug="two")
        for owner, slug in ((one, "a"), (two, "b")):
            made = await projects.create(owner.org_id, slug=slug, display_name="", request_id="same")
            assert made.slug == slug

    async def test_list_pages_by_slug(self, organizations, projects):
        made = await organizations.create(slug="acme")
        for slug in ("c", "a", "b"):
            await projects.create(made.org_id, slug=slug, display_name="", request_id="")
        first = await projects.list(made.org_id, size=2, token="")
        rest = await projects.list(made.org_id, size=2, token=first.next_page_token)
        slugs = [[row.slug for row in page.rows] for page in (first, rest)]
        assert slugs == [["a", "b"], ["c"]]


class TestDirectory:
    async def test_resolves_what_is_committed(self, db, organizations, projects):
        directory = Directory(db)
        assert await directory.resolve_organization("acme") is None
        assert await directory.resolve_project("web") is None
        made = await organizations.create(slug="acme")
        project = await projects.create(made.org_id, slug="web", display_name="", request_id="")
        assert await directory.resolve_organization("acme") == made.org_id
        found = (made.org_id, "acme", project.project_id)
        assert await directory.resolve_project("web") == found

    async def test_what_was_found_is_not_asked_again(self, db, organizations):
        directory = Directory(db)
        made = await organizations.create(slug="acme")
        await directory.resolve_organization("acme")
        await db.engine.dispose()
        db.engine = None
        assert await directory.resolve_organization("acme") == made.org_id


async def test_text_with_a_nul_character_is_the_callers_fault(organizations):
    with pytest.raises(ServiceError) as refused:
        await organizations.create(slug="acme", display_name="a\0b")
    assert refused.value.reason is Reason.INVALID_FIELD
