"""Who wants what, what is shown of addresses, which are served, and what people read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.errors import ServiceError
from wallet_service.events.model import Event, EventType
from wallet_service.notifications import rules
from wallet_service.notifications.model import Target, Wanted
from wallet_service.notifications.sending import CHAT_SCHEMES, Courier

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#billing"


@pytest.fixture
def ids() -> Iterator[UUID]:
    return (UUID(int=number) for number in count(0xABCDEF01))


def target(address: str, *event_types: str, number: int = 7) -> Target:
    return Target(UUID(int=number), address, event_types, NOW)


class TestAddresses:
    def test_a_secret_is_never_shown(self):
        assert rules.shown_address(target(SLACK)) == "slack://****/00000007"
        assert rules.shown_address(target("ops@example.com")) == "ops@example.com"

    @given(secret=st.text(alphabet="abcXYZ0129/@:#-_.", min_size=4, max_size=60))
    def test_nothing_of_a_url_but_its_scheme_is_shown(self, secret: str):
        assert rules.shown_address(target(f"slack://{secret}", number=1)) == "slack://****/00000001"

    @pytest.mark.parametrize(
        "bad",
        ["", "ops", "a@b", "a@b c.de", "a@x.de,b@x.de", "a@x.de\nBcc: b@x.de", "a@x.de?to=b", "o'neil@x.de", ".a@x.de"],
    )
    def test_what_is_no_email_address(self, bad: str):
        assert not rules.is_email(bad)

    @pytest.mark.parametrize("relay", ["mailtos://u:p@smtp.example.com?from=b@example.com", None])
    async def test_an_address_that_the_library_reads_as_another_one_is_refused(self, relay: str | None):
        """0.AA.AA becomes 0.AA: the message would go to somebody else."""
        courier = Courier(mail_relay=relay, is_live=relay is not None)
        assert await courier.refusal("0@0.0.0.0.0.0.0.0.0.0.AA.AA") is not None
        for address in ("ops+billing@mail.example.com", "a.b-c_d@x-y.de", "Ops@Example.COM"):
            assert await courier.refusal(address) is None

    @pytest.mark.parametrize(
        "address",
        [
            "file:///etc/passwd",
            "json://127.0.0.1/hook",
            "xml://127.0.0.1/hook",
            "form://127.0.0.1/hook",
            "syslog://",
            "dbus://",
            "mailto://user:secret@example.com",
            "rocket://user:secret@127.0.0.1/room",
            "mmost://127.0.0.1/token",
            "zulip://bot@org.127.0.0.1/token/stream",
            "http://127.0.0.1/",
            "slack://TOKEN",
            f"{SLACK}?verify=no",
            "workflows://169.254.169.254/workflow/signature",
            "SLACK://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        ],
    )
    async def test_live_serves_no_address_that_names_a_server_or_is_incomplete(self, address: str):
        courier = Courier(mail_relay="mailtos://user:secret@smtp.example.com", is_live=True)
        refusal = await courier.refusal(address)
        assert refusal is not None
        assert "secret" not in refusal

    @pytest.mark.parametrize(
        "address",
        [
            SLACK,
            "ops@example.com",
            "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
            "tgram://123456789:abcdefg_hijklmnop/12315544",
            "gchat://workspace/key/token",
            "workflows://prod-1.westeurope.logic.azure.com:443/643e69f83c8944438d68119179a10a64/KODuebWbDGYFr0z0eu",
        ],
    )
    async def test_live_serves_these(self, address: str):
        assert await Courier(mail_relay="mailtos://user:secret@smtp.example.com", is_live=True).refusal(address) is None

    async def test_email_in_live_needs_a_relay_and_local_schemes_are_for_development(self):
        assert await Courier(mail_relay=None, is_live=True).refusal("ops@example.com") is not None
        development = Courier(mail_relay=None, is_live=False)
        assert await development.refusal("ops@example.com") is None
        assert await development.refusal("json://127.0.0.1:9999/hook") is None
        assert "json" not in CHAT_SCHEMES


class TestMerging:
    def test_a_masked_address_stays_the_same_target_with_other_types(self, ids: Iterator[UUID]):
        [first] = rules.merged([], [Wanted(SLACK)], new_id=lambda: next(ids), now=NOW)
        shown = rules.shown_address(first)
        later = NOW + timedelta(days=1)
        second = rules.merged(
            [first], [Wanted(shown, ("dispute.*",)), Wanted("ops@example.com")], new_id=lambda: next(ids), now=later
        )
        assert second[0] == Target(first.target_id, SLACK, ("dispute.*",), NOW)
        assert (second[1].address, second[1].created_at) == ("ops@example.com", later)
        assert rules.merged(second, [Wanted(SLACK)], new_id=lambda: next(ids), now=later) == [first]

    @pytest.mark.parametrize(
        "wanted",
        [
            [Wanted("slack://****/ffffffff")],
            [Wanted("ops@example.com"), Wanted(" ops@example.com")],
            [Wanted("ops@example.com", ("wallet.alert",))],
            [Wanted("ops@example.com", ("wallet.alerts.*", "no.such.*"))],
            [Wanted(f"ops{number}@example.com") for number in range(11)],
        ],
    )
    def test_what_is_refused(self, wanted: list[Wanted], ids: Iterator[UUID]):
        with pytest.raises(ServiceError):
            rules.merged([], wanted, new_id=lambda: next(ids), now=NOW)


class TestTypes:
    def test_the_default_is_what_somebody_must_act_on(self):
        wanted = {known.value for known in EventType if rules.wants((), known.value)}
        assert wanted == {
            "wallet.alert.balance",
            "wallet.alert.balance_recovered",
            "wallet.alert.days_remaining",
            "wallet.alert.days_remaining_recovered",
            "wallet.auto_recharge.failed",
            "wallet.auto_recharge.disabled",
            "wallet.auto_recharge.action_required",
            "billing_account.warned",
            "billing_account.grace_started",
            "billing_account.suspended",
            "billing_account.resumed",
            "dispute.created",
            "dispute.won",
            "dispute.lost",
            "fraud_warning.created",
        }

    @given(known=st.sampled_from(EventType))
    def test_a_prefix_ends_at_a_point(self, known: EventType):
        assert rules.wants(("wallet.*",), known.value) == known.value.startswith("wallet.")
        assert rules.wants(("wallet.alert.*",), known.value) == known.value.startswith("wallet.alert.")
        assert rules.wants((known.value,), known.value)


class TestWords:
    def told(self, event_type: EventType, data: dict[str, str | int | bool | None]) -> str:
        event = Event(UUID(int=1), 12, UUID(int=2), event_type.value, "organizations/acme/wallets/default", data, NOW)
        message = rules.message_of(event)
        assert "\n" not in message.title
        return message.body

    def test_the_figures_have_the_digits_of_their_currency(self):
        figures = {"balance_minor": 900, "threshold_minor": 1000}
        assert self.told(EventType.ALERT_BALANCE, {**figures, "currency": "USD"}) == (
            "The balance fell below the alert threshold.\n"
            "Balance: 9.00 USD\n"
            "Alert below: 10.00 USD\n"
            "About: organizations/acme/wallets/default\n"
            "Event: wallet.alert.balance, number 12"
        )
        assert "Balance: 900 JPY\nAlert below: 1000 JPY" in self.told(
            EventType.ALERT_BALANCE, {**figures, "currency": "JPY"}
        )
        assert "Balance: 0.900 KWD" in self.told(EventType.ALERT_BALANCE, {**figures, "currency": "KWD"})

    def test_days_and_what_is_not_known_is_left_out(self):
        told = self.told(
            EventType.ALERT_DAYS_REMAINING,
            {
                "balance_minor": 1399,
                "daily_burn_minor": 200,
                "days_remaining": 6,
                "threshold_days": 7,
                "currency": "USD",
            },
        )
        assert "Balance: 13.99 USD\nSpent a day: 2.00 USD\nDays remaining: 6\nAlert below days: 7\n" in told
        assert "Balance" not in self.told(EventType.ALERT_BALANCE, {"balance_minor": 5, "currency": "XXX"})

    def test_attempts_are_bounded(self):
        waits = [rules.retry_after(attempt) for attempt in range(1, rules.ATTEMPTS_MAX + 1)]
        assert waits == [timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=8), timedelta(minutes=32), None]
