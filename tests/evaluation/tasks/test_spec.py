"""Task files: what they may say, and that all their faults are told at once."""

import pytest
import yaml
from evaluation_cases import raw_spec, records_spec, spec

from seodang.config.load import parse_section
from seodang.errors import ParamsError
from seodang.evaluation.tasks.spec import TaskSpec, load_specs


def write(folder, stem, **others):
    (folder / f"{stem}.yaml").write_text(yaml.safe_dump(raw_spec(**others), allow_unicode=True), "utf-8")


def test_the_name_of_the_file_is_the_name_of_the_task(tmp_path):
    write(tmp_path, "films")
    assert [found.name for found in load_specs(tmp_path, [])] == ["films"]
    write(tmp_path, "books", name="tomes")
    with pytest.raises(ParamsError, match=r"books.yaml: leave out name"):
        load_specs(tmp_path, ["books"])


def test_tasks_come_in_the_order_in_which_they_are_named(tmp_path):
    for name in ("a", "b"):
        write(tmp_path, name)
    assert [found.name for found in load_specs(tmp_path, ["b", "a"])] == ["b", "a"]


def test_the_faults_of_all_files_stand_in_one_message(tmp_path):
    write(tmp_path, "one", kind="guess", limit=0)
    write(tmp_path, "two", prompts={"bare": "{{text"}, colour="red")
    (tmp_path / "three.yaml").write_text("- no mapping", "utf-8")
    with pytest.raises(ParamsError) as error:
        load_specs(tmp_path, ["one", "two", "three", "four"])
    message = str(error.value)
    for part in (
        "one.yaml",
        "kind: ",
        "limit: ",
        "two.yaml",
        "prompts.bare: ",
        "is no template",
        "colour: is not a known parameter",
        "three.yaml",
        "no task 'four'",
    ):
        assert part in message


def test_a_folder_without_task_files_is_an_error(tmp_path):
    with pytest.raises(ParamsError, match="no task file"):
        load_specs(tmp_path, [])


def test_a_task_that_is_named_twice_is_an_error(tmp_path):
    write(tmp_path, "films")
    with pytest.raises(ParamsError, match="named twice: films"):
        load_specs(tmp_path, ["films", "films"])


@pytest.mark.parametrize(
    ("extra_metrics", "message"),
    [
        ({"options": {"0": "부정", "1": "부정"}}, "options has 1 different options"),
        ({"options": {}}, "options has 0 different options"),
        ({"answer": ""}, "answer is empty"),
        ({"until": ["\n"]}, "until are read by kind generate only"),
        ({"max_new_tokens": 8}, "until are read by kind generate only"),
        ({"kind": "generate", "metrics": ["exact_match"], "options": {}, "until": [""]}, "until holds an empty text"),
        ({"metrics": ["chrf"]}, "metrics chrf are not of kind choice"),
        ({"metrics": ["accuracy", "accuracy"]}, "names one twice"),
        ({"metrics": ["accuracy_norm"]}, "accuracy_norm go together"),
        ({"normalise": "bytes"}, "accuracy_norm go together"),
        ({"kind": "generate", "metrics": ["exact_match"]}, "options are read by kind choice only"),
        ({"kind": "generate", "metrics": ["chrf"], "options": {}, "answer": ""}, "metrics chrf need a reference"),
        (
            {"kind": "generate", "metrics": ["ifeval_prompt_strict"], "options": {}},
            r"need extra: \[instruction_id_list, kwargs\]",
        ),
        ({"kind": "perplexity", "metrics": ["loss"], "options": {}, "answer": ""}, "answer is empty"),
    ],
)
def test_parts_that_do_not_fit_together_are_told(others, message):
    with pytest.raises(ParamsError, match=message):
        spec(**others)


def test_several_such_parts_are_told_at_once():
    with pytest.raises(ParamsError) as error:
        spec(options={}, metrics=["chrf"], normalise="bytes")
    assert all(part in str(error.value) for part in ("options has", "metrics chrf", "accuracy_norm"))


def test_labels_that_yaml_reads_as_something_else_are_told(tmp_path):
    (tmp_path / "films.yaml").write_text(
        yaml.safe_dump({**raw_spec(), "options": {0: "부정", True: "긍정"}}, allow_unicode=True), "utf-8"
    )
    with pytest.raises(ParamsError, match="valid string"):
        load_specs(tmp_path, [])


def test_records_bring_their_own_options():
    assert records_spec().options == {}
    with pytest.raises(ParamsError, match="they bring their own"):
        parse_section(TaskSpec, {"name": "films", **raw_spec(), "data": {"split": "test", "task": None}}, "films.yaml")


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        spec().kind = "generate"
