"""The inbox of payment providers' events.

A delivery is checked (signature over the raw body, age), noted once by the provider's event id together with a job, and
answered at once. The job asks the provider about the object again: a payload is only a hint of what to look at, so
deliveries may come twice, late, in any order or not at all and the ledger ends the same.

Not here: what follows from the provider's answer (`wallet_service.topups`), and HTTP (`wallet_service.http`).
"""
