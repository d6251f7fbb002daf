"""From a request to a command: checked, hashed and encoded once, before it waits in a queue."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from struct import Struct
from typing import Final
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

from ledger.chain import encode_text
from ledger.errors import InvalidRequest
from ledger.ids import unix_us
from ledger.model import (
    AMOUNT_MINOR_MAX,
    EXACT_DIGITS_MAX,
    LEGS_MAX,
    METADATA_PAIRS_MAX,
    Accrue,
    CaptureHold,
    Draw,
    Entry,
    ExpireHold,
    ExtendHold,
    OpenHold,
    ReleaseHold,
    Request,
    Reversal,
    Transfer,
)

KEY_LENGTH_MAX: Final = 255
DESCRIPTION_LENGTH_MAX: Final = 1000
METADATA_TEXT_LENGTH_MAX: Final = 1000
FINGERPRINT_LENGTH_MAX: Final = 64

_UUID_LENGTH: Final = 36
_UUID_VERSION_AT: Final = 14
_AMOUNT: Final = Struct(">q")
_NEVER: Final = _AMOUNT.pack(-(2**63))


@dataclass(slots=True)
class Command:
    """A request that may be decided. `scoped_key` is the organization and the key's hash. `text` is what the hash chain
    covers of description and metadata.

    `account_ids` are the accounts it names itself, without those that its hold or its original entry lead to. `moment` is
    when its caller asked, if that caller does not live by the clock of the ledger.
    """

    request: Request
    org_id: UUID
    scoped_key: bytes
    key_hash: bytes
    content_hash: bytes
    text: bytes
    metadata_json: str | None
    account_ids: tuple[UUID, ...]
    moment: datetime | None = None


def prepare(request: Request) -> Command:
    """Check a request and hash its key and content. Raises InvalidRequest, never touches the database."""
    key = request.key
    if not 1 <= len(key) <= KEY_LENGTH_MAX:
        raise InvalidRequest("key", f"must have 1 to {KEY_LENGTH_MAX} characters")
    try:
        text = _text(request)
        key_hash = hash_of_key(key)
    except UnicodeEncodeError as error:
        raise InvalidRequest("text", "is not valid Unicode") from error
    parts, account_ids = _content(request)
    if request.fingerprint is not None:
        if not 1 <= len(request.fingerprint) <= FINGERPRINT_LENGTH_MAX:
            raise InvalidRequest("fingerprint", f"must have 1 to {FINGERPRINT_LENGTH_MAX} bytes")
        content = b"f" + request.fingerprint
    else:
        content = b"".join((parts, _time("effective_at", request.effective_at), text))
    return Command(
        request,
        request.org_id,
        request.org_id.bytes + key_hash,
        key_hash,
        hashlib.sha256(content).digest()[:16],
        text,
        json.dumps(dict(request.metadata), ensure_ascii=False) if request.metadata else None,
        account_ids,
    )


def hash_of_key(key: str) -> bytes:
    """What is stored of a key: 16 bytes. Of a UUIDv7 in its usual spelling they are its own, which grow with time, so
    that the index of keys grows at its right edge; of any other text they are a hash."""
    if len(key) == _UUID_LENGTH and key[_UUID_VERSION_AT] == "7":
        try:
            value = DriverUUID(key)
        except ValueError:
            pass
        else:
            if str(value) == key:
                return value.bytes
    return hashlib.sha256(key.encode()).digest()[:16]


def _content(request: Request) -> tuple[bytes, tuple[UUID, ...]]:
    """Unambiguous bytes of what a request asks for, and the accounts that it names."""
    match request:
        case Transfer():
            debit, credit = request.debit_account, request.credit_account
            if debit == credit:
                raise InvalidRequest("credit_account", "must not be the debit account")
            amount = _amount(request.amount_minor)
            return b"t" + debit.bytes + credit.bytes + amount, (debit, credit)
        case Accrue():
            wallet, revenue = request.wallet, request.revenue_account
            exact = _exact(request.exact_minor)
            return b"a" + wallet.bytes + revenue.bytes + exact, (wallet, revenue)
        case Entry():
            return _entry(request)
        case Draw():
            return _draw(request)
        case Reversal():
            return _reversal(request)
        case _:
            return _hold_step(request)


def _hold_step(
    request: OpenHold | ExtendHold | CaptureHold | ReleaseHold | ExpireHold,
) -> tuple[bytes, tuple[UUID, ...]]:
    match request:
        case OpenHold():
            amount = _amount(request.amount_minor)
            expires = _time("expires_at", request.expires_at)
            return b"o" + request.wallet.bytes + amount + expires, (request.wallet,)
        case ExtendHold():
            return (
                b"x" + request.hold_id.bytes + _time("expires_at", request.expires_at),
                (),
            )
        case CaptureHold():
            credit = request.credit_account
            amount = _optional_amount(request.amount_minor)
            rest = b"1" if request.release_rest else b"0"
            return b"c" + request.hold_id.bytes + credit.bytes + amount + rest, (credit,)
        case ReleaseHold():
            return b"r" + request.hold_id.bytes, ()
        case ExpireHold():
            return b"e" + request.hold_id.bytes, ()


def _reversal(request: Reversal) -> tuple[bytes, tuple[UUID, ...]]:
    shortfall = request.shortfall_account
    amount = _optional_amount(request.amount_minor)
    content = b"v" + request.original_entry_id.bytes + amount
    if shortfall is None:
        return content, ()
    return content + shortfall.bytes, (shortfall,)


def _entry(request: Entry) -> tuple[bytes, tuple[UUID, ...]]:
    if not 2 <= len(request.legs) <= LEGS_MAX:
        raise InvalidRequest("legs", f"must be 2 to {LEGS_MAX}")
    parts = [b"n"]
    for leg in request.legs:
        if not 1 <= abs(leg.amount_minor) <= AMOUNT_MINOR_MAX:
            raise InvalidRequest("legs", f"amounts must be 1 to {AMOUNT_MINOR_MAX} in size")
        parts += (leg.account_id.bytes, _AMOUNT.pack(leg.amount_minor))
    if sum(leg.amount_minor for leg in request.legs) != 0:
        raise InvalidRequest("legs", "must sum to zero")
    return b"".join(parts), tuple(leg.account_id for leg in request.legs)


def _draw(request: Draw) -> tuple[bytes, tuple[UUID, ...]]:
    sources, destination = request.sources, request.destination
    if not 1 <= len(sources) < LEGS_MAX:
        raise InvalidRequest("sources", f"must be 1 to {LEGS_MAX - 1}")
    if len({*sources, destination}) != len(sources) + 1:
        raise InvalidRequest("sources", "must be distinct, and not the destination")
    parts = [
        b"p" if request.partial else b"d",
        _amount(request.amount_minor),
        destination.bytes,
        *(source.bytes for source in sources),
    ]
    return b"".join(parts), (*sources, destination)


def _amount(amount_minor: int) -> bytes:
    if not 1 <= amount_minor <= AMOUNT_MINOR_MAX:
        raise InvalidRequest("amount_minor", f"must be 1 to {AMOUNT_MINOR_MAX}")
    return _AMOUNT.pack(amount_minor)


def _optional_amount(amount_minor: int | None) -> bytes:
    return _AMOUNT.pack(0) if amount_minor is None else _amount(amount_minor)


def _exact(exact_minor: Decimal) -> bytes:
    """The shortest text of the value: 1.50 and 1.5 are the same content."""
    exponent = exact_minor.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exact_minor) > AMOUNT_MINOR_MAX:
        raise InvalidRequest("exact_minor", f"must be finite and at most {AMOUNT_MINOR_MAX} in size")
    if exponent < -EXACT_DIGITS_MAX:
        raise InvalidRequest("exact_minor", f"has more than {EXACT_DIGITS_MAX} digits after the point")
    text = f"{exact_minor:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return b"0" if exact_minor == 0 else text.encode()


def _time(field: str, at: datetime | None) -> bytes:
    if at is None:
        return _NEVER
    if at.tzinfo is None:
        raise InvalidRequest(field, "must be an aware time")
    return _AMOUNT.pack(unix_us(at))


def _text(request: Request) -> bytes:
    """Check the free text and encode it for the chain."""
    description, metadata = request.description, request.metadata
    if len(description) > DESCRIPTION_LENGTH_MAX or "\0" in description:
        raise InvalidRequest("description", f"must have at most {DESCRIPTION_LENGTH_MAX} characters")
    if metadata:
        if len(metadata) > METADATA_PAIRS_MAX:
            raise InvalidRequest("metadata", f"must have at most {METADATA_PAIRS_MAX} pairs")
        for pair in metadata.items():
            if any(len(text) > METADATA_TEXT_LENGTH_MAX or "\0" in text for text in pair):
                raise InvalidRequest(
                    "metadata",
                    f"texts must have at most {METADATA_TEXT_LENGTH_MAX} characters and no NUL",
                )
    return encode_text(description, metadata)
