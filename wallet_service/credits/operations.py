"""Use cases of credits that need more than one domain. What one domain does alone is asked of that domain."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger import queries
from wallet_service.accounts import steps as accounts
from wallet_service.clock import Clock
from wallet_service.credits import rules
from wallet_service.credits.model import Card, CreditBalance, CreditTopUp, TopUpConfig, UsageWindow
from wallet_service.db import Database
from wallet_service.errors import Reason, invalid_field
from wallet_service.pages import PAGE_SIZE_MAX, Page, decode_token, encode_token, query_digest
from wallet_service.payment_methods.operations import default_method, saved_method
from wallet_service.payment_methods.rules import no_default
from wallet_service.recharge.operations import AutoRecharges, RechargeRequest, recharge_of
from wallet_service.topups.operations import TopUps
from wallet_service.topups.steps import has_succeeded_by_hand
from wallet_service.usage.query_operations import UsageQueries
from wallet_service.usage.query_rules import Bucket

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


class Credits:
    """The open wallet of an organization as credits."""

    def __init__(
        self, db: Database, clock: Clock, *, topups: TopUps, auto_recharges: AutoRecharges, usage_queries: UsageQueries
    ) -> None:
        self._db = db
        self._clock = clock
        self._topups = topups
        self._auto_recharges = auto_recharges
        self._usage_queries = usage_queries

    async def balance(self, org_id: UUID) -> CreditBalance:
        """The balance and what fills it up, on one snapshot. Raises RESOURCE_NOT_FOUND without an open wallet."""

        async def work(conn: AsyncConnection) -> CreditBalance:
            wallet = await accounts.open_wallet(conn, org_id)
            found = await queries.balance(conn, org_id, wallet.account_id)
            assert found is not None, "every wallet has a ledger account"
            method = await default_method(conn, org_id)
            recharge = await recharge_of(conn, wallet)
            return CreditBalance(
                exact_minor=rules.exact_balance(found.balance_minor, found.carry),
                currency=wallet.currency,
                card=None if method is None else rules.card_of(method),
                topup_config=rules.shown_config(recharge.config),
                has_topped_up=await has_succeeded_by_hand(conn, org_id),
            )

        return await self._db.read(work)

    async def usage_history(
        self, org_id: UUID, *, bucket: Bucket, start: datetime | None, end: datetime | None, size: int, token: str
    ) -> Page[UsageWindow]:
        """Windows with usage of [start, end) in the wallet's currency, in order of time; 1000 unless `size` says otherwise.

        start None: 30 days before `end`; end None: everything recorded so far. A window of which the range covers a part
        has what was spent in that part. Raises RESOURCE_NOT_FOUND without an open wallet, INVALID_PAGE_TOKEN.
        """
        digest = query_digest("credit-usage", org_id, bucket.value, start, end)
        after = _position(decode_token(token, digest, [int]))
        wallet = await self._db.read(lambda conn: accounts.open_wallet(conn, org_id))
        page = await self._usage_queries.query(
            org_id,
            start=after or start or rules.default_start(end or self._clock.now()),
            end=None if end is None else min(end, rules.HISTORY_END),
            bucket=bucket,
            currency=wallet.currency,
            size=size or PAGE_SIZE_MAX,
        )
        windows = tuple(rules.window_of(row, bucket) for row in page.rows)
        following = encode_token(((windows[-1].end - _EPOCH) // _SECOND,), digest) if page.next_page_token else ""
        return Page(windows, following)

    async def create_topup(self, org_id: UUID, *, amount_minor: int, request_key: str) -> CreditTopUp:
        """Charge the default card. The same key answers with what became of the first call, on the card of that time.

        Raises AMOUNT_TOO_SMALL below 1000, PAYMENT_METHOD_INVALID without a default card, and what
        `TopUps.create_by_card` raises.
        """
        rules.check_topup(amount_minor)
        started = await self._topups.charge_default(org_id, amount_minor=amount_minor, request_key=request_key)
        topup = started.topup

        async def work(conn: AsyncConnection) -> CreditTopUp:
            assert topup.payment_method_id is not None, "it charges a saved card"
            method = await saved_method(conn, org_id, topup.payment_method_id)
            return CreditTopUp(
                topup,
                Card("", "") if method is None else rules.card_of(method),
                started.client_secret,
                is_first=not await has_succeeded_by_hand(conn, org_id, before=topup.created_at),
            )

        return await self._db.read(work)

    async def set_topup_config(
        self, org_id: UUID, *, amount_minor: int, threshold_minor: int, key_id: UUID
    ) -> TopUpConfig:
        """Turn the automatic top-up on with the default card, in place of the one that there is; errors are forgotten.

        The API key consents to the service's words for it, with the default caps. Charges nothing by itself. Raises
        AMOUNT_TOO_SMALL below 1000 or a threshold of 500, PAYMENT_METHOD_INVALID without a default card, and what
        `AutoRecharges.enable` raises.
        """
        rules.check_topup(amount_minor)
        rules.check_threshold(threshold_minor)
        method = await self._db.read(lambda conn: default_method(conn, org_id))
        if method is None:
            raise no_default()
        wanted = RechargeRequest(
            threshold_minor=threshold_minor,
            amount_minor=amount_minor,
            payment_method_id=method.payment_method_id,
        )
        view = await self._auto_recharges.enable(org_id, wanted, key_id=key_id)
        return rules.shown_config(view.config)


def _position(key: tuple[str | int, ...] | None) -> datetime | None:
    """Where the next page begins. Raises INVALID_PAGE_TOKEN for a time that no calendar has."""
    if key is None:
        return None
    try:
        return _EPOCH + timedelta(seconds=int(key[0]))
    except OverflowError as error:
        raise invalid_field("page_token", "is not a token of this query", reason=Reason.INVALID_PAGE_TOKEN) from error
