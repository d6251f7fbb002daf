"""How the pages for a person look and what protects them. No JavaScript anywhere."""

from html import escape
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' http: https:",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;background:#f5f6fa;color:#1d2433;margin:0}
main{max-width:34rem;margin:3rem auto;padding:2rem;background:#fff;border-radius:12px;box-shadow:0 2px 12px #0001}
h1{font-size:1.3rem;margin:0 0 .5rem}.amount{font-size:2rem;font-weight:600;margin:.5rem 0}
label{display:block;padding:.3rem 0}button{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:8px;
background:#4b4fe0;color:#fff;cursor:pointer;margin:1rem .5rem 0 0}button.no{background:#c0392b}
.note{color:#667085;font-size:.9rem}.bad{background:#fdecea;color:#8a1f11;padding:.6rem 1rem;border-radius:8px}
.good{background:#e7f6ec;color:#116329;padding:.6rem 1rem;border-radius:8px}td{padding:.2rem .8rem .2rem 0}
code{font-size:.85rem;overflow-wrap:anywhere}
"""


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """A whole page; `title` is text, `body` is HTML."""
    html = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    return HTMLResponse(html, status_code=status, headers=HEADERS)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form, the first value of each."""
    fields = parse_qs((await request.body()).decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}
