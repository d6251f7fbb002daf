"""The standing of billing accounts: warned, in grace, suspended, resumed, closed.

While the wallet of an account runs empty its owner is warned, some hours before the end that the forecast sees. When nothing
is left a time of grace begins; after it the account is suspended (low_balance). Money in the wallet ends both at once. A
dispute that takes money suspends too (dispute) until it is won or an operator resumes the account, and so does an operator
(manual). Of several reasons the gravest is shown: manual, dispute, low_balance. Each step is one event.

A suspended account spends nothing that can be refused; usage is recorded and top-ups are taken. What is refused is decided
where it is asked for (`wallet_service.limits`), by the state that is stored here in the billing account.

Not here: who is told of the events, and alerts that a customer has asked for (`wallet_service.alerts`).
"""
