"""Warnings that a wallet runs low: by balance, and by the days that the balance lasts.

Invariants. An alert fires once when its condition becomes true and not again before it has recovered. The balance alert is
a function of the journal: every entry since it was configured counts, in order, also one that was made good before anybody
looked. Changing a threshold is an evaluation: an alert that is below its new threshold fires at once, in the same
transaction; a threshold that stays the same keeps what it knew. The days that remain are an estimate and are looked at
after postings as the wallet stands then, and every few hours.

Not here: telling people (`wallet_service.notifications`) and programs (webhooks), which follow the events.
"""
