"""Discount campaigns, the codes that grant them, and the discounts of organizations.

Invariants. A code is redeemed once, by one organization; what is stored of it is a hash, and it is shown once, when it is
made. An organization has at most one promotion whose window has not ended, so windows never overlap. What was redeemed
never changes: a promotion carries its own terms. A discount is of what happens inside its window, by the time of the event,
also where a correction comes later; it is no credit, and nothing recorded before is rated again.

Not here: rating, which reads the windows with the organization's scope (`wallet_service.usage`).
"""
