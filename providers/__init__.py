"""The outside world behind one small protocol.

A provider module turns a vendor's API into the values of `providers.protocol` and nothing more: it keeps no
state, opens no database, and knows no wallets. Every write takes an idempotency key that the caller made and stored
before the call. What a webhook carries is only a hint of what to fetch again.
"""
