"""A simulated Coinbase Business account behind the Checkouts API, for dev mode and tests.

It keeps checkouts and their refunds, checks the token of every request, offers the page on which a person pays, and
sends signed webhooks with retries. Shapes follow the examples of Coinbase's documentation, behaviour its prose; neither
has been certified by anybody, and what the documentation leaves open is listed in the README.

Limits: one account, USDC on Base only, no fiat amounts, no x402, a fee of 1 %.
"""
