"""Request ids of operator calls: what makes a repeated write answer with what the first one made.

`claim` is a step: the claim commits with the effect, or not at all. A refused call therefore does not use up its id. The
money writes do not come here; the ledger owns its own keys.
"""
