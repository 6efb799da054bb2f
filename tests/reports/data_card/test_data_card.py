"""The data card of a data set that can be counted by hand, and its safety with hostile texts."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import yaml
from tests.reports.data_card.card_records import CARD, HOSTILE, LEAK, NEAR, PHONE, TRAIN

from seodang.errors import ArtifactError
from seodang.io.jsonl import read_json, read_rows, serialize_record, write_json, write_rows
from seodang.records import make_record
from seodang.reports.data_card import write_data_card
from seodang.reports.data_card.contents import gather_contents
from seodang.reports.data_card.render import render_markdown, render_page


@pytest.fixture(scope="module")
def contents(tmp_path_factory, write_card_artifacts):
    return gather_contents(write_card_artifacts(tmp_path_factory.mktemp("card")), CARD, 1)


@pytest.fixture(scope="module")
def write_card(write_card_artifacts):
    def write_card(root, **changes):
        paths = write_card_artifacts(root, **changes)
        write_data_card(paths, CARD, 1)
        return {file.name: file.read_text("utf-8") for file in paths.data_card.iterdir()}

    return write_card


def test_the_funnel_loses_a_row_where_each_stage_left_it_out(contents):
    assert [(step.name, step.kept, step.lost) for step in contents.steps] == [
        ("read", 13, 0),
        ("ingested", 12, 1),
        ("accepted", 10, 2),
        ("unique", 9, 1),
        ("no leaks", 8, 1),
        ("mixed", 8, 0),
        ("train", 6, 2),
    ]


def test_copies_of_a_weight_above_one_are_counted_apart_from_records(contents):
    flow = contents.flows[1]
    doubled = replace(flow, splits={**flow.splits, "train": 3})
    assert (doubled.distinct_train, doubled.copies) == (1, 2)


def test_the_card_shows_how_many_rows_of_each_source_training_reads(tmp_path, write_card_artifacts):
    paths = write_card_artifacts(tmp_path)
    assert "over max_length" not in render_page(gather_contents(paths, CARD, 1))
    rows = [{"source": "films", "too_long": 41, "learned": 51}, {"source": "poems", "too_long": 0, "learned": 2}]
    write_json(paths.preflight_report, {"rows": rows})
    contents = gather_contents(paths, CARD, 1)
    assert (contents.all.too_long, contents.all.learned) == (41, 53)
    page, markdown = render_page(contents), render_markdown(contents)
    assert all(f">{count}</td>" in page for count in (41, 51, 53))
    assert [line for line in markdown.splitlines() if line.startswith("| films |") and line.endswith("| 41 | 51 |")]


def test_lengths_have_median_percentile_and_empty_texts(contents):
    instruction, input = contents.histograms["ko"]["instruction"], contents.histograms["ko"]["input"]
    # Characters of the five Korean instructions: 7, 7, 10, 10, 10; of the inputs that are not empty: 2, 2, 5.
    assert (instruction.median, instruction.p95, instruction.longest, instruction.records) == (10, 10, 10, 5)
    assert (input.median, input.p95, input.empty) == (2, 5, 2)
    assert sum(records for *_, records in input.bars) == 3


def test_labels_are_counted_by_task_and_language(contents):
    assert [(balance.task, balance.language, balance.labels, balance.records) for balance in contents.balances] == [
        ("sentiment", "ko", (("긍정", 2), ("부정", 1)), 3)
    ]


def test_duplicates_and_leaks_show_the_texts_of_both_records(contents):
    assert [(cluster.kept, cluster.size) for cluster in contents.overlaps.largest] == [(TRAIN[0].id, 2)]
    assert contents.heads[NEAR.id] == "시를 쓰세요! ⏎ 가나다라!"
    assert contents.heads[LEAK.id] == "Write a story ⏎ Once upon a time"


def test_a_template_before_many_inputs_counts_once(contents):
    korean = contents.roots[0]
    assert korean.instructions == 2  # of five records
    assert {(verb.name, verb.objects) for verb in korean.verbs} == {
        ("쓰다", (("시", 1),)),
        ("분류하다", (("감정", 1),)),
    }


def test_the_page_holds_both_languages_and_a_switch_and_loads_nothing(tmp_path, write_card):
    page = write_card(tmp_path)["index.html"]
    for text in (
        "원본에서 학습까지",
        "From raw to train",
        "Lengths",
        "라벨의 균형",
        "output is missing",
        "답이 없습니다",
        "several answers",
        "남은 따옴표",
        "소스와 라이선스",
        "Root verbs",
    ):
        assert text in page
    assert 'id="language-ko"' in page
    assert 'id="language-en" checked' in page
    assert not re.search(r"<script|<link|@import|url\(|src=|href=\"(?!#)", page)


def test_a_row_with_personal_data_shows_only_its_location(tmp_path, write_card):
    for text in write_card(tmp_path).values():
        assert PHONE not in text
    assert "films.json, 8" in write_card(tmp_path)["index.html"]


class Elements(HTMLParser):
    """Collect the tags and attributes of a page."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def handle_starttag(self, tag, attributes):
        self.names.add(tag)
        self.names |= {name for name, _ in attributes}


def test_hostile_text_is_shown_and_never_run(tmp_path, write_card):
    files = write_card(tmp_path, licences=(HOSTILE, "MIT"), text=HOSTILE)
    elements = Elements()
    elements.feed(files["index.html"])
    assert not elements.names & {"script", "img", "onerror", "src"}
    assert "&lt;script&gt;alert(1)" in files["index.html"]
    markdown = files["README.md"].partition("\n---\n")[2]
    assert "<script" not in markdown
    assert "<img" not in markdown
    assert "http://evil" not in markdown
    assert "@someone" not in markdown
    assert len({row.count("|") for row in markdown.splitlines() if row.startswith("| films | &")}) == 1


def test_a_non_commercial_source_has_a_banner_above_the_title(tmp_path, write_card):
    files = write_card(tmp_path, licences=("CC-BY-NC-4.0", "MIT"))
    page, markdown = files["index.html"], files["README.md"].partition("\n---\n")[2].lstrip()
    assert page.index("비상업적 이용만") < page.index("<h1>")
    assert page.index("non-commercial use only") < page.index("<h1>")
    assert markdown.startswith("> **non-commercial use only**")
    assert "The licences of films do not allow" in page


def test_a_free_source_has_no_banner(tmp_path, write_card):
    files = write_card(tmp_path)
    assert not any("non-commercial use only" in text for text in files.values())
    assert 'class="banner"' not in files["index.html"]


def test_an_unknown_licence_is_shown_as_unknown(tmp_path, write_card):
    files = write_card(tmp_path, licences=("", "MIT"))
    assert '<span lang="en">unknown</span><span lang="ko">알 수 없음</span>' in files["index.html"]
    assert yaml.safe_load(files["README.md"].split("---\n")[1])["license"] == ["mit", "unknown"]


def test_the_markdown_begins_with_the_front_matter_of_a_hub_card(tmp_path, write_card):
    front = yaml.safe_load(write_card(tmp_path)["README.md"].split("---\n")[1])
    assert front["license"] == ["apache-2.0", "cc0-1.0"]
    assert front["language"] == ["ko", "en"]
    assert front["task_categories"] == ["text-generation", "text-classification"]
    assert front["size_categories"] == ["n<1K"]


def test_figures_of_the_markdown_are_well_formed_and_beside_it(tmp_path, write_card):
    files = write_card(tmp_path)
    names = re.findall(r"\]\(([\w-]+\.svg)\)", files["README.md"])
    verbs = ["verbs-ko.svg", "verbs-en.svg"]
    assert names == ["funnel.svg", *verbs, "funnel-ko.svg", *verbs]  # the English and the Korean part
    for name in names:
        assert ElementTree.fromstring(files[name]).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_artifacts_give_the_same_bytes(tmp_path, write_card):
    assert write_card(tmp_path / "one") == write_card(tmp_path / "two")


def test_a_new_card_replaces_the_old_one_and_leaves_no_temporary_folder(tmp_path, write_card_artifacts):
    paths = write_card_artifacts(tmp_path)
    paths.data_card.mkdir(parents=True)
    (paths.data_card / "old.html").touch()
    write_data_card(paths, CARD, 1)
    assert {file.name for file in paths.data_card.iterdir()} == {
        "index.html",
        "README.md",
        "funnel.svg",
        "funnel-ko.svg",
        "verbs-ko.svg",
        "verbs-en.svg",
    }
    assert not list(paths.data_card.parent.glob(".data_card*"))


def test_a_missing_report_names_the_stage_to_run(tmp_path, write_card_artifacts):
    paths = write_card_artifacts(tmp_path)
    paths.validate_report.unlink()
    with pytest.raises(ArtifactError, match="dvc repro validate"):
        write_data_card(paths, CARD, 1)
    assert not paths.data_card.exists()


def test_a_problem_of_the_data_set_is_listed_with_its_scope(tmp_path, write_card):
    files = write_card(tmp_path)
    assert (
        '<code>drift (task)</code> <span lang="en">differs</span><span lang="ko">지난번과 다릅니다</span>'
        in files["index.html"]
    )
    assert "| data set | drift (task) | – | differs |" in files["README.md"]


@pytest.fixture
def write_permissions_card(tmp_path, write_card_artifacts):
    """Writes a card with a teacher of the source films, and what stage preflight reports."""

    def write_permissions_card(teacher, preflight):
        paths = write_card_artifacts(tmp_path)
        manifest = read_json(paths.ingest_report)
        manifest["sources"][0]["teachers"] = [teacher]
        write_json(paths.ingest_report, manifest)
        if preflight:
            write_json(paths.preflight_report, {"rows": [], **preflight})
        write_data_card(paths, CARD, 1)
        return {file.name: file.read_text("utf-8") for file in paths.data_card.iterdir()}

    return write_permissions_card


def test_the_card_says_what_base_data_and_teachers_allow_for_each_use(write_permissions_card):
    parts = [
        {"kind": "base", "name": "base", "licence": "EXAONE AI Model License Agreement 1.2 - NC"},
        {"kind": "source", "name": "films", "licence": "CC0-1.0"},
        {"kind": "teacher", "name": "films", "licence": "OpenAI Terms of Use"},
    ]
    files = write_permissions_card("OpenAI Terms of Use", {"parts": parts, "licences": {"use": "research"}})
    markdown = files["README.md"].partition("\n---\n")[2]
    rows = [
        line for line in markdown.splitlines() if line.startswith(("| the base", "| source films", "| **all together"))
    ]
    assert rows == [
        "| the base model under EXAONE AI Model License Agreement 1.2 - NC | forbidden | allowed on conditions "
        "| allowed on conditions |",
        "| source films under CC0-1.0 | allowed | allowed | allowed |",
        "| source films, written by a model under OpenAI Terms of Use | allowed on conditions | allowed on conditions "
        "| allowed on conditions |",
        "| **all together** | **forbidden** | **allowed on conditions** | **allowed on conditions** |",
    ]
    assert "Declared use (package.intended_use): research." in files["index.html"]
    assert "the outcome must not compete with models of OpenAI" in files["index.html"]


def test_before_preflight_the_card_knows_sources_and_teachers_only(write_permissions_card):
    page = write_permissions_card("a teacher nobody knows", None)["index.html"]
    assert "The base model is not among the parts before stage preflight has run." in page
    assert "written by a model under a teacher nobody knows" in page
    assert "not known to be allowed" in page


def test_records_of_a_teacher_are_shown_with_its_licence_and_recipe(tmp_path, write_card_artifacts):
    paths = write_card_artifacts(tmp_path)
    manifest = read_json(paths.ingest_report)
    batch = {"teacher": HOSTILE, "licence": "", "recipe": "self-instruct", "rows": 5, "prompts": 2}
    manifest["sources"][0]["generated"] = [{**batch, "first_date": "2026-11-29", "last_date": "2026-11-30"}]
    write_json(paths.ingest_report, manifest)
    write_data_card(paths, CARD, 1)
    page, markdown = ((paths.data_card / name).read_text("utf-8") for name in ("index.html", "README.md"))
    assert "교사 모델" in page
    assert "<td>self-instruct</td>" in page
    assert HOSTILE not in page
    assert "| unknown | self-instruct | 5 | 2 | 2026-11-29 – 2026-11-30 |" in markdown
    assert HOSTILE not in markdown


def test_the_korean_of_the_answers_is_shown_by_source_with_escaped_examples(tmp_path, write_card_artifacts):
    paths = write_card_artifacts(tmp_path)
    record = make_record(
        instruction="쓰세요.", input="", output=f"그는 {HOSTILE} 사과을 먹었습니다. 그리고 학교에 아주 일찍 갔다.", language="ko",
        source="films", task="t", cluster="t", file="films.json", source_row=9,
    )  # fmt: skip
    write_rows(paths.get_split_path("train"), [serialize_record(row) for row in (*TRAIN, record)])
    write_data_card(paths, CARD, 1)
    page, markdown = ((paths.data_card / name).read_text("utf-8") for name in ("index.html", "README.md"))
    assert "<script" not in page + markdown
    assert "Korean of the answers" in page
    assert "답변의 한국어" in page
    assert '<span class="quote">사과을</span> → <b>를</b>' in page
    assert "films.json, 9: <code>사과을</code> → 를" in markdown
    # Two answers without a sentence and this one; the labels of the task sentiment and the English answer do not count.
    assert [line for line in markdown.splitlines() if line.startswith("| films | 3 | 3 |")]


def test_a_card_without_korean_answers_has_no_such_section(tmp_path, write_card_artifacts):
    paths = write_card_artifacts(tmp_path)
    write_rows(paths.get_split_path("train"), [serialize_record(TRAIN[5])])
    page = render_page(gather_contents(paths, CARD, 1))
    assert 'id="s8"' not in page
    assert "#s8" not in page


def write_preferences(paths):
    """Write two pairs and a bad answer in train, one pair held out, and one row in quarantine."""
    manifest, validated, prepared = (
        read_json(file) for file in (paths.ingest_report, paths.validate_report, paths.prepare_report)
    )
    entry = {**manifest["sources"][0], "name": "pairs", "licence": "CC-BY-4.0", "rows_read": 5, "rows_written": 5}
    write_json(paths.ingest_report, {**manifest, "preferences": {"rows": 5, "sources": [entry]}})
    rules = {
        "pair-equal": {
            "severity": "reject",
            **{f"{kind}_{lang}": kind for kind in ("reason", "fix") for lang in ("ko", "en")},
        }
    }
    checks = {"rows": 5, "accepted": 4, "quarantined": 1, "by_rule": {"pair-equal": 1}, "warnings": {}, "rules": rules}
    write_json(paths.validate_report, {**validated, "preferences": checks})
    split = {"train": 3, "test": 1, "left_out": {"leak": 0, "near_duplicate": 0}}
    tasks = {"train": {HOSTILE: 3}, "test": {HOSTILE: 1}}
    write_json(paths.prepare_report, {**prepared, "preferences": {**split, "tasks": tasks}})
    common = {"instruction": "수도는?", "input": "", "source": "pairs", "task": "t", "cluster": "t"}
    pairs = [make_record(**common, output=output, rejected="부산") for output in ("서울입니다.", "서울", "서울이에요")]
    bad = make_record(**common, output="몰라", desirable=False)
    write_rows(paths.preferences_train, [serialize_record(row) for row in (*pairs[:2], bad)])
    write_rows(paths.preferences_test, [serialize_record(row) for row in pairs[2:]])
    quarantined = [*read_rows(paths.quarantine), {**next(iter(read_rows(paths.quarantine))), "source": "pairs"}]
    write_rows(paths.quarantine, quarantined)


def test_the_preference_set_is_a_section_of_its_own(tmp_path, write_card_artifacts):
    paths = write_card_artifacts(tmp_path)
    before = gather_contents(paths, CARD, 1)
    write_preferences(paths)
    contents = gather_contents(paths, CARD, 1)
    assert (before.preferences, before.all) == (None, contents.all)
    assert [reason.examples for reason in before.reasons] == [reason.examples for reason in contents.reasons]
    (row,) = contents.preferences.languages
    assert (row.train, row.test, row.pairs, row.good, row.bad) == (3, 1, 3, 0, 1)
    assert (row.chosen, row.rejected, row.chosen_longer, row.rejected_longer) == (5, 2, 2, 0)
    assert row.interval == pytest.approx((0.342, 1.0), abs=0.001)  # Wilson's interval of 2 of 2; one pair is a tie


def test_the_card_shows_the_preference_set_in_both_languages_with_its_licence(tmp_path, write_card_artifacts):
    paths = write_card_artifacts(tmp_path)
    write_preferences(paths)
    write_data_card(paths, CARD, 1)
    page, markdown = ((paths.data_card / name).read_text("utf-8") for name in ("index.html", "README.md"))
    assert "선호 데이터" in page
    assert "Preference data" in page
    assert "CC-BY-4.0" in page
    assert HOSTILE not in page + markdown
    assert "| Korean | 3 | 1 | 3 | 0 | 1 | 5 | 2 | 100.0% (34–100 %) |" in markdown
    assert "| 한국어 | 3 | 1 | 3 | 0 | 1 | 5 | 2 | 100.0% (34–100 %) |" in markdown
