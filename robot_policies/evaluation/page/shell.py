"""What all pages for people have in common: one self-contained file, no network, one style."""

from html import escape

STYLE = """
:root { color-scheme: light; --line: #8884; --bad: #c33; }
body { font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
body { max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; white-space: nowrap; }
th, td { border-bottom: 1px solid var(--line); }
.wide { overflow-x: auto; } .bad { color: var(--bad); } .quiet { opacity: .65; }
.pair { display: flex; flex-wrap: wrap; gap: 1.5rem; } .pair figure { flex: 1 1 16rem; }
figure { margin: 1rem 0; } video { width: 100%; max-width: 30rem; }
pre { white-space: pre-wrap; }
"""


def shell(title: str, body: str, scripts: str = "") -> str:
    """Return a page.

    Args:
        title: Its title and first heading.
        body: HTML.
        scripts: Elements of the head.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>{scripts}</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )
