"""HTTP servers that stand where the payment vendors stand.

Dev mode and tests run the real provider modules against these over a socket; there is no other test double of a vendor.
A simulator imports nothing of the provider modules, so that the two cannot share a mistake.

The modules here are what the simulated vendors have in common: an account's state, its idempotency keys, the courier of
webhooks, faults, control endpoints, pages and the server. What a vendor says and how it behaves is in its own package.
"""
