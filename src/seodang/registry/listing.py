"""The registry for a terminal: a table of versions, and all of one version."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from seodang.errors import ArtefactError, RegistryError
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.registry.champion import Champion, read_champion
from seodang.registry.git import get_head
from seodang.registry.history import RegistryEvent, find_event_by_version, read_history
from seodang.registry.tags import CHAMPION, list_versions

_HEADINGS = ("버전 / version", "단계 / stage", "언제 / when (UTC)", "accuracy", "판정 / verdict", "bento")


def format_versions(paths: Paths) -> list[str]:
    """Return the table of versions, the newest first, with what is packaged and has no version on top."""
    get_head(paths.root)
    champion, history = read_champion(paths.champion), read_history(paths.history)
    versions = list(reversed(list_versions(paths.root)))
    stages = {one.version: ", ".join(one.stages) or "-" for one in versions}
    rows = [
        _format_row(one.version, stages[one.version], find_event_by_version(history, one.version)) for one in versions
    ]
    unregistered = _format_unregistered(paths, history)
    if not rows and not unregistered:
        return [
            "등록된 버전이 없습니다 / no version is registered yet. 다음 / next: seodang run && git add dvc.lock && git commit && seodang registry promote"
        ]
    return [
        *_format_table([_HEADINGS, *unregistered, *rows]),
        *_format_mismatch(champion, [one.version for one in versions if CHAMPION in one.stages]),
    ]


def _format_row(version: str, stage: str, event: RegistryEvent | None) -> tuple[str, ...]:
    if event is None:  # a tag made by hand, or by a promotion that was killed
        return (version, stage, "-", "-", "기록 없음 / no record", "-")
    return (
        version,
        stage,
        event.created_at[:16].replace("T", " "),
        _format_number(event.scores.get("accuracy")),
        event.verdict,
        event.bento_tag,
    )


def _format_unregistered(paths: Paths, history: list[RegistryEvent]) -> list[tuple[str, ...]]:
    """Return the row of what is packaged, unless it has a version."""
    try:
        package, scores = read_json(paths.package_report), read_json(paths.evaluate_report)
    except ArtefactError:
        return []
    if any(move.weights_sha256 == package["weights_sha256"] for move in history):
        return []
    accuracy = next((arm["accuracy"] for arm in scores["variants"] if arm["name"] == "tuned"), None)
    return [
        (
            "(미등록 / not yet)",
            "candidate",
            "-",
            _format_number(accuracy),
            package["lineage"]["verdict"]["verdict"],
            package["bento_tag"],
        )
    ]


def _format_mismatch(champion: Champion | None, tagged: list[str]) -> list[str]:
    """Return a warning where tags and record name different champions, as after a promotion that was killed or a missing fetch."""
    recorded = [champion.version] if champion else []
    if recorded == tagged:
        return []
    return [
        "",
        f"주의 / note: registry/champion.json: {', '.join(recorded) or '-'}; git tags: {', '.join(tagged) or '-'}. "
        "기록이 기준입니다. 하던 명령을 다시 실행하거나 / The record counts. Run the interrupted command again, or: git fetch --tags",
    ]


def format_version(paths: Paths, version: str | None) -> list[str]:
    """Return all that is known of a version; of the champion if none is named.

    Raises:
        RegistryError: If there is no such version.
    """
    get_head(paths.root)
    champion, history = read_champion(paths.champion), read_history(paths.history)
    if version is None and champion is None:
        raise RegistryError(
            "there is no champion yet; the first one comes by: seodang registry promote / 아직 챔피언이 없습니다"
        )
    name = f"v{version.removeprefix('v')}" if version else (champion.version if champion else "")
    event = find_event_by_version(history, name)
    if event is None:
        known = ", ".join(dict.fromkeys(move.version for move in history)) or "none"
        raise RegistryError(f"{name} is not in registry/history.jsonl; there are: {known} / 그런 버전은 없습니다")
    stages = next((one.stages for one in list_versions(paths.root) if one.version == name), ())
    fields = [
        ("버전 / version", f"{event.version} ({', '.join(stages) or '-'})"),
        ("태그 / tag", f"{event.tag} → {event.revision}"),
        ("bento", event.bento_tag),
        ("가중치 / weights", event.weights_sha256),
        ("어댑터 / adapter", event.adapter_sha256),
        ("베이스 / base", event.base_sha256 or "-"),
        ("프롬프트 / prompt", f"{event.prompt_format} {event.prompt_fingerprint}"),
        ("문항 / items", event.items_fingerprint),
        ("점수 / scores", ", ".join(f"{measure} {_format_number(value)}" for measure, value in event.scores.items())),
        ("판정 / verdict", f"{event.verdict} {event.verdict_sha256}"),
    ]
    return [
        *_format_table(fields),
        "",
        "이력 / history:",
        *_format_events(history, name),
        "",
        "되짚어 가기 / the way back:",
        *_format_restore_commands(event),
    ]


def _format_events(history: list[RegistryEvent], version: str) -> list[str]:
    return [
        f"  {move.created_at}  {move.action} {move.previous or '-'} → {move.version}  {move.author}: {move.message}"
        for move in history
        if version in (move.version, move.previous)
    ]


def _format_restore_commands(event: RegistryEvent) -> list[str]:
    tag = f"'{event.tag}'"
    return [
        f"  dvc get . artifacts/package/model --rev {tag} -o model   # README.md, seodang.json: 점수, 판정, 출처, 라이선스 / scores, verdict, sources, licences",
        f"  git show {tag}:dvc.lock                                  # 모든 파일의 해시 / the hash of every file",
        f"  git show {tag}:params.yaml",
        f"  git switch --detach {tag} && dvc checkout                # 데이터까지 모두; 돌아올 때 / all of it, data too; back again: git switch - && dvc checkout",
    ]


def _format_number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _format_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows in columns; a Hangul syllable takes two places."""
    widths = [max(_compute_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell + " " * (width - _compute_width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _compute_width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
