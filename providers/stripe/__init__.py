"""Stripe, through its own library.

Owns: the translation between Stripe's API and `providers.protocol`, the signature check of webhooks, and Stripe's
notation of amounts. Does not own: retries over minutes (callers resend), storage of keys, or what a payment means.
"""

from providers.stripe.provider import StripeProvider
from providers.stripe.settings import API_VERSION, DEFAULT_MINIMUM_MINOR, StripeSettings

__all__ = ["API_VERSION", "DEFAULT_MINIMUM_MINOR", "StripeProvider", "StripeSettings"]
