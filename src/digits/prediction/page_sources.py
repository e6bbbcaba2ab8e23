"""Pages as one HTML file each, from the sources in digits/page."""

import json
import re
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "page"
LINK = re.compile(r'<(?:link|script)[^>]* (?:href|src)="([\w.]+)"[^>]*>(?:</script>)?')


def read_page(name: str) -> str:
    """A page with the styles and scripts that it links to."""
    return LINK.sub(_inline, read_source(name))


def read_source(name: str) -> str:
    return (SOURCES / name).read_text(encoding="utf-8")


def json_in_page(value: object) -> str:
    """JSON for a script element, which a text such as a file name cannot end."""
    return json.dumps(value).replace("<", "\\u003c")


def _inline(link: re.Match[str]) -> str:
    """The element with the content of the file that a link names."""
    name = link[1]
    element = "style" if name.endswith(".css") else "script"
    return f'<{element} id="{name.replace(".", "-")}">\n{read_source(name)}</{element}>'
