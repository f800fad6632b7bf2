"""Web pages as PDF, printed by Chromium: the one browser that Debian packages and that prints without a screen."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HOW_TO_GET_IT = "Debian: apt install chromium; elsewhere Google Chrome will do"
_NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)  # fmt: skip


def browser() -> str | None:
    """The path of Chromium or Chrome, or None where there is neither."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def write(page: Path) -> Path:
    """Print a web page into ``<page>.pdf`` beside it.

    Raises:
        RuntimeError: if the browser left no file.
    """
    target = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory(prefix="dlcourse browser ") as profile:
        command = [
            browser(), "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}", "--no-pdf-header-footer",
            *(["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []),  # root has to do without
            f"--print-to-pdf={target}", page.resolve().as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if not target.exists():
        raise RuntimeError(f"{command[0]} printed no {target}: {done.stderr.strip()[-500:]}")
    return target
