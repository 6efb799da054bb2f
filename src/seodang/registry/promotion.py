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
from seodang.registry.candidate import check_reproducible, promotable
from seodang.registry.champion import Champion, read_champion, write_champion
from seodang.registry.git import commit, head, identity, on_branch, uncommitted, unstage
from seodang.registry.history import (
    Action,
    Move,
    add_move,
    before,
    champion_of,
    read_history,
    version_named,
    version_with,
)
from seodang.registry.restore import make_servable
from seodang.registry.tags import move, next_version, registered, tag_of, taken_back_on_failure

_BY_VERDICT = "the gate's verdict is promote / 판정이 승격"
_HEADINGS: dict[Action, str] = {"promote": "Promote {} to champion", "rollback": "Roll back to {}"}


def promote(paths: Paths, why: str | None, version: str | None) -> Move | None:
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
    with _alone(paths):
        on_branch(paths.root)
        found = promotable(paths)
        live, history = read_champion(paths.champion), read_history(paths.history)
        if live is not None and live.weights_sha256 == found.weights_sha256:
            return None
        check_reproducible(paths.root)
        known = version_with(history, found.weights_sha256)
        if why is None and known is not None:
            _check_not_left(history, known.version)
        name, revision = _place(paths, version, known)
        champion = Champion(
            version=name,
            revision=revision,
            tag=tag_of(name),
            **asdict(found),
            **_signed(paths, _BY_VERDICT if why is None else why),
        )
        return _recorded(paths, champion, "promote", live)


def _check_not_left(history: list[Move], version: str) -> None:
    """Refuse to promote by mere verdict what someone went back from: they knew what the gate didn't."""
    left = next((move for move in reversed(history) if move.action == "rollback" and move.previous == version), None)
    if left is not None:
        raise RegistryError(
            f"{version} was rolled back from on {left.when[:10]} by {left.who}: {left.why}\nTo make it champion all the same, say why: seodang registry promote --why TEXT / 되돌렸던 버전입니다"
        )


def _place(paths: Paths, wanted: str | None, known: Move | None) -> tuple[str, str]:
    """Return version and revision of a candidate; weights that are registered keep both."""
    if known is not None:
        if wanted is not None and f"v{wanted.removeprefix('v')}" != known.version:
            raise RegistryError(
                f"these weights are registered as {known.version} already; leave --version out / 이미 {known.version}(으)로 등록된 가중치입니다"
            )
        return known.version, known.revision
    revision, versions = head(paths.root), registered(paths.root)
    # A tag without a record is what a killed promotion leaves: it is finished, not repeated.
    here = next((one.version for one in versions if one.revision == revision), None)
    return (here if here and wanted is None else next_version([one.version for one in versions], wanted)), revision


def rollback(paths: Paths, why: str, to: str | None) -> tuple[Move, str]:
    """Make an earlier version champion again, fit to be served, and return the move with its bento's tag.

    Args:
        paths: Of the project.
        why: For the record.
        to: The version; None for the one that was champion before.

    Raises:
        RegistryError: If there is no such version, or it is champion.
        ModelError: If its weights are nowhere, or are not those that were promoted.
    """
    with _alone(paths):
        on_branch(paths.root)
        if changed := uncommitted(paths.root, ("registry",)):
            raise RegistryError(
                f"the record was changed by hand ({', '.join(changed)}); commit it, or take it back: git checkout -- registry / 기록이 바뀌어 있습니다"
            )
        live = read_champion(paths.champion)
        target = _target(live, read_history(paths.history), to)
        champion = champion_of(target).model_copy(update=_signed(paths, why))
        bento = make_servable(champion, paths)  # before anything is moved: most can go wrong here
        return _recorded(paths, champion, "rollback", live), bento


def _target(live: Champion | None, history: list[Move], to: str | None) -> Move:
    if live is None:
        raise RegistryError(
            "there is no champion yet, so nothing to go back from; the first one comes by: seodang registry promote / 아직 챔피언이 없습니다"
        )
    versions = ", ".join(dict.fromkeys(move.version for move in history))
    wanted = f"v{to.removeprefix('v')}" if to else before(history, live.version)
    if wanted is None:
        raise RegistryError(
            f"no version was champion before {live.version}; name one: --to VERSION (there are {versions}) / 이전 챔피언이 없습니다"
        )
    if wanted == live.version:
        raise RegistryError(f"{wanted} is the champion already / 이미 챔피언입니다")
    found = version_named(history, wanted)
    if found is None:
        raise RegistryError(f"{wanted} was never champion; there are {versions} / 그런 버전은 없습니다")
    return found


def _signed(paths: Paths, why: str) -> dict[str, Any]:
    if not why.strip():
        raise RegistryError("--why is empty: the record must say why / 이유를 적어 주세요")
    name, address = identity(paths.root)
    return {
        "who": f"{name} <{address}>",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "why": " ".join(why.split()),
    }


def _recorded(paths: Paths, champion: Champion, action: Action, live: Champion | None) -> Move:
    previous = live.version if live else None
    made = Move(action=action, previous=previous, **champion.model_dump())
    heading = _HEADINGS[action].format(champion.version)
    with _all_or_nothing(paths):
        move(paths.root, champion.version, champion.revision, previous, f"{heading}: {champion.why}")
        add_move(paths.history, made)
        write_champion(paths.champion, champion)
        commit(
            paths.root,
            [paths.champion, paths.history],
            f"{heading}\n\n{champion.why}\n\nVerdict: {champion.verdict} {champion.verdict_sha256}",
        )
    return made


@contextmanager
def _all_or_nothing(paths: Paths) -> Iterator[None]:
    files = [paths.champion, paths.history]
    kept = {file: file.read_text("utf-8") for file in files if file.exists()}
    with taken_back_on_failure(paths.root):
        try:
            yield
        except BaseException:
            for file in files:
                if file in kept:
                    write_atomically(file, [kept[file]])
                else:
                    file.unlink(missing_ok=True)
            unstage(paths.root, files)
            raise


@contextmanager
def _alone(paths: Paths) -> Iterator[None]:
    """Let one promotion or rollback run at a time."""
    lock = paths.champions.with_name("registry.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield
