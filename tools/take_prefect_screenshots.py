"""Write docs/images/prefect-run.png and prefect-scores.png: a finished run in Prefect's user interface.

    make flows                                          # and a run of instruction-tuning
    python tools/take_prefect_screenshots.py http://127.0.0.1:4200 RUN_ID [FOLDER]

Chromium needs fonts with Hangul: apt-get install chromium fonts-noto-cjk.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.fixtures.browser import Page, find_browser, run_browser  # noqa: E402

_SETTLE_SECONDS = 8.0  # after the text is there: the picture of the stages moves into its place


def find_artifact(url: str, run_id: str, key: str) -> str:
    """Return the id of the latest artifact of a run with a key."""
    body = json.dumps({"flow_runs": {"id": {"any_": [run_id]}}}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/artifacts/latest/filter", body, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return next(str(row["latest_id"]) for row in json.load(response) if row["key"] == key)


def take(page: Page, address: str, text: str, size: tuple[int, int], file: Path) -> None:
    """Open an address, wait until its page shows a text, and write a picture of it."""
    page.show(*size)
    page.open(address)
    page.wait(f"document.body.innerText.includes({json.dumps(text)})")
    time.sleep(_SETTLE_SECONDS)
    page.take_screenshot(file)


def main(arguments: Sequence[str] | None = None) -> int:
    """Take both pictures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("run_id")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args(arguments)
    program = find_browser()
    if program is None:
        print("there is no Chromium; run: apt-get install chromium fonts-noto-cjk", file=sys.stderr)
        return 2
    scores = find_artifact(options.url, options.run_id, "score-table")
    with (
        tempfile.TemporaryDirectory() as profile,
        run_browser(program, Path(profile), "--enable-unsafe-swiftshader") as browser,  # the stages are WebGL
        browser.open_page() as page,
    ):
        run = f"{options.url}/runs/flow-run/{options.run_id}"
        take(page, run, "Running stage", (1280, 1000), options.folder / "prefect-run.png")
        table = f"{options.url}/artifacts/artifact/{scores}"
        take(page, table, "sentiment", (1280, 900), options.folder / "prefect-scores.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
