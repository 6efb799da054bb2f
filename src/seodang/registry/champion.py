"""Read and write the champion, the live version of the model.

registry/champion.json is small and is tracked by git. Stages that compare a model with the champion declare the file as
a dependency, so a verdict belongs to the champion of the same commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from seodang.config.section import Sha256
from seodang.config.validation_errors import describe_read_error
from seodang.errors import ArtifactError
from seodang.evaluation.aggregate import name_champion
from seodang.i18n import _
from seodang.io.jsonl import write_json

Version = Annotated[str, Field(pattern=r"^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]


class Champion(BaseModel):
    """A version of the model, and the event that made it champion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Version
    tag: str
    """Git tag of the revision."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """Commit whose dvc.lock has the weights."""
    adapter_sha256: Sha256
    """Of the adapter, or of the full model that training wrote."""
    weights_sha256: Sha256
    """Of the served model: base and adapter, merged."""
    base_sha256: Sha256 | None
    """Of the base of the adapter."""
    model_tag: str
    bento_tag: str
    prompt_format: str
    prompt_fingerprint: Sha256
    items_fingerprint: str
    """Fingerprint of the evaluated items."""
    scores: dict[str, float | None]
    """Means of the tuned model over those items."""
    verdict: str
    verdict_sha256: Sha256
    """Of the verdict as sorted JSON, without its schema."""
    created_at: str
    """Time of the event, UTC."""
    author: str
    message: str


class ChampionFile(BaseModel):
    """Content of registry/champion.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    layout: Annotated[int, Field(alias="schema")] = 1
    champion: Champion | None
    """The live version."""
    best: list[Champion] = []
    """Earlier champions that the live one is not shown to be better than. A candidate is compared with them too,
    because "not worse than the champion by more than a margin" would else permit a margin per promotion."""


def read_champion(path: Path) -> Champion | None:
    """Return the live version; None before the first promotion.

    Raises:
        ArtifactError: If the file is missing or damaged.
    """
    return read_champion_file(path).champion


def read_champion_file(path: Path) -> ChampionFile:
    """Return the live version, and the earlier champions that candidates are compared with.

    Raises:
        ArtifactError: If the file is missing or damaged. Without it, a model would not be compared with the champion.
    """
    try:
        return ChampionFile.model_validate_json(path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            _(
                "{file} does not name the champion ({error}); restore it: git checkout -- registry/champion.json",
                file=path,
                error=describe_read_error(error),
            )
        ) from error


def write_champion(path: Path, champion: Champion | None, best: Sequence[Champion] = ()) -> None:
    """Write the live version, and the earlier champions that candidates are compared with."""
    content = {"champion": champion.model_dump() if champion else None}
    write_json(path, {**content, "best": [other.model_dump() for other in best]} if best else content)


def select_best(results: Iterable[Mapping[str, Any]], earlier: Sequence[str]) -> list[str]:
    """Return the versions of earlier champions that stay references: two at most by each test against the champion.

    The oldest one that the candidate is not shown to be better than keeps small permitted losses from adding up. The
    one with the highest mean is kept where the candidate does not reach it, because it may be better than the oldest.
    Without a rule against the champion nothing was compared, and the references stay as they are.

    Args:
        results: Of the rules, in the verdict of the candidate that becomes champion.
        earlier: Version of the champion until now first, then those of the earlier references.
    """
    versions = {name_champion(version): version for version in earlier}
    tests: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for result in results:
        if result["against"] in versions:
            tests.setdefault((result["rule"], result["group"]), []).append(result)
    if not tests:
        return list(earlier[1:])
    kept = set()
    for compared in tests.values():
        unsurpassed = [
            versions[result["against"]] for result in compared if result["low"] is None or result["low"] <= 0
        ]
        kept.update(sorted(unsurpassed, key=_order_version)[:1])
        highest = min(compared, key=lambda result: result["difference"])
        kept.update([versions[highest["against"]]] if highest["difference"] < 0 else [])
    return [version for version in earlier if version in kept]


def format_version(name: str) -> str:
    """Return a version as the registry writes it; users may leave the v out."""
    return f"v{name.removeprefix('v')}"


def _order_version(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("v").split("."))
