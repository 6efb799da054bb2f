"""The table of a verdict's rules stays readable with long names."""

import pytest

from seodang.cli.verdict_table import print_verdict


def build_verdict(against, metric="loss", tasks=("retention",)):
    result = {
        "metric": metric,
        "tasks": list(tasks),
        "group": "ko",
        "against": against,
        "candidate": 12.4495,
        "reference": 12.3978,
        "difference": -0.0517,
        "low": -0.1855,
        "high": 0.0974,
        "items": 1000,
        "passed": None,
    }
    return {"verdict": "inconclusive", "results": [result, {**result, "against": "base"}], "reasons": [{}, {}]}


def print_lines(capsys, verdict):
    print_verdict(verdict)
    return capsys.readouterr().out.splitlines()[2:]


def test_short_names_have_one_line_each(capsys):
    heading, first, second = print_lines(capsys, build_verdict("zero_shot/plain"))
    assert heading.startswith("metric")
    assert first.split() == (
        "loss retention [ko] zero_shot/plain 12.398 -> 12.450 +0.052 [-0.097, 0.185] n=1000 undecided".split()
    )
    assert second.split()[3] == "base"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_long_name_of_the_reference_is_not_broken(capsys, monkeypatch, language):
    monkeypatch.setenv("SEODANG_LANG", language)
    lines = print_lines(capsys, build_verdict("few_shot/a_very_long_format_of_prompts/10/cal"))
    assert len(lines) == 6  # two of the headings, two of each rule
    assert lines[2].split()[:4] == ["loss", "retention", "[ko]", "few_shot/a_very_long_format_of_prompts/10/cal"]
    assert lines[3].split() == "12.398 -> 12.450 +0.052 [-0.097, 0.185] n=1000".split()
    assert max(map(len, lines)) <= 100
