"""The law of the audit log: every chain is whole. Its grant lets the service add records, and change none."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.invariants import Violation
from wallet_service.audit_log import store
from wallet_service.audit_log.rules import chained, digest, genesis

LAW: Final = "audit_chain"
_PAGE: Final = 1000


async def check(conn: AsyncConnection, org_id: UUID | None) -> list[Violation]:
    """The first record that breaks each chain, of one organization or of all and the platform.

    A record that was changed, removed, inserted or reordered breaks it, and so does a head that is not the last record.
    """
    found: list[Violation] = []
    for owner, head_seq, head_hash in await store.heads(conn, org_id):
        broken = await _broken(conn, owner, head_seq, head_hash)
        if broken is not None:
            found.append(broken)
    return found


async def _broken(conn: AsyncConnection, org_id: UUID, head_seq: int, head_hash: bytes) -> Violation | None:
    seq, hash_ = 0, genesis(org_id)
    while page := await store.events_after(conn, org_id, seq, limit=_PAGE):
        for event in page:
            seq += 1
            row = f"audit event {seq}"
            if event.seq != seq:
                return Violation(LAW, org_id, row, f"missing; the next one is {event.seq}")
            hash_ = chained(hash_, seq, digest(event.content))
            if event.hash != hash_:
                return Violation(LAW, org_id, row, f"hash {event.hash.hex()}, content and chain give {hash_.hex()}")
    if (head_seq, head_hash) != (seq, hash_):
        return Violation(LAW, org_id, "audit head", f"head is {head_seq} {head_hash.hex()}, last {seq} {hash_.hex()}")
    return None
