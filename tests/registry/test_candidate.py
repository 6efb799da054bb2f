"""The scores of a registered version are those of the rules, on the rules' own items."""

from seodang.registry.candidate import collect_scores


def build_result(candidate, metric="accuracy", tasks=("topic", "intent"), group=""):
    return {"metric": metric, "tasks": list(tasks), "group": group, "candidate": candidate}


def test_a_default_rule_of_other_tasks_does_not_replace_the_score_of_the_first_rule():
    results = [build_result(0.675), build_result(0.794, group="ko"), build_result(0.8125, tasks=("topic", "category"))]
    scores = collect_scores({"accuracy": 0.719, "loss": 0.96}, results)
    assert (scores["accuracy"], scores["accuracy [ko]"], scores["loss"]) == (0.675, 0.794, 0.96)
