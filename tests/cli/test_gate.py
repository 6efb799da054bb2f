"""`seodang gate` on score files: exit codes, the verdict object, and error messages."""

import json
import random

import pytest

from seodang.cli.main import main

METRICS = ("accuracy", "chrf")


def make_lines(scores, *, task="demo", language="ko", metric="accuracy"):
    return [
        {"task": task, "item": str(number), "metric": metric, "language": language, "score": score}
        for number, score in enumerate(scores)
    ]


@pytest.fixture
def files(tmp_path):
    """Return a function that writes both score files and returns the arguments of the command."""

    def write(candidate, champion, *, bom=False):
        arguments = ["gate"]
        for name, rows in (("candidate", candidate), ("champion", champion)):
            path = tmp_path / f"{name}.jsonl"
            text = "".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            path.write_text(text, "utf-8-sig" if bom else "utf-8")
            arguments += [f"--{name}", str(path)]
        return arguments

    return write


GOOD, POOR = [1] * 90 + [0] * 10, [1] * 60 + [0] * 40


@pytest.mark.parametrize(
    ("candidate", "champion", "code", "verdict"),
    [(GOOD, POOR, 0, "promote"), (POOR, GOOD, 3, "reject"), (GOOD, [0, *GOOD[1:]], 4, "inconclusive")],
)
def test_the_exit_code_and_the_object_say_the_verdict(files, capsys, candidate, champion, code, verdict):
    assert main([*files(make_lines(candidate), make_lines(champion)), "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == verdict
    assert found["reasons"][0]["passed"] is {0: True, 3: False, 4: None}[code]
    metric = found["metrics"]["accuracy"]
    assert metric["n"] == 100
    assert metric["difference"] == pytest.approx(sum(candidate) / 100 - sum(champion) / 100)
    assert metric["interval"][0] <= metric["difference"] <= metric["interval"][1]
    assert (metric["p"] < 0.05) == (code != 4)
    assert (found["items_needed"] is not None) == (code == 4)


@pytest.mark.parametrize(("language", "verdict"), [("en", "verdict: promote"), ("ko", "판정: 승격")])
def test_the_terminal_shows_the_verdict_in_the_language_of_the_user(files, capsys, monkeypatch, language, verdict):
    monkeypatch.setenv("SEODANG_LANG", language)
    assert main(files(make_lines(GOOD), make_lines(POOR))) == 0
    assert verdict in capsys.readouterr().out


def test_the_object_holds_the_reasons_in_both_languages(files, capsys):
    assert main([*files(make_lines(GOOD), make_lines(POOR)), "--json"]) == 0
    [reason] = json.loads(capsys.readouterr().out)["reasons"]
    assert reason["en"].startswith("accuracy met: champion 0.6000 → candidate 0.9000, difference +0.3000")
    assert reason["ko"].startswith("accuracy 충족: champion 0.6000 → 후보 0.9000, 차이 +0.3000")


@pytest.mark.parametrize("scores", [GOOD, [0.5] * 40, [random.Random(1).random() for _ in range(300)], [1] * 20])
def test_an_equal_model_is_never_promoted(files, scores):
    assert main(files(make_lines(scores), make_lines(scores))) == 4


def test_a_model_that_is_better_on_one_metric_only_is_not_promoted(files):
    other = make_lines([50.0, 51.0] * 50, metric="chrf")
    assert main(files(make_lines(GOOD) + other, make_lines(POOR) + other)) == 4


def test_a_byte_order_mark_and_blank_lines_are_passed_over(files):
    assert main(files([*make_lines(GOOD), "\n", "  \n"], make_lines(POOR), bom=True)) == 0


def test_items_may_be_numbers_and_scores_true_or_false(files):
    good, poor = make_lines(GOOD), make_lines(POOR)
    for row in good:
        row |= {"item": int(row["item"]), "score": bool(row["score"])}
    assert main(files(good, poor)) == 0


def test_too_few_items_leave_the_verdict_open(files, capsys):
    assert main([*files(make_lines([1] * 12), make_lines([0] * 12)), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["items_needed"] == 20


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_items_tell_nothing(files, count):
    assert main(files(make_lines([1] * count), make_lines([0] * count))) == 4


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            '{"task": "demo", "item": "x", "metric": "accuracy", "language": "ko", "score": NaN}\n',
            "line 101: score: must be a finite number",
        ),
        (
            '{"task": "demo", "item": "x", "metric": "accuracy", "language": "ko", "score": "1"}\n',
            "line 101: score: must be a finite number",
        ),
        ('{"task": "demo", "item": "x", "metric": "accuracy", "language": "ko"}\n', "line 101: score: is missing"),
        ('{"task": "", "item": null, "metric": 3, "score": 1}\n', "line 101: language: is missing"),
        (
            '{"task": "demo", "item": "x", "metric": "accuracy", "language": "ko", "score": 0, "score": 1}\n',
            "line 101: score: stands twice in the line",
        ),
        ("{not json\n", "line 101: is not JSON"),
        ("[1, 2]\n", "line 101: is not a JSON object"),
        (
            '{"task": "demo", "item": "0", "metric": "accuracy", "language": "ko", "score": 1}\n',
            "line 101: repeats line 1: demo/0/accuracy",
        ),
        (
            '{"task": "demo", "item": "x", "metric": "accuracy", "language": "ko", "score": 1' + "0" * 400 + "}\n",
            "score: must be a finite number",
        ),
    ],
)
def test_a_line_with_errors_is_named_and_there_is_no_verdict(files, capsys, row, message):
    assert main(files([*make_lines(GOOD), row], make_lines(POOR))) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert not output.out


def test_one_message_lists_the_errors_of_both_files(files, capsys):
    assert main(files(["{\n", "[\n"], ["x\n"])) == 2
    error = capsys.readouterr().err
    assert "candidate.jsonl has errors (2):" in error
    assert "champion.jsonl has errors (1):" in error


def test_files_of_different_items_are_refused(files, capsys):
    assert main(files(make_lines(GOOD), make_lines(POOR[:98]))) == 2
    assert "champion lacks 2 scores that candidate has (demo/98/accuracy, demo/99/accuracy)" in capsys.readouterr().err
    assert main(files(make_lines(GOOD), make_lines(POOR, language="en"))) == 2
    assert "another language" in capsys.readouterr().err
    for field in ("fingerprint", "asked"):  # the second one is the field's old name
        rows = [{**row, field: "10-shot"} for row in make_lines(GOOD)]
        assert main(files(rows, make_lines(POOR))) == 2
        assert "another prompt, shots or seed" in capsys.readouterr().err


def test_an_empty_or_missing_file_is_refused(files, tmp_path, capsys):
    assert main(files([], make_lines(POOR))) == 2
    assert "has no score" in capsys.readouterr().err
    assert main(["gate", "--candidate", str(tmp_path / "none"), "--champion", str(tmp_path / "none")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def write_rules(tmp_path, text):
    path = tmp_path / "rules.yaml"
    path.write_text(text, "utf-8")
    return ["--rules", str(path)]


def test_rules_may_say_that_less_is_better_and_what_margin_is_allowed(files, tmp_path, capsys):
    candidate, champion = (
        make_lines([base + (number % 5) / 10 for number in range(100)], metric="loss") for base in (2.0, 2.5)
    )
    better = write_rules(tmp_path, "rules:\n  - {metric: loss, higher_is_better: false, margin: 0.2}\n")
    assert main(files(candidate, champion)) == 0
    assert main(files(champion, candidate)) == 3
    assert main([*files(candidate, champion), *better]) == 0
    assert (
        main(
            [
                *files(candidate, champion),
                *write_rules(tmp_path, "rules:\n  - {metric: loss, higher_is_better: false, margin: 0.6}\n"),
            ]
        )
        == 3
    )
    capsys.readouterr()
    main([*files(candidate, champion), *better, "--json"])
    assert json.loads(capsys.readouterr().out)["metrics"]["loss"]["difference"] == pytest.approx(0.5)


def test_a_worse_language_is_found_where_the_mean_is_better(files, tmp_path, capsys):
    candidate = make_lines([1] * 100, task="a") + make_lines([1] * 60 + [0] * 40, task="b", language="en")
    champion = make_lines([0] * 100, task="a") + make_lines([1] * 90 + [0] * 10, task="b", language="en")
    rules = write_rules(
        tmp_path,
        "rules:\n  - {metric: accuracy}\n"
        "  - {metric: accuracy, test: non_inferiority, margin: 0.02, group_by: language}\n",
    )
    assert main([*files(candidate, champion), *rules, "--json"]) == 3
    assert any(
        reason["en"].startswith("accuracy [en] not met") for reason in json.loads(capsys.readouterr().out)["reasons"]
    )


def test_a_threshold_rejects_a_model_that_is_better_but_not_good(files, tmp_path):
    rules = write_rules(tmp_path, "thresholds:\n  - {metric: accuracy, minimum: 0.99, tasks: []}\n")
    assert main([*files(make_lines(GOOD), make_lines(POOR)), *rules]) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: []\n", "rules"),
        ("rules:\n  - {metric: accuracy, test: non_inferiority}\n", "an equal model would be promoted"),
        ("rules:\n  - {metric: bleu}\n", "no item has the metric 'bleu'; available metrics: accuracy"),
        ("rules:\n  - {metric: accuracy, tasks: [other]}\n", "available tasks: demo"),
        ("rules:\n  - {metric: accuracy, against: base}\n", "against: champion"),
        ("rules:\n  - {metric: accuracy, higher_is_better: false}\n", "contradicts the metric accuracy"),
        ("thresholds:\n  - {metric: accuracy, maximum: 0.5}\n", "write minimum in place of maximum"),
        ("rules:\n  - {metric: accuracy, margn: 1}\nconfidence: 2\n", "margn: is not a known parameter"),
    ],
)
def test_rules_that_cannot_be_used_are_refused(files, tmp_path, capsys, text, message):
    assert main([*files(make_lines(GOOD), make_lines(POOR)), *write_rules(tmp_path, text)]) == 2
    assert message in capsys.readouterr().err


def test_a_metric_of_unknown_direction_needs_a_rule(files, tmp_path, capsys):
    candidate, champion = make_lines([5, 6] * 50, metric="marks"), make_lines([3, 4] * 50, metric="marks")
    assert main(files(candidate, champion)) == 2
    assert "write higher_is_better" in capsys.readouterr().err
    assert (
        main(
            [
                *files(candidate, champion),
                *write_rules(tmp_path, "rules:\n  - {metric: marks, higher_is_better: true}\n"),
            ]
        )
        == 0
    )


def test_a_group_in_score_files_counts_as_one_observation(files, capsys):
    candidate, champion = make_lines([1] * 300 + [0] * 100), make_lines([0] * 200 + [1] * 200)
    assert main(files(candidate, champion)) == 0
    for rows in (candidate, champion):
        for number, row in enumerate(rows):
            row["group"] = number // 50
    capsys.readouterr()
    assert main([*files(candidate, champion), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["results"][0]["independent_groups"] == 8


def test_a_ledger_makes_the_twentieth_try_harder_than_the_first(files, capsys, tmp_path):
    ledger = ["--ledger", str(tmp_path / "ledger"), "--json"]
    base = [1, 0] * 100
    better = [1, 0] * 90 + [1] * 20  # ten of 200 items better, none worse
    assert main([*files(make_lines(better), make_lines(base)), "--json"]) == 0
    for number in range(12):
        other = [1 - score if number * 2 <= place < number * 2 + 2 else score for place, score in enumerate(base)]
        assert main([*files(make_lines(other), make_lines(base)), *ledger]) == 4
    capsys.readouterr()
    for _again in range(2):  # the same candidate keeps its number
        assert main([*files(make_lines(better), make_lines(base)), *ledger]) == 4
        found = json.loads(capsys.readouterr().out)
        assert found["results"][0]["judgement"] == 13
        assert "worn out" in found["reasons"][-1]["en"]


def test_not_worse_than_the_champion_is_not_enough_after_a_better_champion(files, tmp_path, capsys):
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules:\n- {metric: accuracy, test: superiority}\n- {metric: chrf, test: non_inferiority, margin: 5}\n"
    )

    def make(accuracy, chrf):
        noise = [number % 7 for number in range(100)]
        return make_lines(accuracy) + make_lines([chrf + part for part in noise], metric="chrf")

    arguments = files(make(GOOD, 60), make(POOR, 62))
    best = tmp_path / "best.jsonl"
    best.write_text("".join(json.dumps(row) + "\n" for row in make(POOR, 68)))
    assert main([*arguments, "--rules", str(rules)]) == 0
    assert main([*arguments, "--rules", str(rules), "--best-champion", str(best)]) == 3
    assert "best champion 1" in capsys.readouterr().out


def test_an_item_whose_group_is_null_is_independent(files, capsys):
    rows = [{**row, "group": None} for row in make_lines(GOOD)]
    assert main([*files(rows, make_lines(POOR)), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["independent_groups"] == 100


def test_items_with_a_blank_group_are_independent(files, capsys):
    blank = [[{**line, "group": " "} for line in make_lines(scores)] for scores in (GOOD, POOR)]
    assert main(files(*blank)) == 0


def test_scores_beyond_the_range_of_arithmetic_are_refused(files, capsys):
    huge, zero = make_lines([1e308] * 100, metric="judge"), make_lines([-1e308] * 100, metric="judge")
    assert main(files(huge, zero)) == 2
    assert "judge lies between -1e+100 and 1e+100" in capsys.readouterr().err


@pytest.mark.parametrize("metric", ["judge_loss", "judge_toxicity", "rouge_error", "bleu_time", "acc error"])
def test_a_metric_of_which_less_may_be_better_needs_a_rule(files, capsys, metric):
    assert main(files(make_lines([0.9] * 100, metric=metric), make_lines([0.2] * 100, metric=metric))) == 2
    assert f"whether more {metric} is better is not known" in capsys.readouterr().err


def test_a_confidence_that_no_number_of_resamples_reaches_is_refused(files, tmp_path, capsys):
    rules = tmp_path / "rules.yaml"
    rules.write_text("confidence: 0.999999999999\n")
    assert main([*files(make_lines(GOOD), make_lines(POOR)), "--rules", str(rules)]) == 2
    assert "0.999" in capsys.readouterr().err


def test_a_loss_that_rises_is_printed_with_a_plus_sign(files, capsys):
    candidate, champion = (
        make_lines([base + (number % 5) / 10 for number in range(100)], metric="loss") for base in (2.5, 2.0)
    )
    assert main(files(candidate, champion)) == 3
    out = capsys.readouterr().out
    assert "2.200 -> 2.700" in out
    assert "+0.500 [0.500, 0.500]" in out


def test_a_fall_that_no_rule_judges_is_shown_and_in_the_object(files, capsys, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{metric: accuracy, tasks: [demo]}]\n")
    candidate, champion = (
        make_lines(scores) + make_lines(other, task="other") for scores, other in ((GOOD, POOR), (POOR, GOOD))
    )
    arguments = [*files(candidate, champion), "--rules", str(rules)]
    assert main(arguments) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "note accuracy other is clearly worse: champion 0.9000 → candidate 0.6000" in output
    assert main([*arguments, "--json"]) == 0
    [fall] = json.loads(capsys.readouterr().out)["unjudged"]
    assert (fall["tasks"], fall["items"], fall["passed"]) == (["other"], 100, False)


@pytest.mark.parametrize("field", ["doc_hash", "prompt"])
def test_the_ledger_knows_items_by_their_text(files, capsys, tmp_path, field):
    def name(rows, prefix):
        shuffled = random.Random(prefix).sample(list(enumerate(rows)), len(rows))
        return [
            {**row, "item": f"{prefix}{number}", field: f"question {text}"}
            for number, (text, row) in enumerate(shuffled)
        ]

    numbers = []
    for prefix, right in (("a", 61), ("b", 62)):
        scores = [1] * right + [0] * (100 - right)
        arguments = files(name(make_lines(scores), prefix), name(make_lines(POOR), prefix))
        assert main([*arguments, "--ledger", str(tmp_path / "ledger"), "--json"]) == 4
        numbers.append(json.loads(capsys.readouterr().out)["results"][0]["judgement"])
    assert numbers == [1, 2]


def test_one_metric_on_two_scales_ends_without_a_verdict(files, capsys):
    share, percent = ([value / scale for value in range(20, 60)] for scale in (100, 1))
    assert main(files(make_lines(share, metric="chrf"), make_lines(percent, metric="chrf"))) == 2
    error = capsys.readouterr().err
    assert "between 0.2 and 0.59" in error
    assert "between 20 and 59" in error
