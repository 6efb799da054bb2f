from typing import get_args

import pytest
from pydantic import ValidationError
from tests.constants import ROOT

from seodang.config.profiles import list_profiles
from seodang.orchestration.parameters import PipelineParameters, RunParameters, StageName, StudyParameters
from seodang.stages import STAGES


def test_the_stages_to_choose_from_are_those_of_the_pipeline():
    assert get_args(StageName) == STAGES


def test_the_form_has_help_for_each_field_and_choices_for_profile_stages_and_study():
    for model in (RunParameters, PipelineParameters, StudyParameters):
        properties = model.model_json_schema()["properties"]
        assert all(each["description"] and each["title"] for each in properties.values())
        assert properties["profile"]["enum"] == ["params.yaml", *list_profiles(ROOT / "profiles")]
    assert PipelineParameters.model_json_schema()["properties"]["to_stage"]["enum"] == list(STAGES)
    assert "primer.yaml" in StudyParameters.model_json_schema()["properties"]["study"]["enum"]


def test_stages_are_selected_in_order():
    assert PipelineParameters(from_stage="train", to_stage="gate").list_stages() == (
        "train",
        "align",
        "evaluate",
        "gate",
    )
    assert PipelineParameters().list_stages() == STAGES


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"from_stage": "gate", "to_stage": "train"}, "is before from_stage"),
        ({"include_changes": True, "revision": "v1"}, "needs the revision HEAD"),
        ({"epochs": 3}, "Extra inputs"),
        ({"to_stage": "deploy"}, "Input should be"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        PipelineParameters(**values)


def test_a_study_cannot_lie_in_another_folder():
    with pytest.raises(ValidationError):
        StudyParameters(study="../secret.yaml")
