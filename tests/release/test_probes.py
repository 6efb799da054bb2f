"""Items with known answers that both versions of a canary are asked."""

import json
import threading

import pytest

from seodang.config.canary import OnlineScoreParams, ProbeParams
from seodang.errors import ReleaseError
from seodang.paths import Paths
from seodang.release.probes import Probe, ProbeTally, ask_pair, read_probes, send_probes

LIMIT = {"margin": 0.01, "tolerance": 0.1}
SCORES = OnlineScoreParams.model_validate(
    {
        **dict.fromkeys(("answered", "fast", "stopped", "valid", "liked", "labelled", "correct"), None),
        "answered": LIMIT,
        "labelled": LIMIT,
        "correct": LIMIT,
    }
)
PARAMS = {"per_minute": 60, "file": "probes.jsonl", "tasks": None}
GOOD, BAD = "긍정", "부정"
SENTIMENT = [Probe("감정은?", f"문장 {n}", GOOD, "sentiment", (GOOD, BAD)) for n in range(4)]
SUM = Probe("Add.", "1 + 2", "3", "addition", ())


def write(folder, *probes, **changed):
    rows = [{name: getattr(probe, name) for name in Probe.__slots__} | changed for probe in probes]
    (folder / "probes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return Paths(folder)


def compare(tally):
    return {
        each.name: (each.reference.compute_mean(), each.candidate.compute_mean())
        for each in tally.build_comparisons(SCORES)
    }


def test_answers_are_compared_with_labels_and_with_the_reference_of_each_task():
    tally = ProbeTally([*SENTIMENT, SUM])
    assert list(compare(tally)) == ["labelled", "correct:addition", "correct:sentiment"]
    ask_pair(lambda role, _probe: GOOD if role == "reference" else "글쎄요", tally, SENTIMENT[0])
    ask_pair(lambda role, _probe: GOOD if role == "reference" else BAD, tally, SENTIMENT[1])
    ask_pair(lambda _role, _probe: " 3. ", tally, SUM)
    assert compare(tally) == {"labelled": (1, 0.5), "correct:addition": (1, 1), "correct:sentiment": (1, 0)}
    pairs = {each.name: each.pairs for each in tally.build_comparisons(SCORES)}["correct:sentiment"]
    assert (pairs.lost, pairs.equal, pairs.gained) == (2, 0, 0)


@pytest.mark.parametrize("silent", ["reference", "candidate"])
def test_a_pair_counts_only_if_both_versions_take_the_request(silent):
    tally = ProbeTally(SENTIMENT)
    ask_pair(lambda role, _probe: None if role == silent else GOOD, tally, SENTIMENT[0])
    assert all(each.reference.compute_number() == 0 for each in tally.build_comparisons(SCORES))


def test_both_versions_are_asked_the_same_items_until_the_end():
    asked, enough = [], threading.Event()

    def ask(role, probe):
        asked.append((role, probe))
        if len(asked) == 12:
            enough.set()
        return probe.output

    with send_probes(ask, ProbeTally([*SENTIMENT, SUM]), 6e6, 1):
        assert enough.wait(30)
    pairs = [(first, second) for first, second in zip(asked[::2], asked[1::2], strict=False)]
    assert all(first == ("reference", second[1]) and second[0] == "candidate" for first, second in pairs)
    assert [first[1].task for first, _second in pairs[:4]] == ["addition", "sentiment"] * 2


def test_an_error_of_a_probe_reaches_whoever_watches():
    failed = threading.Event()

    def ask(_role, _probe):
        failed.set()
        raise ReleaseError("the key is refused")

    with send_probes(ask, ProbeTally(SENTIMENT), 6e6, 1) as check:
        assert failed.wait(30)
        with pytest.raises(ReleaseError, match="the key is refused"):  # noqa: PT012
            for _look in range(3000):
                check()
                threading.Event().wait(0.01)


def test_tasks_with_labels_are_asked_unless_tasks_are_named(tmp_path):
    paths = write(tmp_path, *SENTIMENT, SUM)
    assert read_probes(paths, ProbeParams.model_validate(PARAMS)) == SENTIMENT
    assert read_probes(paths, ProbeParams.model_validate({**PARAMS, "tasks": ["addition"]})) == [SUM]


def test_items_of_a_conversation_are_left_out(tmp_path):
    write(tmp_path, *SENTIMENT, turns=[{"role": "user", "content": "?"}])
    assert read_probes(Paths(tmp_path), ProbeParams.model_validate(PARAMS)) == []


def test_without_a_validation_split_there_are_no_probes_and_a_warning(tmp_path, caplog):
    assert read_probes(Paths(tmp_path), ProbeParams.model_validate({**PARAMS, "file": None})) == []
    assert "dvc pull" in caplog.text
    assert ProbeTally([]).build_comparisons(SCORES) == []


@pytest.mark.parametrize("changed", [{"file": "none.jsonl"}, {"file": None, "tasks": ["topic"]}])
def test_a_named_file_or_task_must_be_there(tmp_path, changed):
    with pytest.raises(ReleaseError, match=r"correct canary\.probes"):
        read_probes(Paths(tmp_path), ProbeParams.model_validate({**PARAMS, **changed}))


def test_an_unknown_task_says_what_to_do_in_korean_too(tmp_path, monkeypatch):
    write(tmp_path, *SENTIMENT)
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(ReleaseError, match="topic 문항이 없"):
        read_probes(Paths(tmp_path), ProbeParams.model_validate({**PARAMS, "tasks": ["topic"]}))


def test_a_row_without_an_answer_is_named(tmp_path):
    write(tmp_path, *SENTIMENT, output=None)
    with pytest.raises(ReleaseError, match=r"row 1: a probe needs output"):
        read_probes(Paths(tmp_path), ProbeParams.model_validate(PARAMS))
