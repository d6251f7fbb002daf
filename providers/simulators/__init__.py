"""HTTP servers that stand where the payment vendors stand.

Dev mode and tests run the real provider modules against these over a socket; there is no other test double of a vendor.
A simulator imports nothing of the provider modules, so that the two cannot share a mistake.
"""
