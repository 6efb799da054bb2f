import pytest

from seodang.config.load import load_params
from seodang.config.yaml_file import read_yaml
from seodang.errors import ParamsError
from seodang.orchestration.overrides import apply_overrides, apply_parameters
from seodang.orchestration.parameters import RunParameters
from seodang.paths import Paths


def test_an_override_changes_one_value_as_dvc_does(project):
    paths = Paths(project)
    changes = apply_parameters(RunParameters(overrides=["train.learning_rate=1e-4", "train.rank=4"]), project, paths)
    assert changes == {"train.learning_rate": (3.0e-3, 1e-4), "train.rank": (16, 4)}
    assert load_params(paths.params).train.learning_rate == 1e-4


def test_a_value_that_only_the_defaults_have_can_be_overridden(project):
    assert "batch_size" not in read_yaml(project / "params.yaml")["train"]
    changes = apply_parameters(RunParameters(overrides=["train.batch_size=3"]), project, Paths(project))
    assert changes["train.batch_size"][1] == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.lerning_rate=1", "names no parameter"),
        ("no override", "is no override"),
        ("train.rank=4,8", "has several values"),
        ("train.rank=choice(4,8)", "has several values"),
    ],
)
def test_an_override_that_cannot_be_used_is_named(project, override, message):
    with pytest.raises(ParamsError, match=message):
        apply_overrides([override], project / "params.yaml")


def test_a_wrong_value_is_refused_with_its_place(project):
    with pytest.raises(ParamsError, match=r"train\.rank"):
        apply_parameters(RunParameters(overrides=["train.rank=-1"]), project, Paths(project))


def test_a_profile_comes_before_overrides(project):
    paths = Paths(project)
    apply_parameters(RunParameters(profile="scratch", overrides=["train.rank=2"]), project, paths)
    params = load_params(paths.params)
    assert (params.model.source, params.train.rank) == ("scratch", 2)


def test_a_data_source_replaces_the_folder_of_the_own_data(project, tmp_path):
    paths = Paths(project)
    apply_parameters(RunParameters(data="../rows.jsonl"), project, paths)
    sources = {source.name: source.path for source in load_params(paths.params).ingest.sources}
    assert sources["own"] == str(tmp_path / "rows.jsonl")
    assert "primer" in sources
    apply_parameters(RunParameters(data="s3://bucket/rows.jsonl"), project, paths)
    assert load_params(paths.params).ingest.sources[-1].path == "s3://bucket/rows.jsonl"


def test_a_changed_source_is_shown_by_its_name_and_key_not_as_two_long_lists(project, tmp_path):
    changes = apply_parameters(RunParameters(data=str(tmp_path / "mine.jsonl")), project, Paths(project))
    assert changes == {"ingest.sources.own.path": ("data", str(tmp_path / "mine.jsonl"))}
