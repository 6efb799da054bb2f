"""Parameters of the flows `release` and `rollback`, with the texts and choices of Prefect's form."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from seodang.i18n import _

Port = Annotated[int, Field(ge=1, le=65535)]


class _ServiceParameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    dry_run: bool = Field(default=False, title=_("Dry run"), description=_("Print what would be done; change nothing."))
    notify: list[str] = Field(
        default_factory=list,
        title=_("Notifications"),
        description=_("Prefect blocks that get the result, one in each item: slack-webhook/team"),
    )


class ReleaseParameters(_ServiceParameters):
    """Parameters of the flow that puts the packaged model into service."""

    mode: Literal["restart", "canary"] = Field(
        default="restart",
        title=_("Mode"),
        description=_(
            "restart: the service on the port is replaced. canary: the new version gets a share of the requests, and"
            " is rolled back if it is worse."
        ),
    )
    port: Port = Field(default=3000, title=_("Port"), description=_("Port that clients connect to."))
    message: str = Field(
        default="", title=_("Reason"), description=_("For the history. Empty: that the verdict is promote.")
    )
    version: str = Field(
        default="", title=_("Version"), description=_("Version to register. Empty: the next minor version.")
    )
    use_automation: bool = Field(
        default=False,
        title=_("Roll back by an automation"),
        description=_("A canary that falls sends an event, and the deployment rollback/local rolls back."),
    )
    approval: bool = Field(
        default=False,
        title=_("Wait for approval"),
        description=_("Pause before anything is promoted, until a person approves or refuses."),
    )
    approval_seconds: int = Field(
        default=86400,
        ge=1,
        le=2592000,  # 30 days; Prefect reckons a date from it
        title=_("Time for the approval"),
        description=_("Seconds. Without an answer nothing is promoted."),
    )

    def list_options(self) -> list[str]:
        """Return the options of `seodang release`."""
        options = ["--port", str(self.port)]
        options += ["--canary"] if self.mode == "canary" else []
        options += ["--message", self.message] if self.message else []
        options += ["--version", self.version] if self.version else []
        return options + (["--event"] if self.use_automation else [])


class RollbackParameters(_ServiceParameters):
    """Parameters of the flow that goes back to an earlier version."""

    message: str = Field(
        default="",
        title=_("Reason"),
        description=_("For the history. Empty: finish a rollback that was killed."),
    )
    to: str = Field(
        default="", title=_("Version"), description=_("Version to go back to. Empty: the previous champion.")
    )
    worse: str = Field(
        default="",
        title=_("Version that is worse"),
        description=_("Nothing changes if another version is champion by now. Empty: any."),
    )
    canary: str = Field(
        default="", title=_("Canary"), description=_("Id of the canary that fell; it is rolled back once.")
    )

    def list_options(self) -> list[str]:
        """Return the options of `seodang rollback`."""
        fields = {"message": self.message, "to": self.to, "worse": self.worse, "canary": self.canary}
        return [word for name, value in fields.items() if value for word in (f"--{name}", value)]
