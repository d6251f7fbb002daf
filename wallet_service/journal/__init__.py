"""The ledger as users of the service meet it: wallets by name, purposes of entries, refusals with published reasons.

Owns no table: what is recorded is the ledger's. Keys of callers are prefixed by the operation, so that they never meet the
keys that the service makes for itself (`topup:...`, `usage:...`).
"""
