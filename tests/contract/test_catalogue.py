"""The tools of the message catalogue: plural forms are extracted, checked and compiled."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import catalogue
import plural_forms

FORMS = ("{count} row", "{count} rows")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with one room of a module and a template, and an empty catalogue."""
    room = tmp_path / "src" / "seodang" / "gate"
    room.mkdir(parents=True)
    (tmp_path / "flows").mkdir()
    for name, value in (("ROOT", tmp_path), ("PACKAGE", room.parent), ("LOCALE", tmp_path / "locale")):
        monkeypatch.setattr(catalogue, name, value)
    monkeypatch.setattr(plural_forms, "EXEMPT", {})
    return room


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.py", 'from seodang.i18n import ngettext\nngettext("{count} row", "{count} rows", n, path=path)'),
        ("a.py", 'from seodang.i18n import Message\nMessage("{count} row", plural="{count} rows", count=n)'),
        ("a.j2", '{{ ngettext("{count} row", "{count} rows", n, path=path) }}'),
    ],
)
def test_a_message_about_a_count_needs_a_translation(file, content, package):
    (package / file).write_text(content, "utf-8")
    catalogue.update()
    assert catalogue.check() == [f"ko/gate.po: untranslated: {FORMS!r}"]
    path = catalogue.LOCALE / "ko" / "gate.po"
    path.write_text(path.read_text("utf-8").replace('msgstr[0] ""', 'msgstr[0] "행 {count}개"'), "utf-8")
    assert catalogue.check() == []
    assert "행 {count}개".encode() in catalogue.compile_catalogue("ko")


def test_a_plural_without_a_singular_is_reported(package):
    (package / "a.py").write_text('from seodang.i18n import _\n_("{count} rows")', "utf-8")
    assert [problem for problem in catalogue.check() if problem.startswith("no singular for '{count} rows'")]


@pytest.mark.parametrize(
    ("message", "phrase"),
    [
        ("{count:,} rows are accepted", "{count:,} rows"),
        ("wrote {count} new training records", "{count} new training records"),
        ("this machine has {count} device(s)", "{count} device(s)"),
        ("{path} has no rows", ""),
        ("{name} of the rows", ""),
        ("{speed} tokens/s", ""),
        ("one of {count}", ""),
    ],
)
def test_a_placeholder_before_a_plural_noun_is_found(message, phrase):
    assert plural_forms.find_plural(message) == phrase


def test_an_exemption_without_a_message_is_reported(monkeypatch):
    monkeypatch.setattr(plural_forms, "EXEMPT", {"{count} sizes": "never 1"})
    assert list(plural_forms.check_plurals(["{count} sizes of files"])) == []
    assert [problem for problem in plural_forms.check_plurals(["{count} files"]) if "exemption without" in problem]
