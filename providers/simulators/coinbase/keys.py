"""The API key of the simulated account. It opens nothing else, so it need not be secret."""

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY_ID = "organizations/simulated/apiKeys/development"
_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"simulated coinbase account").digest())

KEY_SECRET = base64.b64encode(_KEY.private_bytes_raw() + _KEY.public_key().public_bytes_raw()).decode()
"""In the form in which the developer portal hands it out: seed and public half in base64."""

PUBLIC_KEY = _KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
