"""Setting documents on paper by typst: PDF/A with our own fonts, the same bytes for the same document."""

import json
import unicodedata
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import typst

from ledger.ids import unix_us
from wallet_service.invoices.layout_rules import Layout, layout
from wallet_service.invoices.model import Invoice
from wallet_service.invoices.paper import Paper

_FOLDER: Final = Path(__file__).parent
_FONTS: Final = _FOLDER / "fonts"
_TEMPLATE: Final = _FOLDER / "statement.typ"
_STANDARD: Final = "a-2u"
"""PDF/A-2 with every character's Unicode: for archives, and for those who search or copy text."""

_UNKNOWN: Final = "\ufffd"
_JOINERS: Final = frozenset("\u200c\u200d")


def to_pdf(invoice: Invoice, *, paper: Paper, issuer: str) -> bytes:
    """The PDF of a document. Takes a processor for up to a second, so call it from a thread."""
    made_at = invoice.finalized_at or invoice.created_at
    return _compile(layout(invoice, paper=paper, issuer=issuer, clean=clean), "pdf", made_at)


def to_images(invoice: Invoice, *, paper: Paper, issuer: str, ppi: int) -> list[bytes]:
    """The pages as PNG."""
    made_at = invoice.finalized_at or invoice.created_at
    pages: bytes | list[bytes] = _compile(
        layout(invoice, paper=paper, issuer=issuer, clean=clean), "png", made_at, ppi=ppi
    )
    return [pages] if isinstance(pages, bytes) else pages


def clean(text: str) -> str:
    """`text` on one line, with a replacement for each character that the fonts have not, which PDF/A would not allow.

    Invisible controls are left out, but for those that say how letters join.
    """
    covered = _covered()
    kept: list[str] = []
    for character in unicodedata.normalize("NFC", text):
        if character in covered or character in _JOINERS:
            kept.append(character)
        elif character.isspace():
            kept.append(" ")
        elif unicodedata.category(character) not in ("Cc", "Cf"):
            kept.append(_UNKNOWN)
    return "".join(kept)


@cache
def template_digest() -> str:
    """Changes when the same document may look different."""
    digest = sha256(version("typst").encode())
    for path in (_TEMPLATE, _FOLDER / "layout_rules.py", *sorted(_FONTS.glob("*.ttf"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _compile(data: Layout, kind: Literal["pdf", "png"], made_at: datetime, *, ppi: int | None = None) -> Any:
    # A compiler of its own for each document: one that is shared keeps what it has set in memory, and is not for threads.
    compiler = typst.Compiler(input=_TEMPLATE, root=_FOLDER, font_paths=_fonts(), ignore_system_fonts=True)
    return compiler.compile(
        format=kind,
        ppi=ppi,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        pdf_standards=[_STANDARD] if kind == "pdf" else [],
        timestamp=unix_us(made_at) // 1_000_000,
    )


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[_FONTS])


@cache
def _covered() -> frozenset[str]:
    found: set[str] = set()
    for line in (_FONTS / "coverage.txt").read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            first, _, last = line.partition("-")
            found.update(map(chr, range(int(first, 16), int(last or first, 16) + 1)))
    return frozenset(found)
