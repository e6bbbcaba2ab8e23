"""Pages in Chromium, for the tests that use them as a person does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from digits.prediction.javascript import BROWSERS

CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
TIMEOUT_MS = 120_000  # of one result, on a busy machine
TOUCH = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


@contextmanager
def open_tab(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page in a tab of its own. It must cause no request and no error. The options are those of the context."""
    context = browser.new_context(**options)
    page, problems = context.new_page(), []
    page.on("request", lambda one: problems.append(one.url) if one.url != address and "blob:" not in one.url else None)
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert problems == []


def save(page: Any, button: str, folder: Path) -> Path:
    """Presses a button that saves a file, and returns the file."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path
