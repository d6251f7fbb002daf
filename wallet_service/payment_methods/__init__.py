"""Saved cards of an organization, and its customer record at the payment provider.

Invariants. An organization has one customer at a provider, and at most one default card. We keep the provider's ids, the
brand, the last four digits and the expiry; a card number never reaches us. A card that is being detached is gone for every
reader at once, and a job finishes the work at the provider when the caller could not.

How races end. Whatever changes which card is the default, or whether a card is there, first locks the customer's row, so
those changes of an organization happen one after the other. The provider is never called under that lock.

Not here: charging a card (`wallet_service.topups`).
"""
