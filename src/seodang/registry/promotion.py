"""Promote a version or roll back: write tags, champion.json and history, and commit them, completely or not at all.

champion.json in git is authoritative, and the tags follow it. The commit is the last step; a failure before it restores
tags and files. A killed process can leave tags without a commit; the same command then finishes the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from seodang.errors import RegistryError
from seodang.i18n import _
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.registry.candidate import load_candidate
from seodang.registry.champion import (
    Champion,
    format_version,
    read_champion_file,
    select_best,
    write_champion,
)
from seodang.registry.git import check_on_branch, commit, get_identity, list_uncommitted
from seodang.registry.history import (
    Action,
    RegistryEvent,
    append_event,
    find_event_by_version,
    find_previous_version,
    get_champion,
    read_history,
)
from seodang.registry.promotion_checks import check_promotion
from seodang.registry.restore import make_servable
from seodang.registry.tag_check import check_tags
from seodang.registry.tags import (
    assign_champion,
    format_tag,
)
from seodang.registry.transaction import hold_lock, restore_on_failure

_DEFAULT_MESSAGE = "the gate's verdict is promote"  # English, because git and champion.json store it
_HEADINGS: dict[Action, str] = {"promote": "Promote {} to champion", "rollback": "Roll back to {}"}


def promote(paths: Paths, message: str | None, version: str | None) -> RegistryEvent | None:
    """Make the packaged model champion, and return the event; None if it is already champion.

    Registered weights keep their version; other weights get the next one.

    Args:
        paths: Paths of the project.
        message: Reason for the record. None refers to the verdict; a version that was rolled back needs a reason.
        version: Version to register; None for the next minor version.

    Raises:
        NotPromoted: If the verdict is not `promote`; exit code 3.
        SeodangError: If the project cannot be used; nothing has changed.
    """
    with hold_lock(paths):
        check_on_branch(paths.root)
        candidate, file = load_candidate(paths), read_champion_file(paths.champion)
        current = file.champion
        assigned = check_promotion(paths, candidate, current, message, version)
        if assigned is None:
            return None
        name, revision = assigned
        champion = Champion(
            version=name,
            revision=revision,
            tag=format_tag(name),
            **asdict(candidate),
            **_build_audit_fields(paths, _DEFAULT_MESSAGE if message is None else message),
        )
        earlier = {other.version: other for other in (current, *file.best) if other is not None}
        earlier.pop(champion.version, None)
        best = [earlier[version] for version in select_best(read_json(paths.verdict)["results"], list(earlier))]
        return _record_event(paths, champion, "promote", current, best)


def rollback(paths: Paths, message: str, to_version: str | None) -> tuple[RegistryEvent, str]:
    """Make an earlier version champion again, restore its bento, and return the event with the bento's tag.

    Args:
        paths: Paths of the project.
        message: Reason for the record.
        to_version: The version; None for the previous champion.

    Raises:
        RegistryError: If there is no such version, or it is already champion.
        ModelError: If its weights cannot be found, or differ from the promoted ones.
    """
    with hold_lock(paths):
        check_on_branch(paths.root)
        if changed := list_uncommitted(paths.root, ("registry/champion.json", "registry/history.jsonl")):
            raise RegistryError(
                _(
                    "the registry has uncommitted changes ({files}); commit them, or undo them: git checkout -- {files}",
                    files=" ".join(changed),
                )
            )
        file = read_champion_file(paths.champion)
        current = file.champion
        history = read_history(paths.history)
        target = _find_target(current, history, to_version)
        check_tags(paths.root, history, [target.version, *([current.version] if current else [])])
        champion = get_champion(target).model_copy(update=_build_audit_fields(paths, message))
        bento = make_servable(champion, paths)  # first, because this step fails most often
        earlier = [get_champion(event) for name in target.best if (event := find_event_by_version(history, name))]
        by_version = {other.version: other for other in (*earlier, *file.best) if other.version != champion.version}
        best = list(by_version.values())
        return _record_event(paths, champion, "rollback", current, best), bento


def find_rollback_target(paths: Paths, to_version: str | None) -> tuple[Champion, RegistryEvent]:
    """Return the champion and the event of the version that a rollback makes champion; nothing changes.

    Raises:
        RegistryError: If there is no such version, or it is already champion.
    """
    check_on_branch(paths.root)
    current = read_champion_file(paths.champion).champion
    target = _find_target(current, read_history(paths.history), to_version)
    assert current is not None  # else there is no target
    return current, target


def find_unpromoted_verdict(paths: Paths) -> str | None:
    """Return the verdict of the last run if its model was never champion; None if it was, or if there is no run."""
    if not paths.verdict.exists():
        return None
    verdict = read_json(paths.verdict)
    promoted = {event.adapter_sha256 for event in read_history(paths.history)}
    return None if verdict.get("adapter_sha256") in promoted else str(verdict["verdict"])


def _find_target(current: Champion | None, history: list[RegistryEvent], to_version: str | None) -> RegistryEvent:
    if current is None:
        raise RegistryError(
            _("there is no champion to roll back from; promote the first one: seodang registry promote")
        )
    versions = ", ".join(dict.fromkeys(event.version for event in history))
    version = format_version(to_version) if to_version else find_previous_version(history, current.version)
    if version is None:
        raise RegistryError(
            _(
                "no version was champion before {version}; name one: --to VERSION (the versions are {versions})",
                version=current.version,
                versions=versions,
            )
        )
    if version == current.version:
        raise RegistryError(_("{version} is already the champion", version=version))
    event = find_event_by_version(history, version)
    if event is None:
        raise RegistryError(
            _("{version} was never champion; the versions are {versions}", version=version, versions=versions)
        )
    return event


def _build_audit_fields(paths: Paths, message: str) -> dict[str, Any]:
    if not message.strip():
        raise RegistryError(_("--message is empty; give the reason for the record"))
    name, address = get_identity(paths.root)
    return {
        "author": f"{name} <{address}>",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "message": " ".join(message.split()),
    }


def _record_event(
    paths: Paths, champion: Champion, action: Action, current: Champion | None, best: Sequence[Champion]
) -> RegistryEvent:
    previous = current.version if current else None
    event = RegistryEvent(
        action=action, previous=previous, best=[other.version for other in best], **champion.model_dump()
    )
    heading = _HEADINGS[action].format(champion.version)
    with restore_on_failure(paths):
        assign_champion(paths.root, champion.version, champion.revision, previous, f"{heading}: {champion.message}")
        append_event(paths.history, event)
        write_champion(paths.champion, champion, best)
        commit(
            paths.root,
            [paths.champion, paths.history],
            f"{heading}\n\n{champion.message}\n\nVerdict: {champion.verdict} {champion.verdict_sha256}",
        )
    return event
