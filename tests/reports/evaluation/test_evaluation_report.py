"""The evaluation report: equal to verdict and scores, largest regressions first, safe with any text, self-contained."""

import base64
import hashlib
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import pytest
from tests.constants import ITEM_SCORE

from seodang.config import GateParams
from seodang.config.profiles import read_starter
from seodang.errors import ArtifactError, EvaluationError
from seodang.evaluation.aggregate import (
    ItemScore,
    aggregate_by_task,
    aggregate_by_variant,
    list_variants,
    select_best_variant,
)
from seodang.evaluation.task_metrics import compute_task_metrics
from seodang.evaluation.tasks.protocol import describe_protocol
from seodang.evaluation.tasks.source import UnverifiedFact
from seodang.evaluation.tasks.spec import load_specs
from seodang.gate.decision import decide
from seodang.gate.pairing import pair_scores
from seodang.gate.scores import select_scores
from seodang.io.jsonl import write_json, write_records, write_rows
from seodang.paths import Paths
from seodang.records import make_record
from seodang.reports.evaluation import (
    build_report_data,
    render_report,
    write_evaluation_report,
    write_judged_report,
)
from seodang.reports.evaluation.charts import BAR_WIDTH, build_forests, build_panel
from seodang.reports.evaluation.regressions import MAX_CHANGES
from seodang.reports.evaluation.render import UNVERIFIED_LABELS
from seodang.reports.evaluation.report_data import list_plot_metrics

RULE = {"metric": "accuracy", "higher_is_better": None, "tasks": [], "groups": []}
GATE = GateParams(
    **{
        **read_starter()["gate"],
        "resamples": 1000,
        "minimum_items": 4,
        "thresholds": [],
        "rules": [
            {**RULE, "against": "base", "test": "superiority", "margin": 0.0, "group_by": "all"},
            {**RULE, "against": "champion", "test": "non_inferiority", "margin": 0.05, "group_by": "all"},
        ],
    }
)
LABELS = {"ko": ("긍정", "부정"), "en": ("positive", "negative")}
ITEMS = 12  # of each task and language


def item(number, language="ko", instruction="감정은?", text="영화"):
    return make_record(
        instruction=instruction,
        input=f"{text} {number}",
        output=LABELS[language][number % 2],
        language=language,
        source="test",
        task="sentiment",
        cluster="mood",
    )


TASKS = Path(__file__).resolve().parents[3] / "tasks"

RECORDS = {language: [item(number, language) for number in range(ITEMS)] for language in LABELS}
OPEN = [
    make_record(
        instruction=f"{number} 더하기 1은?",
        input="",
        output=str(number + 1),
        language="ko",
        source="test",
        task="addition",
        cluster="sums",
    )
    for number in range(3)
]


def make_score(variant, record, right, loss, **changes):
    other_label = next(label for label in LABELS[record.language] if label != record.output)
    fields = {
        "variant": variant,
        "item": record.id,
        "task": "sentiment",
        "language": record.language,
        "reference": record.output,
        "accuracy": float(right),
        "prediction": record.output if right else other_label,
        "loss": loss,
    }
    return ItemScore(**{**ITEM_SCORE, **fields, **changes})


def make_free_score(variant, record, answer, loss):
    right = float(answer == record.output)
    return make_score(
        variant,
        record,
        right,
        loss,
        task="addition",
        kind="open",
        primary_metric="exact_match",
        split="unseen",
        accuracy=None,
        prediction=None,
        answer=answer,
        exact_match=right,
        chrf=100 * right,
        eos_rate=True,
    )


def make_variant_scores(variant, wrong, loss=1.0):
    """Return the scores of a variant that has the items with these numbers wrong, in both languages."""
    return [
        make_score(variant, record, number not in wrong, loss + (2.0 if number in wrong else 0.0) + number / 100)
        for records in RECORDS.values()
        for number, record in enumerate(records)
    ]


def make_all_scores(champion=True, tuned_wrong=(3,)):
    scores = [
        *make_variant_scores("zero_shot", range(8)),
        *make_variant_scores("few_shot/1", range(6)),
        *make_variant_scores("few_shot/3", (0, 1, 2, 4, 5)),
    ]
    scores += [
        *(make_variant_scores("champion", (0, 3, 7)) if champion else []),
        *make_variant_scores("tuned", tuned_wrong, 0.5),
    ]
    return [
        *scores,
        *(
            make_free_score(variant, record, record.output if variant == "tuned" else "", 2.0)
            for variant in list_variants(scores)
            for record in OPEN
        ),
    ]


def build_evaluation(scores, **changes):
    formats = {
        variant: {"format": "koalpaca", "shots": int(variant.partition("/")[2] or 0), "fingerprint": "f" * 64}
        for variant in list_variants(scores)
    }
    best = {kind: select_best_variant(scores, kind) for kind in ("zero_shot", "few_shot")}
    return {
        "variants": aggregate_by_variant(scores),
        "best": best,
        "tasks": aggregate_by_task(scores),
        "task_metrics": compute_task_metrics(scores),
        "formats": formats,
        "settings": {"seed": 1446, "shots": [0, 1, 3]},
        **changes,
    }


def build_verdict(scores, best):
    rows = [asdict(score) for score in scores]
    tuned = select_scores(rows, "tuned")
    compared = {"base": [(name, pair_scores(tuned, select_scores(rows, name), name)) for name in best.values()]}
    if any(score.variant == "champion" for score in scores):
        compared["champion"] = [("champion", pair_scores(tuned, select_scores(rows, "champion"), "champion"))]
    return {
        **asdict(decide(compared, GATE)),
        "confidence": GATE.confidence,
        "items_fingerprint": "a" * 64,
        "adapter_sha256": "b" * 64,
        "scores_sha256": "c" * 64,
    }


def build_data(scores=None, records=None, protocols=(), **changes):
    scores = make_all_scores() if scores is None else scores
    evaluation = build_evaluation(scores, protocols=protocols)
    verdict = {**build_verdict(scores, evaluation["best"]), **changes}
    return build_report_data(
        verdict,
        evaluation,
        (asdict(score) for score in scores),
        [*RECORDS["ko"], *RECORDS["en"], *OPEN] if records is None else records,
        GATE,
    )


def extract_text(html):
    """Return the text of a page, runs of blanks as one."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_the_verdict_stands_first_with_every_reason_in_both_languages():
    found = build_data()
    text = extract_text(render_report(found))
    assert text.startswith("Evaluation report · 평가 보고서 English 한국어 Evaluation report 평가 보고서 promote 승격")
    assert len(found.reasons) == 5  # with two notes on names that no rule uses
    for reason in found.reasons:
        assert " ".join(reason["ko"].split()) in text
        assert " ".join(reason["en"].split()).replace("<", "&lt;") in text


def test_the_page_has_source_and_protocol_of_each_task_file():
    specs = load_specs(TASKS, ["kmmlu_direct", "click_lang_text", "held_out"])
    text = extract_text(render_report(build_data(protocols=[describe_protocol(spec, [0, 4]) for spec in specs])))
    assert "Sources and protocols of task files 과제 파일의 소스와 프로토콜" in text
    for part in ("HAERAE-HUB/KMMLU c0a94477a610", "CC BY-ND 4.0 35,030", "lm-evaluation-harness 0.4.13, kmmlu/direct"):
        assert part in text
    assert "none stated 명시되지 않음" in text
    assert "not verified: 확인되지 않음:" in text
    assert "bundled, or records of the splits" in text


def test_every_fact_that_may_be_unverified_has_a_label():
    assert UNVERIFIED_LABELS.keys() == set(get_args(UnverifiedFact))


def test_unmet_and_undecided_reasons_come_before_met_ones():
    reasons = [
        {"passed": passed, "ko": name, "en": name}
        for passed, name in ((True, "fine"), (None, "unknown"), (False, "unmet"))
    ]
    text = extract_text(render_report(build_data(verdict="reject", reasons=reasons)))
    assert "reject 반려 unmet unmet unknown unknown fine fine" in text


def test_every_test_has_a_row_with_its_interval_and_margin():
    found = build_data()
    html = render_report(found)
    text = extract_text(html)
    assert html.count('class="drawing"') == len(found.results) + len({test["metric"] for test in found.results})
    for test in found.results:
        assert f"{test['rule'] + 1}. {test['against']}" in text
        assert f"{test['difference']:+.3f}" in text
    assert "better 더 나음" in text
    assert "worse by at most 0.05 0.05 넘게 나빠지지 않음" in text
    assert html.count('class="mark dotted"') == sum(test["margin"] > 0 for test in found.results)


def test_intervals_lie_where_their_values_are():
    test = {
        "metric": "accuracy",
        "test": "non_inferiority",
        "margin": 0.5,
        "difference": 0.5,
        "low": 0.0,
        "high": 1.0,
        "items": 9,
    }
    (forest,) = build_forests([test])
    bar = forest.rows[0][1]
    ends = forest.axis.ticks[0], forest.axis.ticks[-1]
    assert (ends[0][1], ends[1][1]) == ("−0.5", "+1")
    assert (bar.margin, bar.high) == (ends[0][0], ends[1][0]) == (14.0, BAR_WIDTH - 14.0)
    assert bar.low == forest.axis.zero == pytest.approx(14 + 312 / 3)
    assert bar.x == pytest.approx(14 + 312 * 2 / 3)


def test_a_test_of_one_item_has_no_interval():
    test = {**build_data().results[0], "low": None, "high": None, "items": 1, "passed": None, "required_items": 30}
    text = extract_text(render_report(build_data(results=[test])))
    assert "no interval" in text
    assert "30 needed" in text


def test_the_references_are_the_base_s_best_prompt_and_the_champion():
    assert build_data().references == ("few_shot/3", "champion")
    assert build_data(make_all_scores(champion=False)).references == ("few_shot/3",)


def test_the_worst_regressions_come_first():
    scores = [
        make_score("tuned", item, False, 9.0) if (score.variant, score.item) == ("tuned", item.id) else score
        for score in make_all_scores(tuned_wrong=(3, 6))
        for item in [RECORDS["en"][6]]
    ]
    changes = build_data(scores).changes.selection
    regressions = [change for change in changes if change.kind == "regression"]
    assert changes[: len(regressions)] == regressions
    assert (regressions[0].language, regressions[0].input) == ("en", "영화 6")
    assert len(regressions) == 4, (
        "the items 3 and 6 of both languages: few_shot/3 had 3 right although the champion had not"
    )
    assert [change.loss_difference for change in regressions] == sorted(
        (change.loss_difference for change in regressions), reverse=True
    )


@pytest.fixture
def free_answers():
    """Return the data of a report whose rules look at chrF: no answer is exact, and the second one became worse."""
    values = {"zero_shot": (40.0, 60.0, 50.0), "few_shot/1": (0.0, 0.0, 0.0), "few_shot/3": (0.0, 0.0, 0.0)}
    values["tuned"] = (45.0, 20.0, 50.0)
    scores = [
        replace(make_free_score(variant, record, "an answer", 1.0), chrf=chrf, exact_match=0.0)
        for variant, row in values.items()
        for record, chrf in zip(OPEN, row, strict=False)
    ]
    result = {**build_data().results[0], "metric": "chrf", "tasks": ["addition"]}
    return build_data(
        [*(score for score in make_all_scores(champion=False) if score.split == "test"), *scores], results=[result]
    )


def test_items_with_free_answers_are_compared_by_the_metric_of_the_rules(free_answers):
    found = [change for change in free_answers.changes.selection if change.task == "addition"]
    assert [(change.kind, change.metric, change.gain) for change in found] == [
        ("regression", "chrf", -40.0),
        ("same", "chrf", 0.0),
        ("gain", "chrf", 5.0),
    ]
    assert found[0].lost_to == ("zero_shot",)
    text = extract_text(render_report(free_answers))
    assert "chrF −40.000 · loss" in text
    assert "chrF 20.0 · loss" in text


def test_the_findings_of_korean_scores_stand_below_their_answer_in_both_languages():
    findings = [
        {"metric": "particle_accuracy", "start": 2, "end": 3, "text": "사과<을>", "detail": "를"},
        {"metric": "politeness", "start": 0, "end": 9, "text": "나는 간다.", "detail": "haera"},
    ]
    scores = [
        replace(make_free_score(variant, record, "사과을 먹는다.", 1.0), chrf=50.0, exact_match=0.0, findings=findings)
        for variant in ("zero_shot", "few_shot/1", "few_shot/3", "tuned")
        for record in OPEN
    ]
    page = render_report(
        build_data([*(score for score in make_all_scores(champion=False) if score.split == "test"), *scores])
    )
    assert "사과&lt;을&gt;" in page
    text = extract_text(page)
    for label in ("wrong particle form", "조사가 틀림", "plain speech", "반말", "plain (-다)", "해라체", "[2:3]"):
        assert label in text


def test_the_curves_show_the_metrics_of_the_rules():
    results = [{"metric": "macro_f1"}, {"metric": "loss"}, {"metric": "chrf"}]
    assert list_plot_metrics(results) == ["chrf", "loss"]  # single items have no F1
    assert list_plot_metrics([]) == ["accuracy", "loss"]


def test_a_loss_that_falls_has_a_minus_sign_beside_its_scores():
    result = {**build_data().results[0], "metric": "loss", "reference": 2.0, "candidate": 1.5, "difference": 0.5}
    text = extract_text(render_report(build_data(results=[{**result, "low": 0.25, "high": 0.75}])))
    assert "−0.500 [−0.750, −0.250]" in text


def test_an_item_that_only_the_champion_had_right_is_a_regression():
    changes = build_data(make_all_scores(tuned_wrong=(4,))).changes.selection
    lost = [change for change in changes if change.kind == "regression"]
    assert {change.lost_to for change in lost} == {("champion",)}
    assert [side.variant for side in lost[0].answers] == ["few_shot/3", "champion", "tuned"]
    assert [side.is_correct for side in lost[0].answers] == [False, True, False]


def test_many_items_are_bounded_and_counted():
    records = [item(number, "ko", text="긴 영화") for number in range(MAX_CHANGES["regression"] + 50)]
    scores = [
        make_score(variant, record, variant != "tuned" or number % 25 == 0, 1.0)
        for variant in ("zero_shot", "few_shot/3", "tuned")
        for number, record in enumerate(records)
    ]
    found = build_data(scores, records)
    assert found.changes.totals["regression"] == 240
    assert found.changes.selection_counts["regression"] == MAX_CHANGES["regression"]
    text = extract_text(render_report(found))
    assert "regression 나빠짐 : 240 ( 200 on this page 이 페이지에는 200개 )" in text


def test_the_page_filters_by_change_task_and_language_and_is_complete_without_its_script():
    html = render_report(build_data())
    assert re.search(r'<form id="filter" hidden>', html), "without the script there is no filter"
    assert not re.search(r'<article class="item[^>]*hidden', html), "and nothing is hidden"
    for name, values in (
        ("kind", ("regression", "same", "gain")),
        ("task", ("addition", "sentiment")),
        ("language", ("en", "ko")),
    ):
        options = re.search(rf'<select name="{name}">(.*?)</select>', html).group(1)
        assert set(re.findall(r'value="([^"]+)"', options)) == set(values)
        assert set(re.findall(rf'data-{name}="([^"]+)"', html)) <= set(values)


def test_only_the_page_s_own_script_may_run_and_nothing_comes_from_elsewhere():
    html = render_report(build_data())
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'" in html
    assert not re.search(r"<(link|img|iframe)|@import|url\(|src=|href=|fetch\(|innerHTML", html)
    assert set(re.findall(r"https?://[^\s\"<]+", html)) == {"http://www.w3.org/2000/svg"}
    for feature in ("prefers-color-scheme: dark", "@media print", "max-width: 720px", "word-break: keep-all"):
        assert feature in html


def test_texts_of_the_data_are_never_markup():
    evil = '"><script>alert(1)</script>'
    record = make_record(
        instruction=evil, input=evil, output=evil, language="en", source="test", task='a"b<i>', cluster="x"
    )
    malicious = [
        make_score(
            variant,
            record,
            right,
            1.0,
            task='a"b<i>',
            reference=evil,
            prediction=evil if right else "<b>no</b>",
            answer="<img src=x>",
        )
        for variant, right in (
            ("zero_shot", True),
            ("few_shot/1", True),
            ("few_shot/3", True),
            ("champion", True),
            ("tuned", False),
        )
    ]
    html = render_report(build_data([*make_all_scores(), *malicious], [*RECORDS["ko"], *RECORDS["en"], *OPEN, record]))
    assert html.count("<script") == 1
    for raw in ("<b>no", "<img", "<i>", 'a"b'):
        assert raw not in html
    assert "&lt;img src=x&gt;" in html


def test_each_task_is_compared_with_the_prompt_that_is_best_on_it():
    """The best prompt over all items may differ: items that the task's best prompt solves must show as regressions."""
    free_scores = [
        make_free_score(variant, record, record.output if variant == "zero_shot" else "", 1.0)
        for variant in ("zero_shot", "few_shot/1", "few_shot/3", "champion", "tuned")
        for record in OPEN
    ]
    found = build_data([*(score for score in make_all_scores() if score.split == "test"), *free_scores])
    rows = {(row.split, row.task, row.language): row for row in found.tasks}
    assert rows["unseen", "addition", "ko"].reference == "zero_shot"
    assert rows["unseen", "addition", "ko"].difference.value == -1.0
    assert rows["test", "sentiment", "ko"].reference == "few_shot/3"
    forgotten = [change for change in found.changes.selection if change.task == "addition"]
    assert [(change.kind, change.lost_to) for change in forgotten] == [("regression", ("zero_shot",))] * len(OPEN)


def test_each_task_has_its_scores_and_its_paired_difference():
    rows = {(row.split, row.task, row.language): row for row in build_data().tasks}
    assert list(rows) == [("test", "sentiment", "en"), ("test", "sentiment", "ko"), ("unseen", "addition", "ko")]
    sentiment = rows["test", "sentiment", "ko"]
    assert sentiment.scores == pytest.approx((7 / 12, 9 / 12, 11 / 12, 4 / 12, 6 / 12)), (
        "few_shot/3, champion and tuned first"
    )
    assert sentiment.difference.value == pytest.approx(4 / 12)
    assert sentiment.difference.low < 4 / 12 < sentiment.difference.high
    assert rows["unseen", "addition", "ko"].difference.value == 1.0


def test_a_task_without_answers_has_no_score():
    record = make_record(
        instruction="이야기를 써 줘",
        input="",
        output="옛날 옛적에",
        language="ko",
        source="test",
        task="story",
        cluster="tales",
    )
    unscored = {"task": "story", "kind": "open", "accuracy": None, "prediction": None}
    scores = [
        *make_all_scores(),
        *(
            make_score(variant, record, True, 3.0, **unscored)
            for variant in ("zero_shot", "few_shot/1", "few_shot/3", "champion", "tuned")
        ),
    ]
    found = build_data(scores, [*RECORDS["ko"], *RECORDS["en"], *OPEN, record])
    (row,) = [row for row in found.tasks if row.task == "story"]
    assert (row.items, row.difference, set(row.scores)) == (0, None, {None})
    assert "loss only" in extract_text(render_report(found))


def test_the_chart_shows_the_base_over_its_few_shot_examples_beside_candidate_and_champion():
    found = build_data()
    assert [(panel.metric, panel.language) for panel in found.panels] == [
        ("accuracy", ""),
        ("loss", ""),
        ("accuracy", "en"),
        ("accuracy", "ko"),
    ]
    panel = build_panel(found.panels[0])
    (series,) = panel.series
    assert [dot.point.shots for dot in series[1]] == [0, 1, 3]
    assert [dot.point.mean.value for dot in series[1]] == pytest.approx([4 / 12, 6 / 12, 7 / 12])
    assert [dot.point.variant for dot in panel.levels] == ["champion", "tuned"]
    assert all(dot.high < dot.y < dot.low for dot in (*series[1], *panel.levels)), "upwards is less in a figure"


def test_labels_are_counted_against_references():
    (english, korean) = build_data().confusion_matrices
    assert korean.labels == ("긍정", "부정")
    assert dict(korean.counts)["tuned"] == ((6, 0), (1, 5)), "the item 3 is negative, and was taken for positive"
    assert english.language == "en"
    assert build_data(make_all_scores(tuned_wrong=())).confusion_matrices == [], (
        "a candidate without a mistake has nothing to look at"
    )


def test_settings_and_fingerprints_close_the_page():
    text = extract_text(render_report(build_data()))
    for part in (
        "resamples 1000",
        "shots 0, 1, 3",
        "adapter_sha256 bbbbbbbbbbbbbbbb",
        "scores_sha256 cccccccccccccccc",
        "few_shot/3 koalpaca 3 ffffffffffffffff",
    ):
        assert part in text, part


def test_what_is_missing_is_named():
    with pytest.raises(ArtifactError, match=r"is not in items\.jsonl; run: dvc repro evaluate"):
        build_data(records=RECORDS["ko"])
    scores = make_all_scores()
    evaluation = build_evaluation(scores)
    verdict = build_verdict(scores, evaluation["best"])
    del evaluation["formats"]
    with pytest.raises(ArtifactError, match="'formats'"):
        build_report_data(verdict, evaluation, map(asdict, scores), [*RECORDS["ko"], *RECORDS["en"], *OPEN], GATE)


def test_the_same_artifacts_give_the_same_bytes(tmp_path):
    paths, scores = Paths(tmp_path), make_all_scores()
    evaluation = build_evaluation(scores)
    write_rows(paths.scores, map(asdict, scores))
    write_json(paths.evaluate_report, evaluation)
    write_records(paths.items, [*RECORDS["ko"], *RECORDS["en"], *OPEN])
    pages = []
    for _ in range(2):
        write_evaluation_report(paths, build_verdict(scores, evaluation["best"]), GATE)
        pages.append((paths.evaluation_page / "index.html").read_text("utf-8"))
    assert pages[0] == pages[1] == render_report(build_data(scores))


def test_the_page_shows_the_few_shot_examples_that_fit_the_truncated_items_and_the_ties():
    scores = [
        replace(score, shots=number % 4, is_truncated=number == 0, is_tied=number < 2)
        if score.variant == "few_shot/3"
        else score
        for number, score in enumerate(make_all_scores())
    ]
    [row] = [row for row in build_data(scores).request_limits if (row.task, row.language) == ("sentiment", "ko")]
    few_shot = [
        score for score in scores if (score.variant, score.language, score.split) == ("few_shot/3", "ko", "test")
    ]
    counts = row.counts[build_data(scores).columns.index("few_shot/3")]
    assert counts["shots_mean"] == pytest.approx(sum(score.shots for score in few_shot) / len(few_shot), abs=0.01)
    assert (counts["shots_min"], counts["truncated"], counts["ties"]) == (
        min(score.shots for score in few_shot),
        sum(score.is_truncated for score in few_shot),
        sum(score.is_tied for score in few_shot),
    )
    assert f"{counts['shots_mean']:g} at least 0 최소 0" in extract_text(render_report(build_data(scores)))


FORGETTING = {
    "task": "retention", "language": "ko", "replayed": False, "items": 100, "shared_instructions": 0, "base_variant": "zero_shot",
    "base": {"loss": 0.836, "exact_match": 0.683, "answers": 60}, "tuned": {"loss": 0.397, "exact_match": 0.767, "answers": 60},
}  # fmt: skip
BASELINE = {
    "name": "unseen_words", "tasks": ["sentiment"], "items": 360, "majority": 0.308, "letters": 0.753, "prompted": 0.347,
    "calibrated": None, "tuned": 0.672, "tuned_only": 42, "letters_only": 71,
}  # fmt: skip


def build_page(**evaluation_changes):
    scores = make_all_scores()
    evaluation = build_evaluation(scores, **evaluation_changes)
    records = [*RECORDS["ko"], *RECORDS["en"], *OPEN]
    verdict = build_verdict(scores, evaluation["best"])
    return extract_text(render_report(build_report_data(verdict, evaluation, map(asdict, scores), records, GATE)))


def test_the_page_shows_what_is_forgotten_apart_from_what_is_replayed():
    rows = [FORGETTING, {**FORGETTING, "task": "replayed", "replayed": True}]
    text = build_page(forgetting=rows, warnings=[{"en": "task x shares", "ko": "과제 x"}])
    assert "not replayed" in text
    assert "0.836" in text
    assert "task x shares" in text


def test_the_page_says_why_tasks_have_no_baseline_also_where_no_task_has_one():
    gap = {"en": "no baseline for tasks: <b>", "ko": "기준선이 없습니다: <b>"}
    for baselines in ([BASELINE], []):
        text = build_page(baselines=baselines, baseline_gaps=[gap])
        assert "no baseline for tasks: &lt;b&gt;" in text
        assert "기준선이 없습니다: &lt;b&gt;" in text
    assert "no baseline for" not in build_page(baselines=[BASELINE])


def test_the_page_shows_the_baselines_beside_the_tuned_model():
    text = build_page(baselines=[BASELINE])
    assert "words that training lacks" in text
    assert "0.753" in text
    assert "42 : 71" in text


JUDGE = {
    "model": "judge-1 <b>",
    "models": ["judge-1"],
    "fingerprint": "f" * 64,
    "items": 58,
    "mean": 0.71,
    "without_verdict": ["7", "9"],
    "position": {"pairs": 60, "first": 5, "second": 0, "share": {"value": 0.083, "low": 0.04, "high": 0.18}, "p": 0.06},
    "calibration": {"status": "valid", "pairs": 120, "kappa": 0.46, "low": 0.33, "high": 0.58, "position_share": 0.08},
    "win_rate": {
        "pairs": 60,
        "observed": {"value": 0.71, "low": 0.58, "high": 0.81},
        "controlled": {"value": 0.63, "low": 0.5, "high": 0.75},
        "candidate_length": 212.3,
        "champion_length": 148.0,
    },
}


@pytest.fixture
def judged(tmp_path):
    """A run with its verdict, and a folder of a judge in it."""
    paths, scores = Paths(tmp_path), make_all_scores()
    evaluation = build_evaluation(scores)
    write_rows(paths.scores, map(asdict, scores))
    write_json(paths.evaluate_report, evaluation)
    write_records(paths.items, [*RECORDS["ko"], *RECORDS["en"], *OPEN])
    write_json(paths.verdict, build_verdict(scores, evaluation["best"]))
    write_json(tmp_path / "judged" / "judge.json", JUDGE)
    return paths


def test_the_judges_win_rates_stand_side_by_side_with_its_bias_and_calibration(judged):
    html = write_judged_report(judged, GATE, judged.root / "judged").read_text("utf-8")
    text = extract_text(html)
    assert "71.0% [58.0%, 81.0%]" in text
    assert "63.0% [50.0%, 75.0%]" in text
    assert "mean characters: 212 against 148" in text
    assert "8.3% [4.0%, 18.0%]" in text
    assert "first answer: 5, second answer: 0" in text
    assert "kappa 0.46 [0.33, 0.58] on 120 pairs" in text
    assert "카파 0.46" in text
    assert "judge-1 <b>" not in html
    assert re.findall(r"<h2><b>(\d)</b>", html) == [str(number) for number in range(1, 9)]
    assert not judged.evaluation_page.exists()


def test_a_judge_without_win_rate_or_calibration_is_shown_as_such(judged):
    report = {**JUDGE, "win_rate": None, "calibration": {"status": "missing"}}
    write_json(judged.root / "judged" / "judge.json", report)
    text = extract_text(write_judged_report(judged, GATE, judged.root / "judged").read_text("utf-8"))
    assert "is not calibrated" in text
    assert "win rate at equal lengths of the answers" not in text


def test_a_folder_without_a_judge_is_an_error_that_names_the_command(judged):
    with pytest.raises(EvaluationError, match=r"judge\.json.*seodang judge --out"):
        write_judged_report(judged, GATE, judged.root)
