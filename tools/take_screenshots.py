"""Write docs/images/ui.png, ui.ko.png and ui-phone.png: the playground of a running service, in a headless Chromium.

    seodang serve --base --port 3999                    # the bundled model and its base
    python tools/take_screenshots.py http://127.0.0.1:3999 [FOLDER]

The questions are of the bundled records. Chromium needs fonts with Hangul: apt-get install chromium fonts-noto-cjk.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.fixtures.browser import CONTROL, Browser, Page, find_browser, run_browser  # noqa: E402


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is written into the page."""

    instruction: str
    input: str
    choices: Sequence[str] = ()
    """Answers to choose from; empty: the model writes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screenshot:
    """A picture of the page after some questions."""

    name: str
    questions: Sequence[Question]
    language: str = "en-US"
    is_phone: bool = False
    """Narrow, dark and without the base."""


SCREENSHOTS = (
    Screenshot(
        name="ui.png",
        questions=(
            Question(instruction="Rewrite it in full forms.", input="I don't take an umbrella on Sunday."),
            Question(
                instruction="Sort the customer's message: delivery, refund, booking or praise.",
                input="Your driver was so kind",
                choices=("delivery", "refund", "booking", "praise"),
            ),
        ),
    ),
    Screenshot(
        name="ui.ko.png",
        language="ko-KR",
        questions=(
            Question(instruction="다음 영화 감상의 감정을 분석하세요.", input="이 영화는 너무 지루해"),
            Question(
                instruction="다음 영화 감상의 감정을 분석하세요.",
                input="배우들의 연기가 훌륭했다",
                choices=("긍정", "부정", "중립"),
            ),
        ),
    ),
    Screenshot(
        name="ui-phone.png",
        is_phone=True,
        questions=(
            Question(
                instruction="Is this a statement, a question or a request?",
                input="Did he clean the room before dinner?",
            ),
            Question(
                instruction="Classify the remark as negative, neutral or positive.",
                input="This one was truly excellent.",
                choices=("positive", "neutral", "negative"),
            ),
        ),
    ),
)


def take(browser: Browser, url: str, screenshot: Screenshot, folder: Path) -> Path:
    """Ask the questions and write the picture; return its file.

    Args:
        browser: A running one.
        url: Of the service, without /ui.
        screenshot: What is asked, and on which screen.
        folder: Of the picture.
    """
    with browser.open_page() as page:
        if screenshot.is_phone:
            page.show(375, 812, dark=True, phone=True, scale=2)
        else:
            page.show(1280, 900, language=screenshot.language)
        page.open(f"{url.rstrip('/')}/ui")
        page.wait("state.models.length && document.querySelector('#facts dd')")
        if screenshot.is_phone:
            page.evaluate("(() => { other.value = ''; other.dispatchEvent(new Event('change')); })()")
        for number, question in enumerate(screenshot.questions, 1):
            _ask(page, question, number)
        page.click("input[value=answer]")
        if not screenshot.is_phone:  # there the focus opens the keyboard
            page.focus("#instruction")
        page.evaluate("scrollTo(0, 0)")
        file = folder / screenshot.name
        page.take_screenshot(file)
        return file


def _ask(page: Page, question: Question, number: int) -> None:
    page.click(f"input[value={'choose' if question.choices else 'answer'}]")
    texts = {"#instruction": question.instruction, "#input": question.input, "#options": "\n".join(question.choices)}
    for selector, text in texts.items():
        if text:
            page.evaluate(f"document.querySelector('{selector}').value = ''")
            page.focus(selector)
            page.type(text)
    page.press("Enter", CONTROL)
    page.wait(
        f"document.querySelectorAll('.turn').length === {number}"
        " && !document.querySelector('#log').hasAttribute('aria-busy')"
    )


def main() -> int:
    """Write the pictures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url", help="of the running service, such as http://127.0.0.1:3999")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    program = find_browser()
    if program is None:
        parser.error("no Chromium is installed: apt-get install chromium fonts-noto-cjk")
    with tempfile.TemporaryDirectory() as profile, run_browser(program, Path(profile)) as browser:
        for screenshot in SCREENSHOTS:
            print(take(browser, arguments.url, screenshot, arguments.folder), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
