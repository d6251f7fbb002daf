"""Saved cards through the simulator."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.operations.payments_lab import GOOD, PaymentsLab, payments_lab
from wallet_service.clock import ManualClock
from wallet_service.db import Database
from wallet_service.errors import Code, Reason, ServiceError
from wallet_service.payment_methods.model import PaymentMethod
from wallet_service.payment_methods.operations import PaymentMethods

CARDS = ("pm_card_visa", "pm_card_mastercard", "pm_card_authenticationRequired")


@pytest.fixture
async def lab(db: Database, clock: ManualClock) -> AsyncIterator[PaymentsLab]:
    async with payments_lab(db, clock) as made:
        yield made


async def attach(lab: PaymentsLab, card: str = GOOD, name: str | None = None, default: bool = False) -> PaymentMethod:
    return await lab.methods.attach(lab.org_id, provider_method_id=card, payment_method_id=name, make_default=default)


async def listed(lab: PaymentsLab) -> list[PaymentMethod]:
    return list((await lab.methods.list(lab.org_id, size=0, token="")).rows)


class TestSetup:
    async def test_same_key_answers_with_the_same_secret(self, lab):
        first = await lab.methods.create_setup(lab.org_id, request_key="k1")
        assert await lab.methods.create_setup(lab.org_id, request_key="k1") == first
        assert await lab.methods.create_setup(lab.org_id, request_key="k2") != first
        assert await lab.methods.create_setup(lab.org_id, request_key="") != first
        assert len(lab.simulator.world.tables["customer"]) == 1

    @pytest.mark.parametrize("path", ["/v1/customers", "/v1/setup_intents"])
    async def test_an_unknown_outcome_is_resumed_by_the_same_key(self, lab, path):
        await lab.fault("disconnect_after", path)
        with pytest.raises(ServiceError) as refused:
            await lab.methods.create_setup(lab.org_id, request_key="k1")
        assert refused.value.reason is Reason.OUTCOME_UNKNOWN
        assert await lab.methods.create_setup(lab.org_id, request_key="k1")
        assert len(lab.simulator.world.tables["customer"]) == 1
        assert len(lab.simulator.world.tables["setup_intent"]) == 1

    async def test_concurrent_first_calls_make_one_customer(self, lab):
        answers = await asyncio.gather(
            *(lab.methods.create_setup(lab.org_id, request_key=f"k{i}") for i in range(5)), return_exceptions=True
        )
        assert any(isinstance(answer, str) for answer in answers)
        assert len(lab.simulator.world.tables["customer"]) == 1

    async def test_a_card_that_a_setup_saved_can_be_attached_and_charged(self, lab):
        secret = await lab.methods.create_setup(lab.org_id, request_key="k1")
        setup_id = secret.partition("_secret")[0]
        answer = await lab.control(f"setup_intents/{setup_id}/pay", payment_method=GOOD)
        method = await attach(lab, answer.json()["payment_method"])
        assert (method.brand, method.last4, method.is_default) == ("visa", "4242", True)
        started = await lab.start(5000, payment_method_id=method.payment_method_id)
        assert started.client_secret == ""
        assert (await lab.balances())["wallet"] == 5000


class TestAttach:
    async def test_the_first_card_is_the_default_and_a_later_one_on_request(self, lab):
        first = await attach(lab, CARDS[0])
        second = await attach(lab, CARDS[1])
        assert (first.is_default, second.is_default) == (True, False)
        third = await attach(lab, CARDS[2], default=True)
        assert [row.payment_method_id for row in await listed(lab) if row.is_default] == [third.payment_method_id]

    async def test_attaching_again_answers_with_the_same_card(self, lab):
        first = await attach(lab, name="office-card")
        provider_id = first.provider_method_id
        again = await attach(lab, provider_id, name="another-name")
        assert again.payment_method_id == first.payment_method_id == "office-card"
        assert len(await listed(lab)) == 1

    async def test_without_a_name_the_provider_id_is_the_name(self, lab):
        method = await attach(lab)
        assert method.payment_method_id == method.provider_method_id

    async def test_a_name_is_used_once(self, lab):
        await attach(lab, CARDS[0], name="card")
        with pytest.raises(ServiceError) as refused:
            await attach(lab, CARDS[1], name="card")
        assert refused.value.reason is Reason.RESOURCE_EXISTS

    @pytest.mark.parametrize("card", ["pm_missing", "no/such", "", "x" * 65])
    async def test_what_is_no_card_is_refused(self, lab, card):
        with pytest.raises(ServiceError) as refused:
            await attach(lab, card)
        assert (refused.value.code, refused.value.reason) == (Code.INVALID_ARGUMENT, Reason.PAYMENT_METHOD_INVALID)

    async def test_a_method_that_is_no_card_is_refused_and_not_attached(self, lab):
        methods = lab.simulator.world.tables["payment_method"]
        card = await attach(lab, CARDS[0])
        bank = {**methods[card.provider_method_id], "id": "pm_bank", "type": "us_bank_account", "customer": None}
        del bank["card"]
        methods["pm_bank"] = bank
        with pytest.raises(ServiceError) as refused:
            await attach(lab, "pm_bank")
        assert (refused.value.code, refused.value.reason) == (Code.INVALID_ARGUMENT, Reason.PAYMENT_METHOD_INVALID)
        assert methods["pm_bank"]["customer"] is None

    async def test_a_card_of_another_organization_is_refused(self, lab):
        method = await attach(lab)
        await lab.open("other-org")
        with pytest.raises(ServiceError) as refused:
            await attach(lab, method.provider_method_id)
        assert refused.value.reason is Reason.PAYMENT_METHOD_INVALID
        assert await listed(lab) == []

    async def test_a_declined_card_is_told(self, lab):
        with pytest.raises(ServiceError) as refused:
            await attach(lab, "pm_card_visa_chargeDeclinedStolenCard")
        assert refused.value.reason is Reason.PAYMENT_DECLINED
        assert refused.value.metadata["decline_code"] == "stolen_card"


class TestDefault:
    async def test_racing_choices_leave_exactly_one(self, lab):
        names = [(await attach(lab, card, name=f"card-{i}")).payment_method_id for i, card in enumerate(CARDS)]
        for _ in range(4):
            await asyncio.gather(*(lab.methods.set_default(lab.org_id, name) for name in names))
            assert sum(row.is_default for row in await listed(lab)) == 1

    async def test_an_unknown_card_changes_nothing(self, lab):
        await attach(lab)
        with pytest.raises(ServiceError) as refused:
            await lab.methods.set_default(lab.org_id, "pm_missing")
        assert refused.value.reason is Reason.RESOURCE_NOT_FOUND
        assert [row.is_default for row in await listed(lab)] == [True]


class TestDetach:
    async def test_is_gone_here_and_at_the_provider(self, lab):
        method = await attach(lab)
        for _ in range(2):
            await lab.methods.detach(lab.org_id, method.payment_method_id)
        assert await listed(lab) == []
        stored = lab.simulator.world.tables["payment_method"][method.provider_method_id]
        assert stored["customer"] is None
        with pytest.raises(ServiceError) as refused:
            await attach(lab, method.provider_method_id)
        assert refused.value.reason is Reason.PAYMENT_METHOD_INVALID

    async def test_the_default_is_not_passed_on_but_the_next_card_takes_it(self, lab):
        first, second = await attach(lab, CARDS[0]), await attach(lab, CARDS[1])
        await lab.methods.detach(lab.org_id, first.payment_method_id)
        assert [row.is_default for row in await listed(lab)] == [False]
        third = await attach(lab, CARDS[2])
        assert third.is_default
        assert not second.is_default

    async def test_a_provider_that_does_not_answer_is_told_by_the_job(self, lab):
        method = await attach(lab)
        await lab.fault("disconnect_before", "/v1/payment_methods", method="*")
        await lab.methods.detach(lab.org_id, method.payment_method_id)
        assert await listed(lab) == []
        [payload] = await lab.queued("payment-method-detach")
        assert payload["payment_method_id"] == method.payment_method_id
        for _ in range(2):
            await lab.methods.finish_detach(lab.org_id, method.payment_method_id)
        assert lab.simulator.world.tables["payment_method"][method.provider_method_id]["customer"] is None

    async def test_a_guard_can_object(self, lab, db, clock):
        async def guard(conn, org_id, payment_method_id):
            raise ServiceError(Code.FAILED_PRECONDITION, Reason.PAYMENT_METHOD_IN_USE, "in use")

        method = await attach(lab)
        guarded = PaymentMethods(db, clock, lab.provider, detach_guards=[guard])
        with pytest.raises(ServiceError) as refused:
            await guarded.detach(lab.org_id, method.payment_method_id)
        assert refused.value.reason is Reason.PAYMENT_METHOD_IN_USE
        assert len(await listed(lab)) == 1

    async def test_an_unknown_card_is_not_found(self, lab):
        with pytest.raises(ServiceError) as refused:
            await lab.methods.detach(lab.org_id, "pm_missing")
        assert refused.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_list_pages_newest_first(lab):
    names = []
    for i, card in enumerate(CARDS):
        names.append((await attach(lab, card, name=f"card-{i}")).payment_method_id)
    first = await lab.methods.list(lab.org_id, size=2, token="")
    rest = await lab.methods.list(lab.org_id, size=2, token=first.next_page_token)
    assert [row.payment_method_id for row in (*first.rows, *rest.rows)] == names[::-1]
    assert rest.next_page_token == ""
