"""`seodang judge calibrate`, and what its report says beside the verdicts of the judge and of the gate."""

import json

import pytest

from seodang.cli.main import main
from seodang.evaluation.judge.calibration import compute_required_pairs
from seodang.evaluation.judge.endpoint import Endpoint
from seodang.evaluation.judge.verdicts import compute_judge_fingerprint

PAIRS = 40


@pytest.fixture
def calibrate(tmp_path, judge_server):
    """Runs `seodang judge calibrate` on rows and returns the report; None if it fails with `code`."""

    def run(rows, *options, code=0):
        path = tmp_path / "labels.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        arguments = ["--labels", str(path), "--out", str(tmp_path / "calibration"), "--endpoint", judge_server.url]
        assert main(["judge", "calibrate", *arguments, "--model", "judge-1", *options]) == code
        return None if code else json.loads((tmp_path / "calibration" / "calibration.json").read_text("utf-8"))

    return run


def make_rows(count=PAIRS, *, agree=0.8, languages=("ko",)):
    """Return labels that the judge, which prefers the longer answer, agrees with in a share of the pairs."""
    rows = []
    for number in range(count):
        answers = ["짧은 답", "훨씬 더 길고 자세한 답"][:: 1 if number % 2 else -1]
        longer = "B" if number % 2 else "A"
        label = longer if number < agree * count else {"A": "B", "B": "A"}[longer]
        rows.append(
            {
                "id": str(number),
                "question": f"질문 {number}",
                "answer_a": answers[0],
                "answer_b": answers[1],
                "label": label,
                "language": languages[number % len(languages)],
            }
        )
    return rows


def test_the_report_holds_agreement_kappa_confusion_and_biases(calibrate, judge_server, capsys):
    report = calibrate(make_rows())
    assert len(judge_server.received) == 2 * PAIRS
    agreement = report["agreement"]
    assert agreement["share"]["value"] == 0.8
    assert agreement["kappa"]["value"] == pytest.approx(0.6)
    assert 0.25 < agreement["kappa"]["low"] < 0.6 < agreement["kappa"]["high"] < 0.95
    assert report["confusion"]["A"] == {"A": 16, "tie": 0, "B": 4, "no verdict": 0}
    assert report["judge"]["models"] == ["judge-1-2026"]
    assert report["position"]["share"]["value"] == 0
    assert report["length"]["judge_share"] == 1.0
    assert report["length"]["people_share"] == 0.8
    assert report["people"] is None
    output = capsys.readouterr().out
    assert "40 pairs, 40 questions, 1 rater" in output
    assert "pairs for an interval of kappa of ±0.1: about " in output


def test_unreadable_replies_and_ties_are_counted_and_disagree(calibrate, judge_server):
    judge_server.decide = lambda first, second: "no idea" if "길고" in first else "[[C]]"
    report = calibrate(make_rows(12))
    assert report["without_verdict"] == {"unreadable": 12}
    assert report["confusion"]["A"]["no verdict"] + report["confusion"]["B"]["no verdict"] == 12
    assert report["agreement"]["share"]["value"] == 0
    assert report["agreement"]["kappa_quadratic"]["value"] is None


def test_languages_are_reported_apart(calibrate):
    report = calibrate(make_rows(languages=("ko", "en")))
    assert {name: found["pairs"] for name, found in report["languages"].items()} == {"ko": 20, "en": 20}


def test_several_raters_give_a_ceiling(calibrate, capsys):
    rows = [{**row, "rater": rater} for row in make_rows() for rater in ("kim", "lee")]
    for row in rows[1::8]:
        row["label"] = {"A": "B", "B": "A"}[row["label"]]  # lee differs in ten of forty pairs
    people = calibrate(rows)["people"]
    assert (people["pairs"], people["raters"], people["share"]) == (PAIRS, 2, 0.75)
    assert people["alpha"]["low"] < people["alpha"]["value"] == pytest.approx(0.506, abs=0.02)
    assert 0 < people["judge_share"] < 1
    assert "two people agree in 75 % of the pairs (n=40" in capsys.readouterr().out


def test_marks_of_single_answers_calibrate_the_pairwise_judge(calibrate):
    rows = [
        {
            "id": number,
            "question": f"질문 {number}",
            "answer": "답" * length,
            "mark": length,
            "rater": rater,
            "model": m,
        }
        for number in range(12)
        for m, length in (("judge-1", 3), ("둘", 5), ("셋", 9))[:: 1 if number % 2 else -1]
        for rater in ("kim", "lee")
    ]
    report = calibrate(rows)
    assert (report["labels"]["pairs"], report["labels"]["questions"]) == (36, 12)
    assert report["agreement"]["kappa"]["value"] == 1.0
    assert 0.4 < report["agreement"]["kappa"]["low"] < 0.6  # twelve questions do not show perfect agreement
    assert report["people"]["marks_alpha"]["value"] == 1.0
    assert report["self_preference"]["pairs"] == 24
    assert report["self_preference"]["excess"]["value"] == 0


def test_too_few_labels_have_no_interval_and_the_number_that_is_needed(calibrate, capsys):
    report = calibrate(make_rows(4, agree=0.5))
    assert report["agreement"]["kappa"]["low"] is None
    assert report["required_pairs"]["pairs"] == 193  # 1.96^2 * (2/3 * 1/3) / (2/3)^2 / 0.1^2, rounded up
    assert "too few labels to know kappa; pairs for an interval of ±0.1: about 193" in capsys.readouterr().out


@pytest.mark.parametrize("label", ["A", "tie"])
def test_labels_that_are_all_the_same_do_not_tell_kappa(label, calibrate, capsys):
    report = calibrate([{**row, "label": label} for row in make_rows()])
    assert report["agreement"]["kappa"] == {"value": None, "low": None, "high": None}
    assert "all labels are the same, so kappa cannot be known" in capsys.readouterr().out


def test_the_required_pairs_follow_the_width_of_the_interval():
    from seodang.evaluation.judge.calibration import Agreement
    from seodang.evaluation.judge.resampling import Estimate

    kappa = Estimate(0.6, 0.4, 0.8)
    agreement = Agreement(pairs=50, groups=50, share=kappa, kappa=kappa, kappa_quadratic=kappa)
    assert compute_required_pairs(agreement) == 200  # half the width needs four times as many


def test_an_interrupted_calibration_resumes(calibrate, judge_server):
    judge_server.failures += [None] * 5 + [500] * 5
    assert calibrate(make_rows(12), code=75) is None
    calibrate(make_rows(12))
    assert len(judge_server.received) == 24 + 5


def test_the_fingerprint_is_that_of_model_and_options_and_not_of_the_address():
    endpoint = Endpoint(base_url="http://one/v1", model="m", api_key="", max_tokens=9, timeout=1.0)
    fingerprint = compute_judge_fingerprint(endpoint)
    changes = [{"base_url": "http://two/v1"}, {"api_key": "x"}, {"model": "n"}, {"max_tokens": 8}]
    fields = {name: getattr(endpoint, name) for name in endpoint.__slots__}
    same = [compute_judge_fingerprint(Endpoint(**{**fields, **change})) == fingerprint for change in changes]
    assert same == [True, True, False, False]


@pytest.fixture
def gate(tmp_path, capsys):
    """Runs `seodang gate` on the score files of the judge and returns the verdict object."""

    def run(*options, rules=None):
        if rules is not None:
            (tmp_path / "rules.yaml").write_text(rules, "utf-8")
            options = ("--rules", str(tmp_path / "rules.yaml"), *options)
        files = [f"--{name}={tmp_path / 'out' / name}.jsonl" for name in ("candidate", "champion")]
        capsys.readouterr()
        code = main(["gate", *files, "--json", *options])
        output = capsys.readouterr()
        return code, json.loads(output.out) if output.out else output.err

    return run


LONG, SHORT = ["길고 자세한 답"] * 25, ["짧음"] * 25
STRICT = "minimum_judge_kappa: 0.2\n"
DAMAGED = """{"judge": {"fingerprint": "", "models": []}, "position": {"share": {"value": 0}},
 "agreement": {"pairs": 9, "kappa": {"value": "high", "low": null, "high": null}}}"""


def list_texts(verdict):
    return [reason["en"] for reason in verdict["reasons"]]


def test_the_gate_says_that_a_judge_is_not_calibrated(run_judge, gate, capsys):
    run_judge(LONG, SHORT)
    assert "the judge judge-1 is not calibrated" in capsys.readouterr().out
    code, verdict = gate()
    assert code == 0
    assert any("the judge judge-1 is not calibrated" in text for text in list_texts(verdict))
    code, verdict = gate(rules=STRICT)
    assert (code, verdict["verdict"]) == (4, "inconclusive")


def test_the_gate_shows_the_calibration_and_a_rule_demands_it(calibrate, run_judge, gate, tmp_path, capsys):
    calibrate(make_rows())
    run_judge(LONG, SHORT, "--calibration", str(tmp_path / "calibration" / "calibration.json"))
    sentence = "the judge judge-1 agrees with people at kappa 0.60 ["
    assert sentence in capsys.readouterr().out
    code, verdict = gate(rules=STRICT)
    assert code == 0
    assert any(text.startswith(sentence) and "(minimum_judge_kappa 0.2)" in text for text in list_texts(verdict))
    code, verdict = gate(rules="minimum_judge_kappa: 0.5\n")
    assert code == 4  # kappa 0.60, but its interval begins below 0.5


@pytest.mark.parametrize("change", [("--max-tokens", "99"), "model"])
def test_a_stale_calibration_is_said_and_meets_no_demand(calibrate, run_judge, gate, tmp_path, judge_server, change):
    calibrate(make_rows())
    options = ["--calibration", str(tmp_path / "calibration" / "calibration.json")]
    if change == "model":
        judge_server.model = "judge-1-2027"  # the name in the request moved to another model
    else:
        options += change
    run_judge(LONG, SHORT, *options)
    code, verdict = gate(rules=STRICT)
    assert code == 4
    assert any("the calibration is not of this judge judge-1" in text for text in list_texts(verdict))


def test_the_report_of_another_judge_beside_the_scores_is_not_believed(calibrate, run_judge, gate, tmp_path):
    calibrate(make_rows())
    run_judge(LONG, SHORT, "--calibration", str(tmp_path / "calibration" / "calibration.json"))
    path = tmp_path / "out" / "judge.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "fingerprint": "0" * 16}), "utf-8")
    code, verdict = gate(rules=STRICT)
    assert code == 4
    assert any("the judge of these scores is not known" in text for text in list_texts(verdict))


def test_items_without_a_verdict_that_could_turn_the_result_keep_the_gate_undecided(run_judge, gate, judge_server):
    judge_server.decide = lambda first, second: (
        "?" if "이상" in first + second else f"[[{'AB'[len(second) > len(first)]}]]"
    )
    run_judge([*LONG, *["이상"] * 3], [*SHORT, *["짧음"] * 3])
    code, verdict = gate()
    assert code == 0
    assert any("leave out: 3 of 28" in text for text in list_texts(verdict))
    run_judge([*LONG, *["이상"] * 30], [*SHORT, *["짧음"] * 30])
    code, verdict = gate()
    assert code == 4
    assert any("counted as lost, the candidate's mean 1.000 would be 0.455" in text for text in list_texts(verdict))


def test_the_demand_needs_scores_of_a_judge(tmp_path, capsys):
    for name in ("candidate", "champion"):
        row = {"task": "t", "item": "1", "metric": "accuracy", "language": "ko", "score": 1}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    (tmp_path / "rules.yaml").write_text(STRICT, "utf-8")
    files = [f"--{name}={tmp_path / name}.jsonl" for name in ("candidate", "champion")]
    assert main(["gate", *files, "--rules", str(tmp_path / "rules.yaml")]) == 2
    assert "minimum_judge_kappa is about scores of the metric judge" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "[]", '{"judge": {}}', DAMAGED])
def test_a_damaged_calibration_is_an_error(run_judge, tmp_path, content, capsys):
    path = tmp_path / "calibration.json"
    path.write_text(content, "utf-8")
    assert run_judge(LONG, SHORT, "--calibration", str(path), code=2) is None
    assert "calibration" in capsys.readouterr().err


def test_options_that_are_missing_are_named(capsys):
    assert main(["judge", "--model", "x"]) == 2
    assert (
        "--candidate is missing; --champion is missing; --out is missing; --endpoint is missing"
        in capsys.readouterr().err
    )


def test_the_report_is_printed_in_korean(calibrate, capsys, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    calibrate(make_rows())
    output = capsys.readouterr().out
    assert "일치율" in output
    assert "판정이 위치를 따른 쌍" in output
    assert "pairs" not in output
