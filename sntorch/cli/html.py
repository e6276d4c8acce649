"""Pages of HTML that need no other file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = (
    "body{font-family:sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.25rem .8rem;text-align:right}"
    "td:first-child,th:first-child{text-align:left}tr{border-bottom:1px solid #ddd}"
    "img{max-width:100%;display:block;margin:.5rem 0}p{max-width:60rem}"
)


def document(heading: str, title: str, paragraphs: Iterable[str], body: str) -> str:
    """A whole page.

    Args:
        heading: Stands on the page.
        title: Stands in the browser's tab.
        paragraphs: Text.
        body: HTML that follows.
    """
    text = "".join(map(paragraph, paragraphs))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(heading)}</h1>\n{text}{body}\n</body>\n</html>\n"
    )


def paragraph(text: str) -> str:
    """A paragraph of text."""
    return f"<p>{escape(text)}</p>\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts."""
    head = "".join(f"<th>{escape(text)}</th>" for text in headings)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"


def pictures(images: Mapping[str, bytes], captions: Mapping[str, str] | None = None) -> str:
    """PNG images by name, each under its name and above its caption, where it has one."""
    return "\n".join(
        f'<h2>{escape(name.replace("_", " "))}</h2>\n<img alt="{escape(name)}" '
        f'src="data:image/png;base64,{base64.b64encode(image).decode()}">'
        + (paragraph(captions[name]) if captions and name in captions else "")
        for name, image in images.items()
    )


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    file = BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
