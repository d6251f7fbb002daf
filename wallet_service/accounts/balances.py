"""The balance of a wallet: the hottest read, so all callers of one moment share one statement."""

import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from wallet_service.accounts.model import WalletBalance
from wallet_service.coalescing import CoalescedReads
from wallet_service.db import Database

_BALANCES: Final = """
    SELECT w.org_id, w.currency, l.available_minor, l.held_minor, l.carry, l.last_entry_at
    FROM wallets w
    JOIN ledger_wallets l ON l.org_id = w.org_id AND l.account_id = w.account_id
    WHERE w.org_id = ANY($1::uuid[]) AND w.closed_at IS NULL
"""


class Balances:
    """Reads balances between `async with` and its end."""

    def __init__(self, db: Database) -> None:
        self._db = db
        # Two statements at a time: with one, all callers wait for it together and the processor idles meanwhile.
        self._reads = CoalescedReads(self._fetch, lanes=2)

    async def __aenter__(self) -> Self:
        await self._reads.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._reads.__aexit__(kind, error, trace)

    async def balance(self, org_id: uuid.UUID) -> WalletBalance | None:
        """The committed balance of the organization's open wallet, or None when it has none."""
        return await self._reads.read(org_id)

    async def _fetch(self, org_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, WalletBalance]:
        rows = await self._db.fetch(_BALANCES, org_ids)
        return {
            row["org_id"]: WalletBalance(
                currency=row["currency"],
                available_minor=row["available_minor"],
                held_minor=row["held_minor"],
                carry=row["carry"],
                last_entry_at=row["last_entry_at"],
            )
            for row in rows
        }
