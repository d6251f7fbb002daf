"""What every answer has to be: no failure of ours, nothing of our insides, nothing of another's."""

import re
from collections.abc import Sequence
from typing import Final

from tests.fuzz.sending import Answer
from tests.fuzz.world import CANARY

_FAILURES: Final = frozenset({"internal", "unknown", "data_loss"})
_STATUSES_OF_REFUSALS: Final = frozenset({501, 503, 504})
_INSIDES: Final = re.compile(
    r"Traceback|File \"|site-packages|/wallet_service/|\.py\b|sqlalchemy|asyncpg|psycopg|connectrpc|pydantic|starlette"
    r"|\bSELECT \w|INSERT INTO|relation \"|SQLSTATE|0x[0-9a-f]{8,}|<class |object at |/tmp/|/home/|/root/"
)
_MAY_SEE_ALL: Final = frozenset({"operator", "other"})
_MAY_CHANGE: Final = frozenset(
    {"PAYMENT_DECLINED", "PAYMENT_METHOD_INVALID", "PROVIDER_REFUSED", "PROVIDER_UNAVAILABLE", "OUTCOME_UNKNOWN"}
)
"""Refusals after something was noted: that a payment was tried, and how it ended."""


def is_refused(answer: Answer) -> bool:
    """Whether the call must have changed nothing."""
    return answer.code not in ("ok", "deadline_exceeded", "canceled", "ended") and answer.reason not in _MAY_CHANGE


def faults(answer: Answer, *, sent: str, caller: str, secrets: Sequence[str]) -> list[str]:
    """What is wrong with an answer to a request that said `sent`."""
    found: list[str] = []
    if answer.code in _FAILURES or answer.reason == "INTERNAL":
        found.append(f"failed: {answer.code}")
    if answer.status >= 500 and answer.status not in _STATUSES_OF_REFUSALS:
        found.append(f"HTTP status {answer.status}")
    if answer.code == "unavailable" and not answer.reason:
        found.append("unavailable, without a reason")
    inside = [match[0] for match in _INSIDES.finditer(answer.text) if match[0] not in sent]
    if inside:
        found.append(f"shows {inside[:3]}")
    if any(secret in answer.text for secret in secrets):
        found.append("shows a secret")
    if CANARY in answer.text and caller not in _MAY_SEE_ALL:
        found.append("shows what belongs to another organization")
    return found
