"""The advice of each rule, followed literally, lets the row pass: a parameter, a repair, a deletion or an edit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.validation.advice_cases import EDITS, ELSEWHERE, GOOD, LIMITS, REPAIRS, Edit, line

from seodang.config import TableTemplate
from seodang.config.load import resolve_params
from seodang.ingest.fetch.files import LocalFile
from seodang.validation.check_files import CheckParams, CheckRequest, CheckResult, check
from seodang.validation.checks.registry import REGISTRY
from seodang.validation.dataset_rules import DATASET_RULES

PARAMETER = re.compile(r"\b(raise|lower|set) ((?:expectations|ingest)(?:\.\w+)+)(?: to (\w+))?")
ROLE = re.compile(r"set role of the source to (\w+) or (\w+)")

pytestmark = pytest.mark.usefixtures("fake_validator")


@pytest.fixture
def find_rules(tmp_path):
    """Returns the rules that a file breaks, with changes of the parameters by their full names."""

    def find(
        content: str, *, name: str = "a.jsonl", table: Any = None, format: str = "auto", changes: Any = None
    ) -> CheckResult:
        (tmp_path / name).write_text(content, "utf-8")
        params = resolve_params({})
        for parameter, value in (changes or {}).items():
            *path, last = parameter.split(".")
            section = params
            for key in path:
                section = section[key]
            assert last in section, f"{parameter} is no parameter"
            section[last] = value
        request = CheckRequest(
            files=[LocalFile(tmp_path / name, name, None)], errors=(), format="table" if table else format,
            columns=None, table=TableTemplate.model_validate(table) if table else None, counter=None, report=None,
        )  # fmt: skip
        limits = {
            "max_field_characters": params["ingest"]["max_field_characters"],
            "expectations": params["expectations"],
        }
        return check(request, CheckParams.model_validate(limits))

    return find


def get_advice(id: str) -> str:
    return next(rule for rule in REGISTRY if rule.id == id).fix.text


@pytest.mark.parametrize("rule", REGISTRY, ids=lambda rule: rule.id)
def test_the_advice_of_each_rule_has_a_case_or_a_reason(rule):
    assert rule.id in {*EDITS, *LIMITS, *REPAIRS, *ELSEWHERE}, "add a case to tests/validation/advice_cases.py"
    if PARAMETER.search(rule.fix.text):
        assert rule.id in {*LIMITS, *ELSEWHERE}
    if re.search(r"repair (?:does|replaces)", rule.fix.text):
        assert rule.id in REPAIRS


@pytest.mark.parametrize(("id", "edit"), [(id, edit) for id in EDITS for edit in EDITS[id]])
def test_a_row_that_is_edited_as_advised_passes(find_rules, id, edit: Edit):
    before = find_rules(edit.before, name=edit.name, table=edit.table)
    assert id in before.summary.rule_counts
    after = find_rules(edit.after, name=edit.name, table=edit.table_after, **edit.settings)
    assert (id in after.summary.rule_counts, after.summary.build_counts()["quarantined"]) == (False, 0)


@pytest.mark.parametrize("id", LIMITS)
def test_a_parameter_that_is_changed_as_advised_lets_the_row_pass(find_rules, id):
    assert id in find_rules(line(LIMITS[id])).summary.rule_counts
    ((verb, parameter, value),) = PARAMETER.findall(get_advice(id))
    changed = {"raise": 1_000_000 if "characters" in parameter else 0.99, "lower": 1, "set": value}[verb]
    result = find_rules(line(LIMITS[id]), changes={parameter: changed})
    # Beyond the limit of a field, the limit of the answer is the next message.
    assert result.summary.build_counts()["accepted"] == 1 or list(result.summary.rule_counts) == ["output-too-long"]
    assert verb == "set" or id not in result.summary.rule_counts


@pytest.mark.parametrize("id", REPAIRS)
def test_a_row_whose_advice_names_repair_is_repaired(find_rules, id):
    assert "repair" in get_advice(id)
    action = f"expectations.actions.{id.replace('-', '_')}"
    assert id in find_rules(line(REPAIRS[id]), changes={action: "reject"}).summary.rule_counts
    result = find_rules(line(REPAIRS[id]), changes={action: "repair"})
    assert result.summary.build_counts() | {"warned": 0} == {
        "rows": 1,
        "accepted": 1,
        "quarantined": 0,
        "repaired": 1,
        "warned": 0,
    }


@pytest.mark.parametrize(
    "id",
    [rule.id for rule in REGISTRY if re.search("delete the row|leave the row out", rule.fix.text) and rule.id in EDITS],
)
def test_a_file_without_the_row_passes(find_rules, id):
    edit = EDITS[id][0]
    rest = f"{line(GOOD)}\n" if not edit.table else line({"text": "지루한 영화", "label": "0"})
    assert find_rules(rest, table=edit.table).summary.rule_counts == {}


@pytest.mark.parametrize(
    "rule", [rule for rule in DATASET_RULES if PARAMETER.search(rule.fix.text)], ids=lambda r: r.id
)
def test_the_advice_about_a_data_set_names_parameters_that_exist(rule):
    for _verb, parameter, _value in PARAMETER.findall(rule.fix.text):
        section: Any = resolve_params({})
        for key in parameter.split("."):
            section = section[key]


def test_a_row_of_a_test_split_passes_in_the_role_that_the_advice_names(tmp_path, build_file_source, make_ingest):
    (tmp_path / "a.jsonl").write_text(line({**GOOD, "split": "test"}), "utf-8")
    assert [list(row["marks"]) for row in make_ingest(tmp_path, "train")] == [["held-out"]]
    match = ROLE.search(get_advice("held-out"))
    assert match
    for role in match.groups():
        assert [list(row["marks"]) for row in make_ingest(tmp_path, role)] == [[]]


@pytest.fixture
def make_ingest(build_file_source):
    """Returns the rows of a source with a role."""
    from seodang.config import IngestParams, SourceParams
    from seodang.ingest.sources import iter_source_rows
    from seodang.ingest.tally import Tally

    def read(folder: Path, role: str) -> list[dict[str, Any]]:
        source = SourceParams.model_validate({**build_file_source("own", "a.jsonl"), "role": role})
        primer = {"seed": 0, "sentiment_per_language": 0, "classification_per_language": 0, "open_per_language": 0}
        ingest = IngestParams.model_validate(
            {"sources": [source.model_dump()], "primer": primer, "max_field_characters": 1000}
        )
        return list(iter_source_rows(source, ingest, folder, Tally()))

    return read
