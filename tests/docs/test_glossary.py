"""The glossary's list of words not to use holds for pages, docstrings, comments and messages."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from tests.constants import ROOT
from tests.docs.pages import list_pages

GLOSSARIES = (ROOT / "docs" / "glossary.md", ROOT / "docs" / "glossary.ko.md")
SOURCES = sorted([*(ROOT / "src" / "seodang").rglob("*.py"), *(ROOT / "flows").glob("*.py")])


def read_words(glossary: Path) -> list[str]:
    """Return the words not to use."""
    table = glossary.read_text("utf-8").partition("<!-- words: begin -->")[2].partition("<!-- words: end -->")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")][2:]
    return [word.strip() for cell in cells for word in cell.split(",")]


WORDS = [word for glossary in GLOSSARIES for word in read_words(glossary)]
PATTERN = re.compile(
    "|".join(rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word) for word in WORDS), re.IGNORECASE
)


SPELLING = re.compile(
    r"artefact|(?:normal|token|recogn|summar|quant|regular|optim|serial|initial|synchron)is(?:e|ing|ation)",
    re.IGNORECASE,
)
CODE = re.compile(r"`[^`]*`|\{[^}]*\}|\w+[._/:]\S*")
AMBIGUOUS = set(
    "영어 cluster gate group metric profile promote record reject replay rule source stage superiority task verdict".split()
)
PUBLIC_KEY = "normalise"  # of task files, which users have


def find_words(text: str) -> list[str]:
    return PATTERN.findall(text)


@pytest.mark.parametrize(
    "page",
    [page for page in list_pages() if page not in GLOSSARIES],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_a_page_uses_the_terms_of_the_glossary(page, drop_code):
    assert find_words(drop_code(page.read_text("utf-8"))) == []


def test_docstrings_comments_and_messages_use_the_terms_of_the_glossary():
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {text.strip()[:80]}"
        for path in SOURCES
        for text in iter_prose(path)
        if find_words(text)
    }
    assert found == set()


def test_names_end_in_ize():
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {token.string}"
        for path in [*SOURCES, *(ROOT / "benchmarks").glob("*.py"), *(ROOT / "tools").glob("*.py")]
        for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
        if token.type == tokenize.NAME and token.string != PUBLIC_KEY and SPELLING.search(token.string)
    }
    assert found == set()


def test_korean_messages_use_the_terms_of_the_glossary():
    assert [message for _, message in iter_messages() if find_words(message)] == []


def test_a_korean_message_has_the_glossary_s_term_for_each_english_one():
    found = [
        f"{english}: {message}"
        for english, korean in read_terms().items()
        for source, message in iter_messages()
        if re.search(rf"\b{re.escape(english)}s?\b", CODE.sub("", source), re.IGNORECASE) and korean not in message
    ]
    assert found == []


def test_a_korean_term_has_one_meaning():
    """A cluster holds tasks of one kind; other sets have other names."""
    found = [message for source, message in iter_messages() if "묶음" in message and "cluster" not in source]
    assert found == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The rows were mended.", ["mended"]),
        ("Recommend an arm", ["arm"]),
        ("an alarm, the harm, recommended", []),
        ("판단 불가입니다", ["판단 불가"]),
    ],
)
def test_the_check_finds_words_and_not_parts_of_other_words(text, words):
    assert find_words(text) == words


def iter_messages() -> Iterator[tuple[str, str]]:
    """Yield each message in English and in Korean."""
    for path in sorted((ROOT / "src" / "seodang" / "locale" / "ko").glob("*.po")):
        with path.open("rb") as file:
            yield from ((str(message.id), str(message.string)) for message in read_po(file) if message.id)


def read_terms() -> dict[str, str]:
    """Return the Korean term of each English one, without words that are also verbs, stages or parts of other terms."""
    rows = [line.split("|") for line in GLOSSARIES[1].read_text("utf-8").partition("<!--")[0].splitlines()]
    terms = {row[2].strip(): row[1].strip() for row in rows if len(row) == 5}
    return {english: korean for english, korean in terms.items() if english not in AMBIGUOUS and "," not in english}


def iter_prose(path: Path) -> Iterator[str]:
    """Yield the docstrings, comments and messages of a module."""
    source = path.read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_", "N_", "Message"}:
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
