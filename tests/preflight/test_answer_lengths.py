"""References that are longer than the generated answers may be are found before training."""

from seodang.config import GateParams
from seodang.config.load import resolve_params
from seodang.preflight.answer_lengths import AnswerLengths, find_cut_answers

THRESHOLD = {"metric": "eos_rate", "tasks": [], "maximum": None}
LONG = AnswerLengths(task="faq", is_task_file=False, limit=4, lengths=(9, 9, 2))


def gate(*minima):
    thresholds = [{**THRESHOLD, "minimum": minimum} for minimum in minima]
    return GateParams.model_validate({**resolve_params({})["gate"], "thresholds": thresholds})


def test_several_thresholds_that_cut_answers_make_unreachable_are_one_problem():
    problems, warnings = find_cut_answers(gate(0.5, 0.95), [LONG])
    assert len(problems) == 1
    assert "faq: 2 of 3 reference answers are longer than evaluate.max_new_tokens 4" in problems[0]
    assert warnings == []


def test_cut_answers_that_no_threshold_looks_at_are_a_warning():
    assert [len(each) for each in find_cut_answers(gate(), [LONG])] == [0, 1]
