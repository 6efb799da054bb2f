"""The rows and lines that `seodang registry list` and `show` print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from seodang.errors import ArtifactError, RegistryError
from seodang.i18n import N_, _
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.registry.candidate import collect_scores
from seodang.registry.champion import format_version, read_champion
from seodang.registry.git import get_head
from seodang.registry.history import RegistryEvent, find_event_by_version, read_history
from seodang.registry.tag_check import list_moved, read_tagged_revisions
from seodang.registry.tags import CHAMPION, format_tag, list_versions, parse_version

HEADINGS: Final = (N_("version"), N_("stage"), N_("when (UTC)"), N_("score"), N_("verdict"), "bento")


def list_rows(paths: Paths) -> list[tuple[str, ...]]:
    """Return the rows of the versions, the newest first; a packaged model without a version is on top."""
    get_head(paths.root)
    history = read_history(paths.history)
    stages = {event.version: _("no tag") for event in history}  # a clone may lack tags; the record counts
    stages |= {one.version: ", ".join(one.stages) or "-" for one in list_versions(paths.root)}
    rows = [
        _build_row(version, stages[version], find_event_by_version(history, version))
        for version in sorted(stages, key=parse_version, reverse=True)
    ]
    return [*_build_unregistered_row(paths, history), *rows]


def _build_row(version: str, stage: str, event: RegistryEvent | None) -> tuple[str, ...]:
    if event is None:  # a tag made by hand, or by a promotion that was killed
        return (version, stage, "-", "-", _("no record"), "-")
    when = event.created_at[:16].replace("T", " ")
    return (version, stage, when, _format_first_score(event.scores), event.verdict, event.bento_tag)


def _build_unregistered_row(paths: Paths, history: list[RegistryEvent]) -> list[tuple[str, ...]]:
    try:
        package, scores = read_json(paths.package_report), read_json(paths.evaluate_report)
    except ArtifactError:
        return []
    if any(event.weights_sha256 == package["weights_sha256"] for event in history):
        return []
    lineage = package["lineage"]
    verdict = lineage["verdict"]
    is_evaluated = scores.get("adapter_sha256", "") in (
        "",
        lineage["adapter_sha256"],
    )  # else a later run was not packaged
    tuned: Mapping[str, Any] = next((row for row in scores["variants"] if is_evaluated and row["name"] == "tuned"), {})
    score = _format_first_score(collect_scores(tuned, verdict.get("results", [])))
    return [(_("(not registered)"), "candidate", "-", score, verdict["verdict"], package["bento_tag"])]


def _format_first_score(scores: Mapping[str, float | None]) -> str:
    """Return the score of the first rule on its own items: the rules' scores come first."""
    return next((f"{name} {_format_score(value)}" for name, value in scores.items() if value is not None), "-")


def describe_mismatch(paths: Paths) -> list[str]:
    """Return warnings where tags and record differ: a killed promotion, a missing fetch, or a tag that was moved."""
    champion = read_champion(paths.champion)
    recorded = [champion.version] if champion else []
    tagged = [one.version for one in list_versions(paths.root) if CHAMPION in one.stages]
    revisions = {event.version: event.revision for event in read_history(paths.history)}
    notes = [
        _(
            "note: the tag {tag} was moved: the record has commit {revision}; run: git fetch --tags --force",
            tag=format_tag(version),
            revision=revisions[version][:12],
        )
        for version in list_moved(revisions, read_tagged_revisions(paths.root))
    ]
    if recorded == tagged:
        return ["", *notes] if notes else []
    return [
        "",
        *notes,
        _(
            "note: registry/champion.json names {recorded}, the git tags {tagged}. The record counts. "
            "Run the interrupted command again, or: git fetch --tags",
            recorded=", ".join(recorded) or "-",
            tagged=", ".join(tagged) or "-",
        ),
    ]


def find_version(paths: Paths, version: str | None) -> RegistryEvent:
    """Return the record of a version; of the champion if none is named.

    Raises:
        RegistryError: If there is no such version.
    """
    get_head(paths.root)
    champion, history = read_champion(paths.champion), read_history(paths.history)
    if version is None and champion is None:
        raise RegistryError(_("there is no champion yet; create the first one: seodang registry promote"))
    name = format_version(version) if version else (champion.version if champion else "")
    event = find_event_by_version(history, name)
    if event is None:
        known = ", ".join(dict.fromkeys(one.version for one in history)) or "-"
        raise RegistryError(
            _("{version} is not in registry/history.jsonl; the versions are: {known}", version=name, known=known)
        )
    return event


def list_fields(event: RegistryEvent, paths: Paths) -> list[tuple[str, str]]:
    """Return the fields of a version with their labels."""
    stages = next((one.stages for one in list_versions(paths.root) if one.version == event.version), ())
    scores = ", ".join(f"{metric} {_format_score(value)}" for metric, value in event.scores.items())
    return [
        (_("version"), f"{event.version} ({', '.join(stages) or '-'})"),
        (_("tag"), f"{event.tag} -> {event.revision}"),
        ("bento", event.bento_tag),
        (_("weights"), event.weights_sha256),
        (_("adapter"), event.adapter_sha256),
        (_("base"), event.base_sha256 or "-"),
        (_("prompt"), f"{event.prompt_format} {event.prompt_fingerprint}"),
        (_("items"), event.items_fingerprint),
        (_("scores"), scores),
        (_("verdict"), f"{event.verdict} {event.verdict_sha256}"),
    ]


def list_events(version: str, paths: Paths) -> list[str]:
    """Return the promotions and rollbacks that a version took part in, one line each."""
    return [
        f"  {event.created_at}  {event.action} {event.previous or '-'} -> {event.version}  "
        f"{event.author}: {event.message}"
        for event in read_history(paths.history)
        if version in (event.version, event.previous)
    ]


def list_restore_commands(event: RegistryEvent) -> list[str]:
    """Return the commands that bring back a version's model, hashes, parameters and data."""
    tag = f"'{event.tag}'"
    return [
        f"dvc get . artifacts/package/model --rev {tag} -o model   # {_('scores, verdict, sources, licences')}",
        f"git show {tag}:dvc.lock   # {_('the hash of every file')}",
        f"git show {tag}:params.yaml",
        f"git switch --detach {tag} && dvc checkout   # {_('all files; to return: git switch - && dvc checkout')}",
    ]


def _format_score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
