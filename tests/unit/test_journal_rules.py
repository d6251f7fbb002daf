"""Keys of callers in the ledger."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.commands import KEY_LENGTH_MAX
from wallet_service.journal.rules import ledger_key

OPERATIONS = ("journal", "deposit", "refund", "hold", "extend", "capture", "release")
KEYS = st.text(min_size=1, max_size=KEY_LENGTH_MAX)


@given(operation=st.sampled_from(OPERATIONS), key=KEYS)
def test_a_callers_key_fits_and_is_none_of_the_services_own(operation: str, key: str) -> None:
    made = ledger_key(operation, key)
    assert len(made) <= KEY_LENGTH_MAX
    assert made.startswith("caller/")


@given(first=st.tuples(st.sampled_from(OPERATIONS), KEYS), second=st.tuples(st.sampled_from(OPERATIONS), KEYS))
def test_two_keys_or_operations_never_share_a_ledger_key(first: tuple[str, str], second: tuple[str, str]) -> None:
    assert (ledger_key(*first) == ledger_key(*second)) is (first == second)
