"""Parameters of the flows. Prefect shows their titles, descriptions and choices in its form."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from seodang.config.profiles import BASE, list_profiles
from seodang.i18n import _
from seodang.stages import STAGES

# The tuple STAGES as a type; a test holds the two together.
StageName = Literal[
    "inputs",
    "base",
    "ingest",
    "validate",
    "prepare",
    "preflight",
    "train",
    "align",
    "evaluate",
    "gate",
    "report",
    "package",
]
COMMITTED: Final = "params.yaml"  # instead of a profile: the parameters of the commit
_REPOSITORY: Final = Path(__file__).parents[3]


def _list_profile_choices(schema: dict[str, Any]) -> None:
    """Add the shipped profiles to the schema; the form shows them as choices."""
    folder = _REPOSITORY / "profiles"
    schema["enum"] = [COMMITTED, *(list_profiles(folder) if folder.is_dir() else [BASE])]


def _list_study_choices(schema: dict[str, Any]) -> None:
    """Add the study files of the repository to the schema."""
    if files := sorted(file.name for file in (_REPOSITORY / "studies").glob("*.yaml")):
        schema["enum"] = files


class RunParameters(BaseModel):
    """What every flow of the pipeline accepts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: str = Field(
        default="HEAD",
        min_length=1,
        title=_("Revision"),
        description=_(
            "Commit, branch, tag or DVC experiment. The run works on its files, in a worktree of its own; your working"
            " tree stays as it is."
        ),
    )
    include_changes: bool = Field(
        default=False,
        title=_("Include uncommitted changes"),
        description=_("Also use what is changed or new in the working tree and not yet committed; only with HEAD."),
    )
    profile: str = Field(
        default=COMMITTED,
        title=_("Profile"),
        description=_("Named set of parameters; params.yaml: the parameters of the revision."),
        json_schema_extra=_list_profile_choices,
    )
    overrides: list[str] = Field(
        default_factory=list,
        title=_("Parameter overrides"),
        description=_("As for dvc exp run -S, one in each item: train.learning_rate=1e-4"),
    )
    data: str = Field(
        default="",
        title=_("Data source"),
        description=_(
            "File, folder or URL with records, which the source `own` reads instead of the folder data. Empty: the sources"
            " of params.yaml."
        ),
    )
    dry_run: bool = Field(
        default=False,
        title=_("Dry run"),
        description=_("Print the plan and what DVC would run; run nothing."),
    )
    share: bool = Field(
        default=False,
        title=_("Use the remotes"),
        description=_(
            "Before the run: dvc pull. After it: dvc push, and the experiment to the git remote origin. For containers"
            " and other machines."
        ),
    )
    notify: list[str] = Field(
        default_factory=list,
        title=_("Notifications"),
        description=_("Prefect blocks that get the result, one in each item: slack-webhook/team"),
    )

    @model_validator(mode="after")
    def _check_changes(self) -> Self:
        if self.include_changes and self.revision != "HEAD":
            raise ValueError(_("include_changes needs the revision HEAD: the changes are of the working tree"))
        return self


class PipelineParameters(RunParameters):
    """Parameters of the flow of all stages."""

    from_stage: StageName = Field(
        default="inputs",
        title=_("From stage"),
        description=_(
            "First stage to run. The revision has to have the results of the stages before it: a commit with dvc.lock, or"
            " an experiment."
        ),
    )
    to_stage: StageName = Field(
        default="package",
        title=_("To stage"),
        description=_("Last stage to run. `package` runs only if the verdict is `promote`."),
    )
    train_deployment: str = Field(
        default="",
        title=_("Deployment for training"),
        description=_(
            "Deployment that runs the stage train elsewhere, such as instruction-tuning/gpu. Data and results go through the git"
            " remote origin and the DVC remote. Empty: train here."
        ),
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if STAGES.index(self.from_stage) > STAGES.index(self.to_stage):
            raise ValueError(
                _("to_stage {last} is before from_stage {first}", first=self.from_stage, last=self.to_stage)
            )
        return self

    def list_stages(self) -> tuple[str, ...]:
        """Return the stages to run, in order."""
        return STAGES[STAGES.index(self.from_stage) : STAGES.index(self.to_stage) + 1]


class StudyParameters(RunParameters):
    """Parameters of the flow of a study."""

    study: str = Field(
        default="primer.yaml",
        pattern=r"^[\w.-]+\.yaml$",
        title=_("Study"),
        description=_("File in the folder studies of the revision."),
        json_schema_extra=_list_study_choices,
    )
