"""`seodang report`: the scores that the rules look at."""

from seodang.cli.report import print_summary
from seodang.io.jsonl import write_json
from seodang.paths import Paths
from seodang.registry.candidate import collect_scores

TUNED = {"name": "tuned", "shots": 0, "items": 40, "accuracy": None, "exact_match": 0.1, "chrf": 54.8, "loss": 0.9}
RESULT = {
    "test": "superiority",
    "metric": "chrf",
    "tasks": ["faq"],
    "group": "",
    "against": "zero_shot",
    "reference": 20.0,
    "candidate": 54.8,
    "difference": 34.8,
    "low": 30.0,
    "high": 40.0,
    "items": 40,
    "passed": False,
}


def test_the_metric_of_the_rules_comes_first_and_a_metric_without_scores_is_left_out(tmp_path, capsys):
    paths = Paths(tmp_path)
    write_json(paths.evaluate_report, {"variants": [{**TUNED, "eos_rate": 0.97}], "best": {}})
    reason = {"passed": False, "en": "chrf not met", "ko": "chrf 미달"}
    eos_rate = {**RESULT, "metric": "eos_rate"}
    write_json(paths.verdict, {"verdict": "reject", "results": [RESULT, eos_rate], "reasons": [reason, reason]})
    print_summary(paths)
    heading = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("model "))
    assert heading.split() == ["model", "chrf", "eos_rate", "exact_match", "loss", "items"]


def test_the_registry_records_first_what_the_rules_judged_on_their_own_items():
    rouge = {**RESULT, "metric": "rouge_l", "candidate": 0.4}  # no mean over all items exists
    korean = {**RESULT, "tasks": [], "group": "ko", "candidate": 50.1}
    scores = collect_scores(TUNED, [rouge, {**RESULT, "candidate": 57.3}, korean])
    assert list(scores)[:3] == ["rouge_l faq", "chrf faq", "chrf [ko]"]
    assert (scores["rouge_l faq"], scores["chrf faq"], scores["chrf [ko]"]) == (0.4, 57.3, 50.1)
    assert (scores["chrf"], scores["accuracy"]) == (54.8, None)  # means over all test items


def test_a_rule_about_all_items_takes_its_value_from_the_verdict():
    scores = collect_scores(TUNED, [{**RESULT, "tasks": [], "candidate": 57.3}])
    assert scores["chrf"] == 57.3


def test_the_page_of_preference_tuning_is_named_where_there_is_one(tmp_path, capsys):
    paths = Paths(tmp_path)
    write_json(paths.evaluate_report, {"variants": [TUNED], "best": {}})
    write_json(paths.verdict, {"verdict": "reject", "results": [RESULT], "reasons": []})
    print_summary(paths)
    assert "align.html" not in capsys.readouterr().out
    paths.alignment_page.parent.mkdir(parents=True)
    paths.alignment_page.touch()
    print_summary(paths)
    assert "preference tuning: artifacts/report/training/align.html" in capsys.readouterr().out
