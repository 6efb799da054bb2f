"""Task files: their keys, and one message with all their errors."""

import pytest
import yaml

from seodang.config.load import parse_section
from seodang.errors import ParamsError
from seodang.evaluation.tasks.spec import TaskSpec, load_specs


@pytest.fixture(scope="module")
def write(build_raw_spec):
    def write(folder, stem, **others):
        (folder / f"{stem}.yaml").write_text(yaml.safe_dump(build_raw_spec(**others), allow_unicode=True), "utf-8")

    return write


def test_the_name_of_the_file_is_the_name_of_the_task(tmp_path, write):
    write(tmp_path, "films")
    assert [spec.name for spec in load_specs(tmp_path, [])] == ["films"]
    write(tmp_path, "books", name="tomes")
    with pytest.raises(ParamsError, match=r"books.yaml: remove the key name"):
        load_specs(tmp_path, ["books"])


def test_tasks_come_in_the_order_in_which_they_are_named(tmp_path, write):
    for name in ("a", "b"):
        write(tmp_path, name)
    assert [spec.name for spec in load_specs(tmp_path, ["b", "a"])] == ["b", "a"]


def test_one_message_lists_the_errors_of_all_files(tmp_path, write):
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
        "is not a valid template",
        "colour: is not a known parameter",
        "three.yaml",
        "no task 'four'",
    ):
        assert part in message


def test_a_folder_without_task_files_is_an_error(tmp_path):
    with pytest.raises(ParamsError, match="no task file"):
        load_specs(tmp_path, [])


def test_a_task_that_is_named_twice_is_an_error(tmp_path, write):
    write(tmp_path, "films")
    with pytest.raises(ParamsError, match="named twice: films"):
        load_specs(tmp_path, ["films", "films"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"0": "부정", "1": "부정"}}, "options has 1 option;"),
        ({"options": {}}, "options has 0 different options"),
        ({"answer": ""}, "answer is empty"),
        ({"until": ["\n"]}, "until belong to kind generate"),
        ({"max_new_tokens": 8}, "until belong to kind generate"),
        ({"kind": "generate", "metrics": ["exact_match"], "options": {}, "until": [""]}, "until holds an empty text"),
        ({"metrics": ["chrf"]}, "metrics names chrf, but kind choice has accuracy, accuracy_norm, macro_f1, spearman"),
        ({"metrics": ["accuracy", "accuracy"]}, "names a metric twice"),
        ({"metrics": ["accuracy_norm"]}, "accuracy_norm needs a value of normalise"),
        ({"normalise": "bytes"}, "normalise is bytes, but metrics does not name accuracy_norm"),
        ({"kind": "generate", "metrics": ["exact_match"]}, "options belong to kind choice"),
        ({"kind": "generate", "metrics": ["chrf"], "options": {}, "answer": ""}, "metrics chrf need a reference"),
        (
            {"kind": "generate", "metrics": ["ifeval_prompt_strict"], "options": {}},
            r"need extra: \[instruction_id_list, kwargs\]",
        ),
        ({"kind": "perplexity", "metrics": ["loss"], "options": {}, "answer": ""}, "answer is empty"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(changes, message, build_spec):
    with pytest.raises(ParamsError, match=message):
        build_spec(**changes)


def test_one_message_lists_all_contradictions(build_spec):
    with pytest.raises(ParamsError) as error:
        build_spec(options={}, metrics=["chrf"], normalise="bytes")
    assert all(part in str(error.value) for part in ("options has", "metrics names chrf", "accuracy_norm"))


def test_labels_that_yaml_reads_as_other_types_are_refused(tmp_path, build_raw_spec):
    (tmp_path / "films.yaml").write_text(
        yaml.safe_dump({**build_raw_spec(), "options": {0: "부정", True: "긍정"}}, allow_unicode=True), "utf-8"
    )
    with pytest.raises(ParamsError, match="is not text in YAML"):
        load_specs(tmp_path, [])


def test_records_have_their_own_options(build_raw_spec, build_record_spec):
    assert build_record_spec().options == {}
    with pytest.raises(ParamsError, match="which have their own"):
        parse_section(
            TaskSpec, {"name": "films", **build_raw_spec(), "data": {"split": "test", "task": None}}, "films.yaml"
        )


def test_errors_are_in_the_language_of_the_user(tmp_path, monkeypatch, build_spec):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(ParamsError, match=r"과제 파일.*이 없습니다"):
        load_specs(tmp_path, [])
    with pytest.raises(ParamsError, match="metrics에 같은 지표가 두 번 나옵니다"):
        build_spec(metrics=["accuracy", "accuracy"])


def test_a_spec_cannot_be_changed(build_spec):
    with pytest.raises(ValueError, match="frozen"):
        build_spec().kind = "generate"
