"""The `wallet` command. Arguments in, one operation, text or JSON out; no decision about money is made here."""

from wallet_service.cli.main import main

__all__ = ["main"]
