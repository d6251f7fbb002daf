"""Bearer tokens: every request carries a new one, made for its method and address, that lives two minutes at most."""

import base64
import binascii
import secrets
from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

ISSUER = "cdp"
_SEED_BYTES = 32
_KEY_BYTES = 64


class Signer:
    """Signs with one API key. Raises ValueError for a secret that is no such key, without repeating it."""

    def __init__(self, key_id: str, secret: str, lifetime: timedelta) -> None:
        self._key_id = key_id
        self._lifetime = lifetime
        self._key, self._algorithm = load_key(secret)

    def bearer(self, *, method: str, host: str, path: str, now: datetime) -> str:
        """A token for `method` on `host` + `path`; the path without its query."""
        issued_at = int(now.timestamp())
        claims = {
            "sub": self._key_id,
            "iss": ISSUER,
            "nbf": issued_at,
            "exp": issued_at + int(self._lifetime.total_seconds()),
            "uris": [f"{method} {host}{path}"],
        }
        headers = {"kid": self._key_id, "nonce": secrets.token_hex(16)}
        return jwt.encode(claims, self._key, algorithm=self._algorithm, headers=headers)


def load_key(secret: str) -> tuple[Ed25519PrivateKey | EllipticCurvePrivateKey, str]:
    """(key, algorithm) of a secret: base64 of an Ed25519 seed with its public half, or PEM. Raises ValueError."""
    if "-----BEGIN" in secret:
        # Environments often carry a PEM on one line, its line ends spelled out.
        key = load_pem_private_key(secret.replace("\\n", "\n").encode(), password=None)
        if isinstance(key, Ed25519PrivateKey):
            return key, "EdDSA"
        if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
            return key, "ES256"
        raise ValueError("the API key is neither Ed25519 nor EC P-256")
    try:
        raw = base64.b64decode(secret, validate=True)
    except binascii.Error as error:
        raise ValueError("the API key is neither PEM nor base64") from error
    if len(raw) != _KEY_BYTES:
        raise ValueError(f"an Ed25519 API key has {_KEY_BYTES} bytes, not {len(raw)}")
    key = Ed25519PrivateKey.from_private_bytes(raw[:_SEED_BYTES])
    if key.public_key().public_bytes_raw() != raw[_SEED_BYTES:]:
        raise ValueError("the two halves of the Ed25519 API key do not belong together")
    return key, "EdDSA"
