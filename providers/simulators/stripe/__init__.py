"""A simulated Stripe account behind Stripe's HTTP API, for dev mode and tests.

It keeps customers, cards, payment and setup intents, charges, refunds, disputes, balance transactions, payouts, events
and webhook endpoints, and sends signed webhooks with retries. Its shapes are checked against Stripe's published OpenAPI
document; its behaviour follows the documentation and has not been certified by anybody.

Limits: one account, cards only, no connected accounts, no exchange of currencies, fees of 2.9 % + 30.
"""
