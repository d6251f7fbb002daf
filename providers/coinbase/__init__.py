"""Coinbase Business Checkouts: a customer pays USDC on a hosted page, and the wallet is credited 1:1 in USD.

Owns: the tokens and calls of the Checkouts API, its translation to `providers.protocol`, and the signature check of its
webhooks. Does not own: retries over minutes (callers resend), storage of keys, or what a payment means.

The vendor publishes neither its error codes nor a library for this API. What is taken from its documentation's examples
is frozen as fixtures in the contract tests; what is assumed is said where it is.
"""

from providers.coinbase.provider import CoinbaseProvider
from providers.coinbase.settings import CoinbaseSettings

__all__ = ["CoinbaseProvider", "CoinbaseSettings"]
