"""registry/champion.json: the live version, and the earlier champions that it does not reach."""

from __future__ import annotations

import pytest

from seodang.errors import ModelError
from seodang.paths import Paths
from seodang.registry import fetching
from seodang.registry.champion import read_champion_file, select_best, write_champion
from seodang.registry.fetching import fetch_earlier_champion


def build_result(against: str, difference: float, *, rule: int = 0, group: str = "", spread: float = 0.02) -> dict:
    low = difference - spread
    return {"rule": rule, "group": group, "against": against, "difference": difference, "low": low}


@pytest.mark.parametrize(
    ("results", "kept"),
    [
        ([build_result("champion v0.3.0", 0.03), build_result("champion v0.1.0", 0.05)], []),
        ([build_result("champion v0.3.0", 0.03), build_result("champion v0.1.0", 0.01)], ["v0.1.0"]),
        ([build_result("champion v0.3.0", 0.01), build_result("champion v0.1.0", 0.0)], ["v0.1.0"]),
        ([build_result("champion v0.3.0", -0.02), build_result("champion v0.1.0", 0.0)], ["v0.3.0", "v0.1.0"]),
        ([build_result("champion v0.3.0", 0.01), build_result("champion v0.1.0", 0.05)], ["v0.3.0"]),
        (
            [
                build_result("champion v0.3.0", -0.01, rule=0),
                build_result("champion v0.1.0", 0.05, rule=0),
                build_result("champion v0.3.0", 0.05, rule=1, group="ko"),
                build_result("champion v0.1.0", -0.01, rule=1, group="ko"),
            ],
            ["v0.3.0", "v0.1.0"],
        ),
        ([build_result("few_shot/plain/3", -0.5), build_result("zero_shot", -0.5)], ["v0.1.0", "v0.2.0"]),
        ([build_result("champion v0.1.0", 0.05) | {"low": None}], ["v0.1.0"]),
    ],
    ids=[
        "better than all",
        "not shown to be better than the oldest",
        "the oldest of several",
        "the oldest, and the best",
        "the oldest is surpassed",
        "each rule keeps its own",
        "no rule compared them, so the references stay",
        "no interval",
    ],
)
def test_an_earlier_champion_stays_a_reference_until_a_candidate_is_shown_to_be_better(results, kept):
    assert select_best(results, ["v0.3.0", "v0.1.0", "v0.2.0"]) == kept


def test_the_oldest_version_is_that_of_the_lowest_number():
    results = [build_result("champion v0.10.0", 0.01), build_result("champion v0.9.0", 0.01)]
    assert select_best(results, ["v0.10.0", "v0.9.0"]) == ["v0.9.0"]


def test_the_file_keeps_the_best_earlier_champions(build_champion, tmp_path):
    path, live, best = tmp_path / "champion.json", build_champion("v0.3.0"), [build_champion("v0.1.0")]
    write_champion(path, live, best)
    assert (read_champion_file(path).champion, read_champion_file(path).best) == (live, best)
    write_champion(path, live)
    assert "best" not in path.read_text("utf-8")
    assert read_champion_file(path).best == []


def test_an_earlier_champion_whose_weights_are_lost_can_be_left_out(build_champion, tmp_path, monkeypatch):
    def fail(*_arguments: object) -> None:
        raise ModelError("v0.1.0 is in no DVC cache")

    monkeypatch.setattr(fetching, "fetch_packaged_model", fail)
    with pytest.raises(ModelError, match=r"remove it from `best` in registry/champion\.json"):
        fetch_earlier_champion(build_champion("v0.1.0"), Paths(tmp_path))
