"""JavaScript in Node or in a Chromium browser."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from digits.errors import InputError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "chromium-headless-shell")
TIMEOUT_S = 600.0


def find_program() -> str | None:
    """The path of Node, or else of a Chromium browser. None if neither is installed."""
    for name in ("node", *BROWSERS):
        path = shutil.which(name)
        if path is not None:
            return path
    return None


def run_javascript(script: str, program: str) -> Any:
    """The variable `result` of a script that Node or a Chromium browser runs, passed as JSON.

    Raises InputError if the program fails."""
    with TemporaryDirectory() as folder:
        if Path(program).stem.lower() == "node":
            command = _node_command(script, program, Path(folder))
        else:
            command = _browser_command(script, program, Path(folder))
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
            # A browser prints the document, Node only its content.
            text = ended.stdout.rpartition("<body>")[2].partition("</body>")[0]
            return json.loads(text)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise InputError(f"page: not written; {program} cannot run its JavaScript ({error})") from None


def _node_command(script: str, program: str, folder: Path) -> list[str]:
    file = folder / "check.js"
    file.write_text(f"{script}\nconsole.log(JSON.stringify(result));", encoding="utf-8")
    return [program, str(file)]


def _browser_command(script: str, program: str, folder: Path) -> list[str]:
    file = folder / "check.html"
    file.write_text(f"<script>{script}\ndocument.write(JSON.stringify(result));</script>", encoding="utf-8")
    command = [program, "--headless", f"--user-data-dir={folder}", "--dump-dom"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--no-sandbox")  # Chromium has no sandbox for root
    return [*command, file.as_uri()]
