"""The ledger recognizes the items of the pipeline by their content, under another task, id or prompt."""

import numpy as np
import pytest
from tests.fixtures.gate import build_gate

from seodang.gate.decision import decide
from seodang.gate.judgement import build_judgement
from seodang.gate.ledger import compute_next_tail, find_reuse
from seodang.gate.levels import compute_tail
from seodang.gate.pairing import pair_scores
from seodang.gate.scores import select_scores

N = 400
REFERENCE = np.arange(N) % 2


def build_rows(variant, scores, task="sentineg", order=range(N), first=0, **more):
    """Return rows of scores.jsonl for the items of a task in an order; ids count from `first`."""
    return [
        {
            **{"variant": variant, "split": "task", "task": task, "item": f"{task} {first + position}"},
            **{"language": "ko", "group": "", "content": f"review {index}", "accuracy": float(scores[index])},
            **{"exact_match": None, "chrf": None, "loss": None, "eos_rate": None, "extra_metrics": {}, **more},
        }
        for position, index in enumerate(order)
    ]


def pair(candidate, tasks=("sentineg",), **changes):
    """Return the pairs of a candidate and the reference on all items under each task."""
    rows = [
        row
        for task in tasks
        for variant, scores in (("tuned", candidate), ("base", REFERENCE))
        for row in build_rows(variant, scores, task, **changes)
    ]
    return pair_scores(select_scores(rows, "tuned"), select_scores(rows, "base"), "base")


def improve(count, start=0):
    scores = REFERENCE.copy()
    scores[np.flatnonzero(REFERENCE == 0)[start : start + count]] = 1
    return scores


def judge(pairs, ledger, *tasks):
    gate = build_gate(*({"against": "champion", "tasks": [task]} for task in tasks))
    decision = decide({"champion": [("champion", pairs)]}, gate, ledger)
    fields = {"met": decision.met, "tests": decision.tests, "verdict": decision.verdict}
    ledger.append(build_judgement(pairs, gate, created_at=str(len(ledger)), **fields))
    return decision


SHUFFLED = np.random.default_rng(3).permutation(N)


@pytest.mark.parametrize("order", [range(N), SHUFFLED, SHUFFLED[: N // 2]])
def test_the_same_items_under_another_task_name_and_id_are_no_first_look(order):
    """400 reviews as records of `sentineg`, and as the task file `kobest_sentineg`, were first judgements twice."""
    ledger = []
    assert judge(pair(improve(30)), ledger, "sentineg").results[0].judgement == 1
    renamed = pair(improve(40, start=5), ["kobest_sentineg"], order=order, first=1000)
    [result] = judge(renamed, ledger, "kobest_sentineg").results
    assert result.judgement == 2
    assert result.confidence == pytest.approx(1 - 2 * compute_tail(2, build_gate()))
    assert result.p_inherited is not None  # the luck of the first candidate on these items counts, too


def test_other_items_under_the_same_task_name_are_a_first_look_where_their_ids_are_new():
    ledger = []
    judge(pair(improve(30)), ledger, "sentineg")
    rows = [
        {**row, "content": f"new {row['content']}"}
        for variant, scores in (("tuned", improve(40)), ("base", REFERENCE))
        for row in build_rows(variant, scores, first=N)
    ]
    fresh = pair_scores(select_scores(rows, "tuned"), select_scores(rows, "base"), "base")
    assert judge(fresh, ledger, "sentineg").results[0].judgement == 1


def test_of_a_text_under_two_prompts_each_task_finds_its_own_scores():
    bare, question = improve(20), improve(60, start=90)
    rows = [
        *build_rows("tuned", bare, "bare"),
        *build_rows("tuned", question, "question"),
        *(row for task in ("bare", "question") for row in build_rows("base", REFERENCE, task)),
    ]
    pairs = pair_scores(select_scores(rows, "tuned"), select_scores(rows, "base"), "base")
    ledger = []
    judge(pairs, ledger, "bare", "question")
    for task, scores in (("bare", bare), ("question", question)):
        own = pairs["accuracy"].select(tasks=[task])
        listed = ledger[0].list_scores("accuracy", own.keys, own.contents)
        assert dict(zip(own.contents, listed, strict=True)) == {
            f"review {index}": float(scores[index]) for index in range(N)
        }
    assert [result.judgement for result in judge(pairs, ledger, "bare", "question").results] == [1, 1]  # the same again


def test_an_old_ledger_without_contents_recognizes_items_by_task_and_name():
    ledger = []
    judge(pair(improve(30), content=""), ledger, "sentineg")
    assert ledger[0].contents == {}
    assert judge(pair(improve(40)), ledger, "sentineg").results[0].judgement == 2
    renamed = pair(improve(50), ["kobest_sentineg"])["accuracy"]
    assert find_reuse(renamed, "accuracy", ledger[:1], build_gate(), name="x").number == 1


def test_the_listing_counts_judgements_under_other_names():
    ledger = []
    judge(pair(improve(30)), ledger, "sentineg")
    judge(pair(improve(40), ["kobest_sentineg"], first=1000), ledger, "kobest_sentineg")
    assert compute_next_tail(ledger[-1], ledger, build_gate()) == pytest.approx(compute_tail(3, build_gate()))
