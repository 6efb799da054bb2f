"""The page at /ui in a headless Chromium. Run: pytest -n 0 -m slow tests/service/test_playground_browser.py"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.fixtures.browser import CONTROL, SHIFT, Browser, Page
from tests.fixtures.serving import serve_app
from tests.service.conftest import ScriptedEngine

from seodang.inference.engine.contract import EngineStopped, TokenRequest, TokenStep
from seodang.service.context import ServiceContext
from seodang.service.http.api_keys import ApiKeys
from seodang.service.web_app import create_app

pytestmark = pytest.mark.slow

ATTACK = "<img src=x onerror=\"document.title='attacked'\"><script>document.title='attacked'</script>"
ANSWER = "서당 개 삼 년이면 풍월을 읊는다."
KEY = "0123456789abcdef"
IDLE = "!document.querySelector('#log').hasAttribute('aria-busy')"


@dataclass
class PacedEngine(ScriptedEngine):
    """Answers with tokens that a test releases."""

    allowed: int = 1_000_000

    async def submit(self, request: TokenRequest) -> AsyncGenerator[TokenStep]:
        count = 0
        async for step in ScriptedEngine.submit(self, request):
            while count >= self.allowed:
                await asyncio.sleep(0.002)
            count += 1
            yield step


@dataclass
class Served:
    """A running service."""

    url: str
    engine: PacedEngine
    bodies: list[Any]
    stop: Callable[[], None]


@contextmanager
def run_service(context: ServiceContext, keys: str = "") -> Iterator[Served]:
    """Serve a context with a PacedEngine in a thread."""
    app = create_app(context, keys=ApiKeys({"SEODANG_API_KEYS": keys}))
    bodies: list[Any] = []

    async def record(scope: Any, receive: Any, send: Any) -> None:
        parts: list[bytes] = []

        async def read() -> Any:
            message = await receive()
            parts.append(message.get("body", b""))
            if any(parts) and not message.get("more_body", False):  # a long body arrives in parts
                bodies.append(json.loads(b"".join(parts)))
                parts.clear()
            return message

        await app(scope, read, send)

    assert isinstance(context.engine, PacedEngine)
    with serve_app(record) as running:
        yield Served(f"{running.url}/ui", context.engine, bodies, running.stop)


@pytest.fixture
def build_context(served: ServiceContext) -> Callable[..., ServiceContext]:
    """Builds a context whose engine answers with a text, or with given items."""

    def build_context(answer: str | list[Any] = ANSWER, format: str = "koalpaca", **model: Any) -> ServiceContext:
        items = served.model.encoder.encode_text(answer) if isinstance(answer, str) else answer
        manifest = served.model.manifest.model_copy(update={"max_new_tokens": 100})
        if format != "koalpaca":
            manifest = manifest.model_copy(update={"prompt": manifest.prompt.model_copy(update={"format": format})})
        changed = replace(served.model, manifest=manifest, **{"context_length": 4096, **model})
        return ServiceContext(changed, PacedEngine(items, manifest.end_id))

    return build_context


@pytest.fixture
def service(build_context: Callable[..., ServiceContext]) -> Iterator[Served]:
    with run_service(build_context()) as service:
        yield service


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab; at its end, the page must have had no error, and its policy must have refused nothing."""
    with browser.open_page() as page:
        page.show(1280, 800)
        yield page
        page.evaluate("1")
        assert page.problems == []


def open_page(page: Page, service: Served) -> None:
    page.open(service.url)
    page.wait("state.models.length && document.querySelector('#facts dd')")


def enter_key(page: Page, service: Served) -> None:
    page.open(service.url)
    page.wait("document.querySelector('#key').checkVisibility()")
    page.type(KEY)
    page.press("Enter")
    page.wait("document.querySelector('#facts dd')")


def write(page: Page, instruction: str, input: str = "") -> None:
    for selector, text in (("#instruction", instruction), ("#input", input)):
        page.evaluate(f"document.querySelector('{selector}').value = ''")
        page.focus(selector)
        page.type(text)


def ask(page: Page, instruction: str, input: str = "") -> None:
    """Ask and wait until the answer is complete."""
    write(page, instruction, input)
    page.press("Enter", CONTROL)
    page.wait(f"document.querySelector('.turn') && {IDLE}")


@pytest.mark.smoke
def test_a_korean_answer_grows_as_the_tokens_come(page, service):
    service.engine.allowed = 0
    open_page(page, service)
    write(page, "속담을 하나 말해 보세요.", "서당")
    page.press("Enter", CONTROL)
    lengths = []
    for count in (4, 9, 1000):
        service.engine.allowed = count
        page.wait(f"(document.querySelector('.answer .text')?.innerText.length ?? 0) > {lengths[-1] if lengths else 0}")
        lengths.append(len(page.read(".answer .text")))
        assert ANSWER.startswith(page.read(".answer .text"))
    page.wait(IDLE)
    assert page.read(".answer .text") == ANSWER
    assert page.read(".question").startswith("속담을 하나 말해 보세요.\n")
    assert "The answer is complete." in page.read("#status")
    assert service.bodies[-1]["messages"] == [{"role": "user", "content": "속담을 하나 말해 보세요.", "input": "서당"}]
    assert page.evaluate("document.querySelector('#instruction').value") == ""


@pytest.mark.parametrize("way", ["Escape", "button"])
def test_stop_ends_the_answer_and_frees_the_engine(page, service, way):
    service.engine.allowed = 5
    open_page(page, service)
    write(page, "가")
    page.press("Enter", CONTROL)
    page.wait("document.querySelector('.answer .text')?.innerText.length")
    assert service.engine.running == 1
    if way == "button":
        page.click("#stop")
    else:
        page.press("Escape")
    page.wait(f"{IDLE} && document.querySelector('.answer').innerText.includes('Stopped.')")
    assert ANSWER.startswith(page.read(".answer .text"))
    service.engine.allowed = 6
    deadline = time.monotonic() + 30
    while service.engine.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert service.engine.running == 0
    service.engine.allowed = 1000
    ask(page, "나")
    assert page.evaluate("document.querySelectorAll('.answer .text')[1].innerText") == ANSWER


def test_text_of_the_user_and_of_the_model_stays_text(page, build_context):
    with run_service(build_context(ATTACK, tag=f"{ATTACK}:1", bento=ATTACK)) as service:
        open_page(page, service)
        ask(page, ATTACK, ATTACK)
        assert page.read(".answer .text") == ATTACK
        assert page.read(".question p") == ATTACK
        page.click("input[value=choose]")
        page.focus("#options")
        page.type(f"{ATTACK}\nb")
        ask(page, "c")
        assert ATTACK in page.read(".bars")
        assert page.evaluate("document.images.length") == 0
        assert page.evaluate("document.scripts.length") == 1
        assert "attacked" not in page.evaluate("document.title")


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_no_width_scrolls_sideways_and_dark_is_dark(page, build_context, width, dark):
    page.show(width, 812, dark=dark, phone=width < 500)
    with run_service(build_context("가" * 60 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 3)) as service:
        open_page(page, service)
        ask(page, "긴낱말" * 40, "https://example.org/" + "a" * 200)
        page.click("input[value=choose]")
        page.focus("#options")
        page.type("아주긴보기" * 20 + "\nb")
        ask(page, "고르세요")
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        page.wait("document.querySelector('.bars')")
        wide = page.evaluate(
            "[...document.querySelectorAll('body *')].filter((element) => element.checkVisibility()"
            " && element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.outerHTML.slice(0, 80))"
        )
        assert wide == []
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (max(colour) < 60) == dark


def test_everything_works_by_the_keyboard_and_the_focus_shows(page, service):
    open_page(page, service)
    assert page.evaluate("document.activeElement.id") == "instruction"
    page.type("가")
    reached = []
    for _step in range(6):
        page.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert reached[:3] == ["input", "send", "history"]
    for _step in range(5):
        page.press("Tab", SHIFT)
    assert page.evaluate("document.activeElement.id") == "send" or page.evaluate("document.activeElement.id") == "input"
    page.focus("#send")
    page.press("Enter")
    page.wait(f"document.querySelector('.figures') && {IDLE}")
    assert page.evaluate("document.activeElement.id") == "instruction"
    page.focus("input[value=answer]")
    page.press("ArrowRight")
    assert page.evaluate("document.querySelector('#options').checkVisibility()")


def test_every_field_has_a_label_and_the_log_is_announced(page, service):
    open_page(page, service)
    page.click("input[value=choose]")
    assert (
        page.evaluate(
            "[...document.querySelectorAll('input, select, textarea')].filter((field) => !field.labels?.length)"
            ".map((field) => field.id)"
        )
        == []
    )
    assert page.evaluate("document.querySelector('#log').getAttribute('role')") == "log"
    assert page.evaluate("document.querySelector('#status').tagName") == "OUTPUT"
    nameless = page.evaluate("[...document.querySelectorAll('button')].filter((b) => !b.textContent.trim()).length")
    assert nameless == 0


def test_enter_that_ends_a_syllable_does_not_send(page, service):
    open_page(page, service)
    page.focus("#instruction")
    page.type("안녕하세")
    page.compose("요")
    page.press("Enter", CONTROL)
    assert service.bodies == []
    assert page.evaluate("document.querySelectorAll('.turn').length") == 0
    page.type("요")
    page.press("Enter")
    page.type("여러분")
    assert service.bodies == []
    page.press("Enter", CONTROL)
    page.wait(f"document.querySelector('.turn') && {IDLE}")
    assert service.bodies[-1]["messages"][0]["content"] == "안녕하세요\n여러분"


def test_the_page_asks_for_the_key_and_keeps_it_in_the_tab(browser, page, build_context):
    with run_service(build_context(), keys=f"me:{KEY}") as service:
        page.open(service.url)
        page.wait("document.querySelector('#key').checkVisibility()")
        assert page.evaluate("document.activeElement.id") == "key"
        for wrong in ("wrong-key-of-no-one", "한글로 쓴 키"):
            page.type(wrong)
            page.press("Enter")
            page.wait("document.querySelector('#key').value === ''")
            page.wait("document.querySelector('#connection').innerText.includes('does not know this API key')")
        page.type(KEY)
        page.press("Enter")
        page.wait("document.querySelector('#facts dd')")
        page.wait("!document.querySelector('#connection').checkVisibility()")
        ask(page, "가")
        assert page.read(".answer .text") == ANSWER
        command = page.evaluate("document.querySelector('#curl').textContent")
        assert KEY not in command
        assert "$SEODANG_API_KEY" in command
        assert page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href").find(KEY) < 0
        page.open("about:blank")
        open_page(page, service)  # the tab still has it
        with browser.open_page() as other:
            other.open(service.url)
            other.wait("document.querySelector('#key').checkVisibility()")
        page.click("#forget")
        page.wait("document.querySelector('#key').checkVisibility()")


def test_a_choice_shows_the_probability_of_each_answer(page, service):
    open_page(page, service)
    page.click("input[value=choose]")
    page.focus("#options")
    page.type("긍정\n아주 긴 보기입니다\n긍정")
    ask(page, "감정을 고르세요.", "좋은 영화")
    assert service.bodies[-1] == {
        "instruction": "감정을 고르세요.",
        "input": "좋은 영화",
        "options": ["긍정", "아주 긴 보기입니다"],
    }
    assert page.read(".bars .best .name") == "긍정"
    shares = page.evaluate(
        "[...document.querySelectorAll('.share')].map((share) => share.getBoundingClientRect().width)"
    )
    percents = page.evaluate(
        "[...document.querySelectorAll('.bars .number')].map((text) => parseFloat(text.innerText))"
    )
    assert shares[0] > shares[1]
    assert sum(percents) == pytest.approx(100, abs=0.2)
    page.evaluate("document.querySelector('#options').value = 'a'")
    write(page, "가")
    page.press("Enter", CONTROL)
    assert "at least two different answers" in page.read("#status")
    assert page.evaluate("document.activeElement.id") == "options"


@pytest.mark.parametrize(("browser_language", "other"), [("ko-KR", "en"), ("en-GB", "ko"), ("de", "ko")])
def test_one_language_is_shown_and_the_user_can_switch(page, service, browser_language, other):
    page.show(1280, 800, language=browser_language)
    open_page(page, service)
    ask(page, "x")
    first = "ko" if browser_language.startswith("ko") else "en"
    check_language(page, first)
    page.click(f"label[for=language-{other}]")
    check_language(page, other)
    open_page(page, service)
    check_language(page, other)


def check_language(page: Page, language: str) -> None:
    hidden = "en" if language == "ko" else "ko"
    assert page.evaluate("document.documentElement.lang") == language
    assert (
        page.evaluate(f"[...document.querySelectorAll('main [lang={hidden}]')].some((e) => e.checkVisibility())")
        is False
    )
    assert page.evaluate(f"[...document.querySelectorAll('main [lang={language}]')].some((e) => e.checkVisibility())")
    assert page.read("#send") == {"ko": "보내기", "en": "Send"}[language]


def test_two_models_answer_side_by_side(page, build_context):
    context = build_context()
    context.other_models = (replace(build_context("다른 답변"), model=replace(context.model, tag="base", names=())),)
    with run_service(context) as service:
        open_page(page, service)
        ask(page, "가")
        assert page.evaluate("[...document.querySelectorAll('.answer h3')].map((e) => e.innerText)") == [
            "tiny:0123456789ab",
            "base",
        ]
        one, other = page.evaluate(
            "[...document.querySelectorAll('.answer')].map((e) => e.getBoundingClientRect().toJSON())"
        )
        assert one["top"] == other["top"]
        assert one["right"] <= other["left"]
        assert page.evaluate("[...document.querySelectorAll('.answer .text')].map((e) => e.innerText)") == [
            ANSWER,
            "다른 답변",
        ]
        asked = [body["model"] for body in service.bodies if "messages" in body]
        assert sorted(asked) == ["base", "tiny:0123456789ab"]
        page.evaluate("document.querySelector('#other').value = ''")
        ask(page, "나")
        assert page.evaluate("document.querySelectorAll('.answer').length") == 3


def test_one_model_says_how_the_base_is_served_beside_it(page, service):
    open_page(page, service)
    assert "seodang serve --base" in page.read("#alone")
    assert page.evaluate("document.querySelector('#model-choice').checkVisibility()") is False


def test_the_options_are_those_of_the_request(page, service):
    open_page(page, service)
    for name, value in (
        ("temperature", "0.7"),
        ("top_p", "0.9"),
        ("max_tokens", "12"),
        ("seed", "3"),
        ("system", "짧게"),
    ):
        page.focus(f"#{name}")
        page.type(value)
    ask(page, "가")
    body = service.bodies[-1]
    assert [body[name] for name in ("temperature", "top_p", "max_tokens", "seed")] == [0.7, 0.9, 12, 3]
    assert body["messages"][0] == {"role": "system", "content": "짧게"}
    page.evaluate("document.querySelector('#temperature').value = '9'")
    write(page, "나")
    page.press("Enter", CONTROL)
    assert page.evaluate("document.activeElement.id") == "temperature"
    assert "outside its range" in page.read("#status")


def test_the_command_sends_the_same_request(page, service):
    open_page(page, service)
    write(page, 'It\'s "quoted" $HOME `x` \\ 한국어', "두\n줄")
    command = page.evaluate("document.querySelector('#curl').textContent")
    assert command.startswith("curl -N http://127.0.0.1:")
    printed = subprocess.run(
        ["bash", "-c", command.replace("curl", "printf '%s\\0'", 1)], capture_output=True, check=True, text=True
    ).stdout
    assert json.loads(printed.split("\0")[-2])["messages"] == [
        {"role": "user", "content": 'It\'s "quoted" $HOME `x` \\ 한국어', "input": "두\n줄"}
    ]


@pytest.mark.parametrize("format", ["koalpaca", "chat"])
def test_earlier_turns_go_along_where_the_model_was_tuned_on_conversations(page, build_context, format):
    with run_service(build_context(format=format)) as service:
        open_page(page, service)
        ask(page, "하나", "입력")
        ask(page, "둘")
        roles = [message["role"] for message in service.bodies[-1]["messages"]]
        assert roles == (["user", "assistant", "user"] if format == "chat" else ["user"])
        page.click("#history")
        ask(page, "셋")
        roles = [message["role"] for message in service.bodies[-1]["messages"]]
        assert len(roles) == (1 if format == "chat" else 5)
        page.click("#clear")
        assert page.evaluate("document.querySelectorAll('.turn').length") == 0
        assert page.evaluate("document.querySelector('#welcome').checkVisibility()")


@pytest.mark.parametrize(
    ("answer", "request_", "sentence"),
    [
        ([5, RuntimeError("secret")], "가", "The service failed."),
        ([RuntimeError("secret")], "가", "The service failed."),
        (ANSWER, "가 " * 9000, "longer than the model can read"),
        ("full", "가", "The service is busy."),
        ([EngineStopped("dead")], "가", "The engine of the service has stopped."),
        ([5, EngineStopped("dead")], "가", "The engine of the service has stopped."),
        ("limit", "가", "does not accept this request: max_tokens: must be from 1 to 100"),
    ],
)
def test_an_error_is_a_sentence_that_says_what_to_do(page, build_context, answer, request_, sentence):
    context = build_context(answer)
    context.engine.is_full = answer == "full"
    with run_service(context) as service:
        open_page(page, service)
        if answer == "limit":
            page.focus("#max_tokens")
            page.type("101")
        ask(page, request_)
        assert sentence in page.read(".problem")
        assert "secret" not in page.read("main")
        assert page.evaluate("document.querySelector('#instruction').value") == request_  # to be sent again


@pytest.mark.parametrize(
    ("variables", "keys", "sentence"),
    [
        ({"SEODANG_REQUESTS_PER_MINUTE": "2"}, f"a:{KEY}", "The limit of this API key is reached, 2 per minute."),
        ({"SEODANG_REQUESTS_PER_MINUTE": "2"}, "", "The limit that all clients without a key share is reached, 2 per"),
        ({}, f"a/2:{KEY}", "The limit of this API key is reached, 2 per minute."),
    ],
)
def test_a_limit_says_which_one_and_when_to_try_again(page, build_context, monkeypatch, variables, keys, sentence):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with run_service(build_context(), keys=keys) as service:
        if keys:
            enter_key(page, service)
        else:
            open_page(page, service)
        for _ in range(3):
            ask(page, "가")
        shown = page.read(".turn:last-child .problem")
        assert sentence in shown
        assert re.search(r"Send the request again in (2\d|30) s\.", shown)


def test_too_many_requests_at_the_same_time_are_no_busy_service(page, build_context, monkeypatch):
    monkeypatch.setenv("SEODANG_CONCURRENT_REQUESTS", "1")
    context = build_context()
    context.other_models = (replace(build_context("다른 답변"), model=replace(context.model, tag="base", names=())),)
    with run_service(context) as service:
        open_page(page, service)
        service.engine.allowed = 0  # the first request is still running when the second one arrives
        write(page, "가")
        page.press("Enter", CONTROL)  # asks both models at the same time
        page.wait("document.querySelector('.problem')")
        service.engine.allowed = 1_000_000
        page.wait(IDLE)
        assert "The limit of requests at the same time is reached." in page.read(".problem")
        assert page.evaluate("document.querySelectorAll('.problem').length") == 1


def test_a_service_that_is_gone_can_be_tried_again(page, build_context):
    context = build_context()
    with run_service(context) as service:
        open_page(page, service)
        service.engine.allowed = 4
        write(page, "가")
        page.press("Enter", CONTROL)
        page.wait("document.querySelector('.answer .text')?.innerText.length")
        service.stop()
        page.wait("document.querySelector('.problem')")
        assert "The connection ended before the answer was complete." in page.read(".problem")
        ask(page, "나")
        page.wait("document.querySelectorAll('.problem').length == 2")
        assert "Check that it runs (seodang serve)" in page.read(".turn:last-child .problem")


def test_the_lineage_shows_verdict_licences_and_what_they_forbid(page, build_context, served):
    lineage = {
        "verdict": {"verdict": "promote", "reasons": [{"en": "accuracy met", "ko": "accuracy 충족", "passed": True}]},
        "base": {"name": "base-x", "licence": "Gemma"},
        "sources": [{"name": "nsmc", "licence": "CC-BY-NC-4.0"}],
        "terms": {"non_commercial": ["CC-BY-NC-4.0"], "share_alike": [], "unknown": []},
        "git_commit": "0123456789abcdef",
    }
    manifest = served.model.manifest.model_copy(update={"lineage": lineage})
    context = ServiceContext(replace(served.model, manifest=manifest), PacedEngine([5], manifest.end_id))
    with run_service(context) as service:
        open_page(page, service)
        card = page.read("#model-card")
        for text in ("tiny:0123456789ab", "promoted", "base-x", "Gemma, CC-BY-NC-4.0", "Not for commercial use"):
            assert text in card
        page.click("#lineage summary")
        assert "accuracy met" in page.read("#lineage")
        assert "nsmc (CC-BY-NC-4.0)" in page.read("#lineage")


@pytest.mark.parametrize("lineage", [{}, dict.fromkeys(("verdict", "base", "sources", "terms", "git_commit"))])
def test_a_model_without_lineage_can_be_asked(page, build_context, served, lineage):
    manifest = served.model.manifest.model_copy(update={"lineage": lineage})
    context = build_context()
    context.model = replace(context.model, manifest=manifest.model_copy(update={"max_new_tokens": 100}))
    with run_service(context) as service:
        open_page(page, service)
        assert "This model has no verdict." in page.read("#model-card")
        ask(page, "가")
        assert page.read(".answer .text") == ANSWER
