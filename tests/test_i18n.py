"""Messages about a count: the plural of a language, at once and later."""

import pytest

from seodang.html import create_markdown_functions, mark_up_count
from seodang.i18n import LANGUAGES, Message, _, ngettext, translate

ITEMS = ("{count} item", "{count} items")


@pytest.mark.parametrize(
    ("count", "english", "korean"), [(0, "0 items", "문항 0개"), (1, "1 item", "문항 1개"), (2, "2 items", "문항 2개")]
)
def test_a_count_selects_the_form_of_the_language(count, english, korean, monkeypatch):
    message = Message(ITEMS[0], plural=ITEMS[1], count=count)
    assert message.to_json() == {"en": english, "ko": korean}
    assert mark_up_count(*ITEMS, count) == f'<span lang="en">{english}</span><span lang="ko">{korean}</span>'
    for language, text in (("en", english), ("ko", korean)):
        monkeypatch.setenv("SEODANG_LANG", language)
        assert ngettext(*ITEMS, count) == str(message) == text
        assert create_markdown_functions(language)["ngettext"](*ITEMS, count) == text


def test_a_message_without_translation_keeps_its_plural():
    message = Message("{count} zebra in {place}", {"place": "Ulm"}, plural="{count} zebras in {place}", count=2)
    assert message.to_json() == dict.fromkeys(LANGUAGES, "2 zebras in Ulm")


def test_a_fraction_takes_the_plural():
    assert ngettext("{count:g} epoch", "{count:g} epochs", 0.5) == "0.5 epochs"
    assert ngettext("{count:g} epoch", "{count:g} epochs", 1.0) == "1 epoch"


def test_a_value_may_be_a_message_about_another_count():
    groups = Message("{count} independent group", plural="{count} independent groups", count=1)
    items = Message(ITEMS[0], plural=ITEMS[1], count=8)
    message = Message("{items} in {groups}", {"items": items, "groups": groups})
    assert message.to_json() == {"en": "8 items in 1 independent group", "ko": "서로 독립인 그룹 1개의 문항 8개"}


def test_values_may_replace_the_count_in_the_text():
    rule = Message(
        "longer than {limit} character", {"limit": "1,600"}, plural="longer than {limit} characters", count=1600
    )
    assert str(rule) == "longer than 1,600 characters"


def test_a_message_without_values_keeps_its_braces():
    assert _("{x}") == "{x}"
    assert translate("ko", Message("{name} rows"), name="a") == "a rows"
