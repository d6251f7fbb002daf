"""PDFs of documents in the object store: made once for each paper, when first asked for."""

import asyncio
from datetime import timedelta
from typing import Final

from wallet_service.files.object_store import FileStore
from wallet_service.invoices.model import Invoice
from wallet_service.invoices.paper import Paper
from wallet_service.invoices.rendering import template_digest, to_pdf

DEADLINE: Final = timedelta(seconds=10)
"""Twenty times what a thousand lines take."""


class PdfFiles:
    """Renders in a thread, one at a time in this process: setting type takes a whole processor."""

    def __init__(self, files: FileStore, *, issuer: str) -> None:
        """`issuer`: who issues the documents, as printed on them."""
        self._files = files
        self._issuer = issuer
        self._turn = asyncio.Semaphore(1)

    async def ensure(self, invoice: Invoice, paper: Paper) -> str:
        """The key of the PDF, which is there when this returns. Raises TimeoutError; what was begun ends by itself."""
        key = f"invoices/{invoice.org_id}/{invoice.invoice_id}-{paper.value}-{template_digest()}.pdf"
        if await self._files.find(key) is not None:
            return key
        async with asyncio.timeout(DEADLINE / timedelta(seconds=1)), self._turn:
            made = await asyncio.to_thread(to_pdf, invoice, paper=paper, issuer=self._issuer)
            await self._files.put(key, made)
        return key
