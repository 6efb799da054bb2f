"""Section `release` of params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat

from seodang.config.section import Section

Prompt = Annotated[str, Field(min_length=1, pattern=r"\S")]


class ReleaseParams(Section):
    """How a version is put into service; no stage reads it."""

    serve_command: Annotated[str, Field(pattern=r"\{port\}")] | None
    """Command that runs the service in the foreground, with {port} and {tag} of the model; null: seodang serve."""
    start_seconds: PositiveFloat
    """Within which a started service must be ready."""
    stop_seconds: PositiveFloat
    """For the requests of a service that is stopped; then it is killed."""
    automation_seconds: PositiveFloat
    """For the rollback by an automation of Prefect; then `seodang canary watch --event` rolls back itself."""
    smoke_prompts: Annotated[list[Prompt], Field(min_length=1)]
    """Instructions of the smoke test."""
