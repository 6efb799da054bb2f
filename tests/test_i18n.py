"""Messages about a count: the plural of a language, at once and later."""

import pytest

from seodang.html import create_markdown_functions, mark_up, mark_up_count
from seodang.i18n import LANGUAGES, Message, _, choose_particles, ngettext, translate

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


@pytest.mark.parametrize(
    ("value", "topic", "object", "direction"),
    [
        ("과제", "과제는", "과제를", "과제로"),
        ("문항", "문항은", "문항을", "문항으로"),
        ("파일", "파일은", "파일을", "파일로"),
        ("seed(3개)", "seed(3개)는", "seed(3개)를", "seed(3개)로"),
        ('"표본"', '"표본"은', '"표본"을', '"표본"으로'),
        ("params.yaml", "params.yaml은", "params.yaml을", "params.yaml로"),
        ("train.jsonl", "train.jsonl은", "train.jsonl을", "train.jsonl로"),
        ("dvc.lock", "dvc.lock은", "dvc.lock을", "dvc.lock으로"),
        ("accuracy", "accuracy는", "accuracy를", "accuracy로"),
        ("exact_match", "exact_match는", "exact_match를", "exact_match로"),
        ("URL", "URL은", "URL을", "URL로"),
        ("DVC", "DVC는", "DVC를", "DVC로"),
        ("0.5", "0.5는", "0.5를", "0.5로"),
        ("10", "10은", "10을", "10으로"),
        (8, "8은", "8을", "8로"),
        ("95%", "95%는", "95%를", "95%로"),
        ("…", "…은(는)", "…을(를)", "…(으)로"),
        ("<code>tiny</code>", "<code>tiny</code>는", "<code>tiny</code>를", "<code>tiny</code>로"),
    ],
)
def test_a_particle_fits_the_value_before_it(value, topic, object, direction):
    for template, expected in (("{x}은(는)", topic), ("{x}을(를)", object), ("{x}(으)로", direction)):
        assert choose_particles(template, {"x": value}).format(x=value) == expected


def test_the_particles_of_a_text_are_chosen_one_by_one():
    text = choose_particles("{a}이(가) {b}과(와) {{다른}} {c:.1f}을(를)", {"a": "모델", "b": "베이스", "c": 2.04})
    assert text == "{a}이 {b}와 {{다른}} {c:.1f}을"


def test_pages_and_terminal_show_one_particle(monkeypatch):
    monkeypatch.setattr(Message, "select_form", lambda self, language: "{x}은(는) 없음")
    assert Message("a", {"x": "과제"}).translate("ko") == "과제는 없음"
    assert "과제는 없음" in mark_up("a", x="과제")
    assert create_markdown_functions("ko")["_"]("a", x="과제") == "과제는 없음"
