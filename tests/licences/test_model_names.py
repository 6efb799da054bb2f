"""The beginnings of a model's name that licences require, and names that would do."""

from __future__ import annotations

import pytest

from seodang.licences.model_names import build_name, check_name, format_title
from seodang.licences.table import read_table
from seodang.licences.verdict import list_parts

LLAMA = "Llama 3.1 Community License"


def list_problems(name, base, *teachers):
    sources = [{"name": "synthetic", "licence": "MIT", "teachers": list(teachers)}]
    return [str(problem) for problem in check_name(name, list_parts(base, sources))]


@pytest.mark.parametrize(
    "licence", [licence for licence in read_table() if licence.name_prefix], ids=lambda licence: licence.id
)
def test_a_name_without_the_prefix_is_refused_and_the_proposed_one_is_accepted(licence):
    [problem] = list_problems("seodang", licence.name)
    proposal = problem.rpartition("package.name: ")[2]
    assert f"must begin with “{licence.name_prefix.text}”" in problem
    assert f"section {licence.name_prefix.section}" in problem
    assert list_problems(proposal, licence.name) == []


@pytest.mark.parametrize("name", ["Llama-ko", "llama-ko", "LLAMA_3", "llama"])
def test_case_and_punctuation_of_the_prefix_do_not_matter(name):
    assert list_problems(name, LLAMA) == []


@pytest.mark.parametrize("name", ["ko-llama", "my-model", "l-lam-a"[:4]])
def test_another_beginning_is_refused(name):
    assert len(list_problems(name, LLAMA)) == 1


def test_a_base_without_the_duty_takes_any_name():
    assert list_problems("seodang", "Apache-2.0") == []
    assert list_problems("seodang", "unknown") == []


def test_a_teacher_requires_its_name_only_where_its_licence_says_so():
    assert "must begin with “Llama”" in list_problems("seodang", "MIT", LLAMA)[0]
    assert list_problems("seodang", "MIT", "Kanana Open License") == []


def test_two_prefixes_at_once_cannot_be_met():
    [problem] = list_problems("llama-x", LLAMA, "HyperCLOVA X SEED")
    assert problem.startswith("no name can begin with each of “Llama”, “HyperCLOVA X”")


@pytest.mark.parametrize(
    ("name", "prefix", "expected"),
    [
        ("seodang-llama-8b", "Llama", "llama-seodang-8b"),
        ("seodang", "HyperCLOVA X", "hyperclova-x-seodang"),
        ("llama", "Llama", "llama"),
        ("seodang_kanana", "Kanana", "kanana-seodang"),
    ],
)
def test_a_proposed_name_keeps_the_rest(name, prefix, expected):
    assert build_name(name, prefix) == expected


def test_a_title_has_the_prefix_as_the_licence_writes_it():
    assert format_title("llama-seodang-8b:abc", list_parts(LLAMA, [])) == "Llama-seodang-8b:abc"
    assert format_title("seodang:abc", list_parts("MIT", [])) == "seodang:abc"
