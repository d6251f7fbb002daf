"""The Coinbase module's values: amounts in USDC, and the tokens that sign a request."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from providers.coinbase import CoinbaseSettings
from providers.coinbase.amounts import AMOUNT_MAX_MINOR, charged, received, to_usdc
from providers.coinbase.client import uuid_of
from providers.coinbase.tokens import Signer, load_key
from providers.protocol import InvalidRequest
from tests.contract.labs import usd

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
P256 = generate_private_key(SECP256R1())


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def portal_secret(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.private_bytes_raw() + key.public_key().public_bytes_raw()).decode()


@pytest.mark.parametrize(("cents", "text"), [(500, "5.00"), (1, "0.01"), (12345, "123.45"), (10**10, "100000000.00")])
def test_amounts_in_usdc(cents: int, text: str) -> None:
    assert to_usdc(usd(cents)) == text
    assert received(text) == usd(cents)


@given(st.integers(1, AMOUNT_MAX_MINOR))
def test_what_is_sent_comes_back(cents: int) -> None:
    assert received(to_usdc(usd(cents))) == charged(to_usdc(usd(cents))) == usd(cents)


@pytest.mark.parametrize(
    ("money", "code"),
    [
        (Money(500, "EUR"), "currency_not_supported"),
        (usd(0), "amount_not_positive"),
        (usd(-5), "amount_not_positive"),
        (usd(AMOUNT_MAX_MINOR + 1), "amount_too_large"),
    ],
)
def test_amounts_that_cannot_be_sent(money: Money, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        to_usdc(money)
    assert refused.value.failure.code == code


def test_parts_of_a_cent_are_never_in_our_favour() -> None:
    assert received("100.019999") == usd(10001)
    assert charged("1.250001") == usd(126)


@pytest.mark.parametrize("text", ["", "-1.00", "1e3", "NaN", "1,00", " 1", "1.", "Infinity", "9" * 30])
def test_texts_that_are_no_amounts(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        received(text)


@pytest.mark.parametrize(
    ("secret", "algorithm", "public_key"),
    [
        (portal_secret(ED25519), "EdDSA", ED25519.public_key()),
        (pem(ED25519), "EdDSA", ED25519.public_key()),
        (pem(P256), "ES256", P256.public_key()),
        (pem(P256, PrivateFormat.TraditionalOpenSSL), "ES256", P256.public_key()),
        (pem(P256).replace("\n", "\\n"), "ES256", P256.public_key()),
    ],
    ids=["ed25519", "ed25519-pem", "p256", "p256-sec1", "p256-one-line"],
)
def test_a_token_says_who_asks_for_what_and_when(secret: str, algorithm: str, public_key: Any) -> None:
    signer = Signer("key-1", secret, timedelta(seconds=120))
    token = signer.bearer(method="POST", host="business.coinbase.com", path="/api/v1/checkouts", now=NOW)
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["kid"], header["typ"]) == (algorithm, "key-1", "JWT")
    assert len(header["nonce"]) == 32
    at = int(NOW.timestamp())
    ignored = {"verify_exp": False, "verify_nbf": False}
    assert jwt.decode(token, public_key, algorithms=[algorithm], options=ignored) == {
        "sub": "key-1",
        "iss": "cdp",
        "nbf": at,
        "exp": at + 120,
        "uris": ["POST business.coinbase.com/api/v1/checkouts"],
    }


@pytest.mark.parametrize(
    "secret",
    [
        "not base64!",
        base64.b64encode(b"short").decode(),
        base64.b64encode(bytes(64)).decode(),
        pem(generate_private_key(SECP384R1())),
        "-----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----",
    ],
    ids=["text", "short", "halves", "other-curve", "broken-pem"],
)
def test_a_secret_that_is_no_key_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        load_key(secret)
    assert secret not in str(refused.value)


def test_a_longer_life_than_coinbase_allows_is_refused() -> None:
    with pytest.raises(ValueError, match="lives at most"):
        CoinbaseSettings(api_key_id="k", api_key_secret="s", token_lifetime=timedelta(seconds=121))


def test_a_key_is_always_the_same_uuid() -> None:
    assert uuid_of("topup:1") == uuid_of("topup:1") != uuid_of("topup:2")
    assert uuid_of("topup:1").version == 4
