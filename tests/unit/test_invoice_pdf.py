"""What is printed: PDF/A with embedded fonts and text that can be read back, for every script, currency and paper."""

import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from pypdf.generic import DictionaryObject

from tests.unit.invoice_samples import CLOSED, receipt, statement
from wallet_service.invoices.layout_rules import exact_major, is_rtl, layout, money, number
from wallet_service.invoices.model import InvoiceStatus
from wallet_service.invoices.paper import Paper
from wallet_service.invoices.rendering import clean, template_digest, to_images, to_pdf

SPACES = re.compile(r"\s+")
MINUS = "\u2212"


def printed(invoice: object, paper: Paper = Paper.A4) -> PdfReader:
    return PdfReader(io.BytesIO(to_pdf(invoice, paper=paper, issuer="Wallet Service")))  # type: ignore[arg-type]


def text_of(reader: PdfReader) -> str:
    return SPACES.sub(" ", " ".join(page.extract_text() for page in reader.pages))


def fonts_of(reader: PdfReader) -> list[DictionaryObject]:
    found: dict[str, DictionaryObject] = {}
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            inner = font.get_object()["/DescendantFonts"][0].get_object()
            found[inner["/BaseFont"]] = inner["/FontDescriptor"].get_object()
    return list(found.values())


def test_it_is_pdf_a_with_its_fonts_inside() -> None:
    reader = printed(statement("Ünïcode 云计算 עברית العربية ไทย हिन्दी 한국"))
    metadata = reader.xmp_metadata
    assert metadata is not None
    xmp = metadata.rdf_root.toxml()
    assert re.search(r"pdfaid:part>2<", xmp)
    assert re.search(r"pdfaid:conformance>U<", xmp)
    assert reader.trailer["/Root"]["/OutputIntents"]  # type: ignore[index]
    fonts = fonts_of(reader)
    names = " ".join(str(font["/FontName"]) for font in fonts)
    for name in ("NotoSans-Regular", "NotoSans-Bold", "NotoSansArabic", "NotoSansHebrew", "DroidSansFallback"):
        assert name in names
    assert all("/FontFile2" in font or "/FontFile3" in font for font in fonts)


def test_it_says_that_nothing_is_due_and_shows_how_the_balance_came_about() -> None:
    text = text_of(printed(statement()))
    for expected in (
        "Statement February 2026",
        "ST-000007",
        "Acme Robotics",
        "Accounting record. Nothing is due.",
        "Opening balance 1,234.56",
        "Top-ups 2,500.00",
        f"Refunds and disputes {MINUS}100.00",
        f"Usage and purchases {MINUS}293.99",
        "Adjustments 12.34",
        "Closing balance 3,352.91",
        "Spend by day",
        "By category",
        "By project",
        "my-app 118.04",
        "used in January 2026",
        "0.00342466",
        "Promotion discount",
        "Bare metal lease, one month",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("paper", "millimetres"), [(Paper.A4, (210, 297)), (Paper.LETTER, (Decimal("215.9"), Decimal("279.4")))]
)
def test_paper_sizes(paper: Paper, millimetres: tuple[int, int]) -> None:
    box = printed(statement(), paper).pages[0].mediabox
    for points, expected in zip((box.width, box.height), millimetres, strict=True):
        assert abs(Decimal(str(points)) / 72 * Decimal("25.4") - expected) < Decimal("0.1")


@pytest.mark.parametrize(("currency", "closing"), [("JPY", "335,291"), ("USD", "3,352.91"), ("KWD", "335.291")])
def test_amounts_have_the_digits_of_their_currency(currency: str, closing: str) -> None:
    assert f"Closing balance {closing}" in text_of(printed(statement(currency=currency)))


@pytest.mark.parametrize(
    "name", ["株式会社クラウド計算", "云计算有限公司", "한국 클라우드", "Αθήνα", "Łódź Żółw", "Москва"]
)
def test_names_of_any_script_can_be_read_back(name: str) -> None:
    assert name in text_of(printed(statement(name)))


def test_names_from_right_to_left_keep_their_letters() -> None:
    for name in ("חברת הענן", "شركة النور"):
        text = text_of(printed(statement(name)))
        assert sorted(word for word in name.split() if word in text or word[::-1] in text) == sorted(name.split())


def test_what_customers_write_is_text_and_never_markup() -> None:
    wild = '#panic("x") $x$ *b* _i_ `c` <l> @r \\ [y] #read("statement.typ") & "q" // 1'
    assert wild in text_of(printed(statement(wild, title=wild)))


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60))
def test_no_text_keeps_a_document_from_being_set(name: str) -> None:
    assert len(printed(statement(name, title=name, project_names=(name or "p",), meter_count=1)).pages) >= 1


def test_characters_without_a_glyph_are_replaced_and_controls_left_out() -> None:
    assert clean("a\U0001f600b\tc\u202ed\x00e\u200cf") == "a\ufffdb cde\u200cf"


def test_a_thousand_lines_go_over_numbered_pages() -> None:
    reader = printed(statement(meter_count=1000))
    count = len(reader.pages)
    assert count > 20
    for index, page in enumerate(reader.pages):
        assert f"Page {index + 1} of {count}" in page.extract_text()
    assert "Unit price (USD)" in reader.pages[count // 2].extract_text()


def test_a_word_without_end_stays_in_its_column() -> None:
    long = statement(title="x" * 2000, meter_count=1)
    assert len(printed(long).pages) <= 3


def test_the_same_document_is_the_same_bytes() -> None:
    assert to_pdf(statement(), paper=Paper.A4, issuer="x") == to_pdf(statement(), paper=Paper.A4, issuer="x")
    other = statement(finalized_at=CLOSED + timedelta(days=1))
    assert to_pdf(other, paper=Paper.A4, issuer="x") != to_pdf(statement(), paper=Paper.A4, issuer="x")
    assert re.fullmatch("[0-9a-f]{12}", template_digest())


def test_a_receipt() -> None:
    text = text_of(printed(receipt()))
    for expected in ("Receipt of a top-up", "RC-000012", "Paid in full", "50.00", "Automatic recharge", "pi_3Qh2e"):
        assert expected in text


def test_a_draft_says_so() -> None:
    drafted = statement(finalized_at=None, paid_at=None, status=InvoiceStatus.DRAFT)
    assert "Draft" in text_of(printed(drafted))


def test_pages_as_images() -> None:
    images = to_images(statement(), paper=Paper.A4, issuer="x", ppi=40)
    assert len(images) == 2
    assert all(image.startswith(b"\x89PNG") for image in images)


def test_numbers_as_people_read_them() -> None:
    assert money(-123456789, "USD") == f"{MINUS}1,234,567.89"
    assert money(5, "KWD") == "0.005"
    assert number(Decimal("-1044.500")) == f"{MINUS}1,044.5"
    assert number(Decimal("0.000")) == "0"
    assert exact_major(Decimal("0.342466"), "USD") == "0.00342466"
    assert exact_major(Decimal("0.342466"), "JPY") == "0.342466"
    assert [is_rtl(text) for text in ("(2026) שלום abc", "abc שלום", "123", "")] == [True, False, False, False]


def test_many_projects_are_shown_as_the_largest_and_the_rest() -> None:
    invoice = statement(meter_count=60, project_names=tuple(f"project-{i}" for i in range(30)))
    shown = layout(invoice, paper=Paper.A4, issuer="x", clean=clean)["breakdowns"][1]["rows"]
    assert len(shown) == 10
    assert shown[-1]["title"]["text"] == "22 others"
