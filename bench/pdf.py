"""How long the PDF of a statement takes; the aim is a second for a thousand lines."""

import time

from bench.figures import print_figure
from tests.unit.invoice_samples import statement
from wallet_service.invoices.model import Invoice
from wallet_service.invoices.paper import Paper
from wallet_service.invoices.rendering import to_pdf

PASSES = 3


def run() -> None:
    """The best of three passes, after one that loads the fonts."""
    for line_count in (10, 1000):
        drawn = statement(meter_count=line_count)
        to_pdf(drawn, paper=Paper.A4, issuer="bench")
        fastest = min(_seconds(drawn) for _ in range(PASSES))
        print_figure(f"statement_pdf_{line_count}_lines", 1 / fastest, "documents/s", "one a second", 1.0)


def _seconds(drawn: Invoice) -> float:
    started = time.perf_counter()
    to_pdf(drawn, paper=Paper.A4, issuer="bench")
    return time.perf_counter() - started
