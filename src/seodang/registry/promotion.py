"""Promotion and rollback: tags, champion.json, a line of history and one commit, all of it or nothing.

champion.json in git is the truth, and the tags follow it. The commit comes last: until then a failure takes back the tags
and the files. Killed in between, tags can stand without a commit: the same command again finishes the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from filelock import FileLock

from seodang.errors import RegistryError
from seodang.io.atomic import write_atomically
from seodang.paths import Paths
from seodang.registry.candidate import check_reproducible, load_candidate
from seodang.registry.champion import Champion, read_champion, write_champion
from seodang.registry.git import check_on_branch, commit, get_head, get_identity, list_uncommitted, unstage
from seodang.registry.history import (
    Action,
    RegistryEvent,
    append_event,
    find_event_by_version,
    find_event_by_weights,
    find_previous_version,
    get_champion,
    read_history,
)
from seodang.registry.restore import make_servable
from seodang.registry.tags import (
    assign_champion,
    compute_next_version,
    format_tag,
    list_versions,
    remove_tags_on_failure,
)

_DEFAULT_MESSAGE = "the gate's verdict is promote / 판정이 승격"
_HEADINGS: dict[Action, str] = {"promote": "Promote {} to champion", "rollback": "Roll back to {}"}


def promote(paths: Paths, message: str | None, version: str | None) -> RegistryEvent | None:
    """Make the packaged model champion, and return the move; None if it is champion already.

    Weights that have a version keep it; others get the next one.

    Args:
        paths: Of the project.
        why: For the record; None for the verdict itself, which is not enough for what was rolled back from.
        version: To register; None for the next minor one.

    Raises:
        NotPromoted: If the verdict is not `promote`; exit code 3.
        SeodangError: If the set-up cannot be used; nothing has changed.
    """
    with _hold_lock(paths):
        check_on_branch(paths.root)
        candidate = load_candidate(paths)
        current, history = read_champion(paths.champion), read_history(paths.history)
        if current is not None and current.weights_sha256 == candidate.weights_sha256:
            return None
        check_reproducible(paths.root)
        existing = find_event_by_weights(history, candidate.weights_sha256)
        if message is None and existing is not None:
            _check_not_rolled_back(history, existing.version)
        name, revision = _assign_version(paths, version, existing)
        champion = Champion(
            version=name,
            revision=revision,
            tag=format_tag(name),
            **asdict(candidate),
            **_build_audit_fields(paths, _DEFAULT_MESSAGE if message is None else message),
        )
        return _record_event(paths, champion, "promote", current)


def _check_not_rolled_back(history: list[RegistryEvent], version: str) -> None:
    """Refuse to promote by mere verdict what someone went back from: they knew what the gate didn't."""
    rollback_event = next(
        (move for move in reversed(history) if move.action == "rollback" and move.previous == version), None
    )
    if rollback_event is not None:
        raise RegistryError(
            f"{version} was rolled back from on {rollback_event.created_at[:10]} by {rollback_event.author}: {rollback_event.message}\nTo make it champion all the same, say why: seodang registry promote --message TEXT / 되돌렸던 버전입니다"
        )


def _assign_version(paths: Paths, requested_version: str | None, existing: RegistryEvent | None) -> tuple[str, str]:
    """Return version and revision of a candidate; weights that are registered keep both."""
    if existing is not None:
        if requested_version is not None and f"v{requested_version.removeprefix('v')}" != existing.version:
            raise RegistryError(
                f"these weights are registered as {existing.version} already; leave --version out / 이미 {existing.version}(으)로 등록된 가중치입니다"
            )
        return existing.version, existing.revision
    revision, versions = get_head(paths.root), list_versions(paths.root)
    # A tag without a record is what a killed promotion leaves: it is finished, not repeated.
    head_version = next((one.version for one in versions if one.revision == revision), None)
    return (
        head_version
        if head_version and requested_version is None
        else compute_next_version([one.version for one in versions], requested_version)
    ), revision


def rollback(paths: Paths, message: str, to_version: str | None) -> tuple[RegistryEvent, str]:
    """Make an earlier version champion again, fit to be served, and return the move with its bento's tag.

    Args:
        paths: Of the project.
        why: For the record.
        to: The version; None for the one that was champion before.

    Raises:
        RegistryError: If there is no such version, or it is champion.
        ModelError: If its weights are nowhere, or are not those that were promoted.
    """
    with _hold_lock(paths):
        check_on_branch(paths.root)
        if changed := list_uncommitted(paths.root, ("registry",)):
            raise RegistryError(
                f"the record was changed by hand ({', '.join(changed)}); commit it, or take it back: git checkout -- registry / 기록이 바뀌어 있습니다"
            )
        current = read_champion(paths.champion)
        target = _find_target(current, read_history(paths.history), to_version)
        champion = get_champion(target).model_copy(update=_build_audit_fields(paths, message))
        bento = make_servable(champion, paths)  # before anything is moved: most can go wrong here
        return _record_event(paths, champion, "rollback", current), bento


def _find_target(current: Champion | None, history: list[RegistryEvent], to_version: str | None) -> RegistryEvent:
    if current is None:
        raise RegistryError(
            "there is no champion yet, so nothing to go back from; the first one comes by: seodang registry promote / 아직 챔피언이 없습니다"
        )
    versions = ", ".join(dict.fromkeys(move.version for move in history))
    version = f"v{to_version.removeprefix('v')}" if to_version else find_previous_version(history, current.version)
    if version is None:
        raise RegistryError(
            f"no version was champion before {current.version}; name one: --to VERSION (there are {versions}) / 이전 챔피언이 없습니다"
        )
    if version == current.version:
        raise RegistryError(f"{version} is the champion already / 이미 챔피언입니다")
    event = find_event_by_version(history, version)
    if event is None:
        raise RegistryError(f"{version} was never champion; there are {versions} / 그런 버전은 없습니다")
    return event


def _build_audit_fields(paths: Paths, message: str) -> dict[str, Any]:
    if not message.strip():
        raise RegistryError("--message is empty: the record must say why / 이유를 적어 주세요")
    name, address = get_identity(paths.root)
    return {
        "author": f"{name} <{address}>",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "message": " ".join(message.split()),
    }


def _record_event(paths: Paths, champion: Champion, action: Action, current: Champion | None) -> RegistryEvent:
    previous = current.version if current else None
    event = RegistryEvent(action=action, previous=previous, **champion.model_dump())
    heading = _HEADINGS[action].format(champion.version)
    with _restore_on_failure(paths):
        assign_champion(paths.root, champion.version, champion.revision, previous, f"{heading}: {champion.message}")
        append_event(paths.history, event)
        write_champion(paths.champion, champion)
        commit(
            paths.root,
            [paths.champion, paths.history],
            f"{heading}\n\n{champion.message}\n\nVerdict: {champion.verdict} {champion.verdict_sha256}",
        )
    return event


@contextmanager
def _restore_on_failure(paths: Paths) -> Iterator[None]:
    files = [paths.champion, paths.history]
    backups = {file: file.read_text("utf-8") for file in files if file.exists()}
    with remove_tags_on_failure(paths.root):
        try:
            yield
        except BaseException:
            for file in files:
                if file in backups:
                    write_atomically(file, [backups[file]])
                else:
                    file.unlink(missing_ok=True)
            unstage(paths.root, files)
            raise


@contextmanager
def _hold_lock(paths: Paths) -> Iterator[None]:
    """Let one promotion or rollback run at a time."""
    lock = paths.champions.with_name("registry.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield
