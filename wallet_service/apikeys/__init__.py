"""API keys: making, listing and revoking them, and telling who calls with one.

Invariants. The secret exists in the answer to the call that made it and nowhere else; stored is its SHA-256. An operator's
key belongs to no organization, every other key to exactly one. A key that is unknown, expired or revoked is refused in the
same words. A revoked key is refused everywhere within one second.

Not here: what a role may do (the policy table of `rpc`).
"""
