"""Parameters of the flow `generate-data`, with the texts and choices of Prefect's form."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from seodang.i18n import _

_REPOSITORY: Final = Path(__file__).parents[3]


def _list_recipe_choices(schema: dict[str, Any]) -> None:
    """Add the recipe files of the repository to the schema; the form shows them as choices."""
    if files := sorted(f"recipes/{file.name}" for file in (_REPOSITORY / "recipes").glob("*.yaml")):
        schema["examples"] = files


class GenerateDataParameters(BaseModel):
    """Parameters of the flow that makes data with a teacher."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = Field(
        default="recipes/answer.yaml",
        min_length=1,
        pattern=r"^[^-]",
        title=_("Recipe"),
        description=_(
            "Recipe file, relative to the folder of the project. It has the teacher, the limits and the budget."
        ),
        json_schema_extra=_list_recipe_choices,
    )
    retry_failed: bool = Field(
        default=False,
        title=_("Retry failed calls"),
        description=_("Ask the calls again that got no answer in an earlier run."),
    )
    dry_run: bool = Field(
        default=False,
        title=_("Dry run"),
        description=_("Show calls, tokens, cost and time; ask the teacher nothing."),
    )
    notify: list[str] = Field(
        default_factory=list,
        title=_("Notifications"),
        description=_("Prefect blocks that get the result, one in each item: slack-webhook/team"),
    )

    def list_options(self) -> list[str]:
        """Return the arguments of `seodang generate`."""
        return [self.recipe, *(["--retry-failed"] if self.retry_failed else [])]
