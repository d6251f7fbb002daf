"""Codes, the windows that they grant, and the refusals."""

import hashlib
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from wallet_service.errors import Code, Reason, ServiceError, invalid_field
from wallet_service.names import is_slug
from wallet_service.promotions.model import NewCampaign, Promotion

CODE_BYTES: Final = 15
"""120 random bits."""

DISPLAY_NAME_LENGTH_MAX: Final = 200
LASTS_MIN: Final = timedelta(hours=1)
LASTS_MAX: Final = timedelta(days=3660)

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGIT_BITS: Final = 5
_GROUP: Final = 4
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
"""Letters that are not in the alphabet are read as the digits that they look like."""


def code_of(random: bytes) -> str:
    """The code that 15 random bytes spell: 24 digits of base 32 in groups of four."""
    if len(random) != CODE_BYTES:
        raise ValueError(f"a code is made of {CODE_BYTES} bytes")
    number = int.from_bytes(random)
    count = CODE_BYTES * 8 // _DIGIT_BITS
    digits = [_ALPHABET[number >> _DIGIT_BITS * place & 31] for place in reversed(range(count))]
    return "-".join("".join(digits[start : start + _GROUP]) for start in range(0, count, _GROUP))


def hash_of_code(code: str) -> bytes:
    """What is stored of a code: the same however it is typed (case, spaces, hyphens, O for 0, I or L for 1)."""
    return hashlib.sha256(code.upper().translate(_READ_AS).encode("utf-8", "surrogatepass")).digest()


def prefix_of(code: str) -> str:
    """What may be shown of a code: 20 of its 120 bits."""
    return code[:_GROUP]


def check_campaign(new: NewCampaign) -> None:
    """Raises INVALID_FIELD for terms that make no sense."""
    if not is_slug(new.campaign_id):
        raise invalid_field(
            "campaign_id", "must be DNS-safe lower case of 1 to 63 characters that starts with a letter"
        )
    name = new.display_name
    if len(name) > DISPLAY_NAME_LENGTH_MAX or not all(letter.isprintable() for letter in name):
        raise invalid_field(
            "campaign.display_name", f"must be at most {DISPLAY_NAME_LENGTH_MAX} characters that can be printed"
        )
    if not 1 <= new.percent <= 100:
        raise invalid_field("campaign.discount_pct", "must be 1 to 100")
    if not (new.applies_to_usage or new.applies_to_prepaid):
        raise invalid_field(
            "campaign.applies_to_usage", "a campaign applies to usage, to prepaid purchases, or to both"
        )
    if (new.ends_at is None) == (new.lasts is None):
        raise invalid_field("campaign.discount_end_time", "exactly one of an end and a duration is needed")
    if new.lasts is not None and (not LASTS_MIN <= new.lasts <= LASTS_MAX or new.lasts % timedelta(seconds=1)):
        raise invalid_field("campaign.discount_duration", "must be one hour to ten years, in whole seconds")
    if new.starts_at is not None and new.ends_at is not None and new.starts_at >= new.ends_at:
        raise invalid_field("campaign.discount_end_time", "must be after discount_start_time")


def granted(terms: NewCampaign, *, org_id: UUID, code_id: UUID, now: datetime) -> Promotion:
    """The promotion that a code grants when it is redeemed now: never of what is past.

    Raises PROMOTION_CODE_INVALID when codes can be redeemed no more, or the window is over.
    """
    if terms.redeem_before is not None and now >= terms.redeem_before:
        raise code_invalid()
    # A duration counts from the campaign's own start where it has one.
    begins = now if terms.starts_at is None else terms.starts_at
    starts_at = max(begins, now)
    ends_at = terms.ends_at if terms.lasts is None else begins + terms.lasts
    assert ends_at is not None, "a campaign has an end or a duration"
    if starts_at >= ends_at:
        raise code_invalid()
    return Promotion(
        org_id=org_id,
        code_id=code_id,
        campaign_id=terms.campaign_id,
        display_name=terms.display_name,
        percent=terms.percent,
        starts_at=starts_at,
        ends_at=ends_at,
        applies_to_usage=terms.applies_to_usage,
        applies_to_prepaid=terms.applies_to_prepaid,
        redeemed_at=now,
    )


def code_invalid() -> ServiceError:
    """NOT_FOUND: the same words for a code that never was and one that has expired."""
    return ServiceError(Code.NOT_FOUND, Reason.PROMOTION_CODE_INVALID, "no such promotion code can be redeemed")


def code_used() -> ServiceError:
    """FAILED_PRECONDITION: another organization has redeemed it."""
    return ServiceError(Code.FAILED_PRECONDITION, Reason.PROMOTION_CODE_USED, "this promotion code was redeemed before")


def already_active(present: Promotion) -> ServiceError:
    """FAILED_PRECONDITION: one promotion at a time; metadata has which, and until when."""
    return ServiceError(
        Code.FAILED_PRECONDITION,
        Reason.PROMOTION_ALREADY_ACTIVE,
        f"the organization has the promotion {present.campaign_id} until {present.ends_at.isoformat()}",
        metadata={"campaign": present.campaign_id, "ends_at": present.ends_at.isoformat()},
    )
