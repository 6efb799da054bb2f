"""registry/champion.json: the live version, and the earlier champions that it does not reach."""

from __future__ import annotations

import pytest

from seodang.registry.champion import read_champion_file, select_best, write_champion


def build_result(against: str, difference: float, *, rule: int = 0, group: str = "") -> dict:
    return {"rule": rule, "group": group, "against": against, "difference": difference}


@pytest.mark.parametrize(
    ("results", "kept"),
    [
        ([build_result("champion v0.3.0", 0.01), build_result("champion v0.1.0", 0.0)], []),
        ([build_result("champion v0.3.0", 0.01), build_result("champion v0.1.0", -0.02)], ["v0.1.0"]),
        ([build_result("champion v0.3.0", -0.01), build_result("champion v0.1.0", -0.02)], ["v0.1.0"]),
        (
            [
                build_result("champion v0.3.0", -0.01, rule=0),
                build_result("champion v0.1.0", -0.02, rule=1, group="ko"),
                build_result("champion v0.2.0", -0.01, rule=1, group="ko"),
            ],
            ["v0.3.0", "v0.1.0"],
        ),
        ([build_result("few_shot/plain/3", -0.5), build_result("zero_shot", -0.5)], []),
    ],
    ids=["reached", "an earlier one is better", "the best one counts", "one for each rule", "no champion"],
)
def test_the_best_earlier_champion_of_each_rule_stays_a_reference(build_champion, results, kept):
    earlier = [build_champion(version) for version in ("v0.3.0", "v0.1.0", "v0.2.0")]
    assert [champion.version for champion in select_best({"results": results}, earlier)] == kept


def test_the_file_keeps_the_best_earlier_champions(build_champion, tmp_path):
    path, live, best = tmp_path / "champion.json", build_champion("v0.3.0"), [build_champion("v0.1.0")]
    write_champion(path, live, best)
    assert (read_champion_file(path).champion, read_champion_file(path).best) == (live, best)
    write_champion(path, live)
    assert "best" not in path.read_text("utf-8")
    assert read_champion_file(path).best == []
