"""The registry for a terminal: a table of versions, and all of one version."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from seodang.errors import ArtefactError, RegistryError
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.registry.champion import Champion, read_champion
from seodang.registry.git import head
from seodang.registry.history import Move, read_history, version_named
from seodang.registry.tags import CHAMPION, registered

_HEADINGS = ("버전 / version", "단계 / stage", "언제 / when (UTC)", "accuracy", "판정 / verdict", "bento")


def versions_told(paths: Paths) -> list[str]:
    """Return the table of versions, the newest first, with what is packaged and has no version on top."""
    head(paths.root)
    live, history = read_champion(paths.champion), read_history(paths.history)
    versions = list(reversed(registered(paths.root)))
    stages = {one.version: ", ".join(one.stages) or "-" for one in versions}
    rows = [_row(one.version, stages[one.version], version_named(history, one.version)) for one in versions]
    waiting = _waiting(paths, history)
    if not rows and not waiting:
        return [
            "등록된 버전이 없습니다 / no version is registered yet. 다음 / next: seodang run && git add dvc.lock && git commit && seodang registry promote"
        ]
    return [
        *_table([_HEADINGS, *waiting, *rows]),
        *_mismatch(live, [one.version for one in versions if CHAMPION in one.stages]),
    ]


def _row(version: str, stage: str, move: Move | None) -> tuple[str, ...]:
    if move is None:  # a tag made by hand, or by a promotion that was killed
        return (version, stage, "-", "-", "기록 없음 / no record", "-")
    return (
        version,
        stage,
        move.when[:16].replace("T", " "),
        _number(move.scores.get("accuracy")),
        move.verdict,
        move.bento_tag,
    )


def _waiting(paths: Paths, history: list[Move]) -> list[tuple[str, ...]]:
    """Return the row of what is packaged, unless it has a version."""
    try:
        package, scores = read_json(paths.package_report), read_json(paths.evaluate_report)
    except ArtefactError:
        return []
    if any(move.weights_sha256 == package["weights_sha256"] for move in history):
        return []
    accuracy = next((arm["accuracy"] for arm in scores["arms"] if arm["name"] == "tuned"), None)
    return [
        (
            "(미등록 / not yet)",
            "candidate",
            "-",
            _number(accuracy),
            package["lineage"]["verdict"]["verdict"],
            package["bento_tag"],
        )
    ]


def _mismatch(live: Champion | None, tagged: list[str]) -> list[str]:
    """Return a warning where tags and record name different champions, as after a promotion that was killed or a missing fetch."""
    recorded = [live.version] if live else []
    if recorded == tagged:
        return []
    return [
        "",
        f"주의 / note: registry/champion.json: {', '.join(recorded) or '-'}; git tags: {', '.join(tagged) or '-'}. "
        "기록이 기준입니다. 하던 명령을 다시 실행하거나 / The record counts. Run the interrupted command again, or: git fetch --tags",
    ]


def version_told(paths: Paths, version: str | None) -> list[str]:
    """Return all that is known of a version; of the champion if none is named.

    Raises:
        RegistryError: If there is no such version.
    """
    head(paths.root)
    live, history = read_champion(paths.champion), read_history(paths.history)
    if version is None and live is None:
        raise RegistryError(
            "there is no champion yet; the first one comes by: seodang registry promote / 아직 챔피언이 없습니다"
        )
    name = f"v{version.removeprefix('v')}" if version else (live.version if live else "")
    found = version_named(history, name)
    if found is None:
        known = ", ".join(dict.fromkeys(move.version for move in history)) or "none"
        raise RegistryError(f"{name} is not in registry/history.jsonl; there are: {known} / 그런 버전은 없습니다")
    stages = next((one.stages for one in registered(paths.root) if one.version == name), ())
    facts = [
        ("버전 / version", f"{found.version} ({', '.join(stages) or '-'})"),
        ("태그 / tag", f"{found.tag} → {found.revision}"),
        ("bento", found.bento_tag),
        ("가중치 / weights", found.weights_sha256),
        ("어댑터 / adapter", found.adapter_sha256),
        ("베이스 / base", found.base_sha256 or "-"),
        ("프롬프트 / prompt", f"{found.prompt_format} {found.prompt_fingerprint}"),
        ("문항 / items", found.items_fingerprint),
        ("점수 / scores", ", ".join(f"{measure} {_number(value)}" for measure, value in found.scores.items())),
        ("판정 / verdict", f"{found.verdict} {found.verdict_sha256}"),
    ]
    return [
        *_table(facts),
        "",
        "이력 / history:",
        *_moves(history, name),
        "",
        "되짚어 가기 / the way back:",
        *_way_back(found),
    ]


def _moves(history: list[Move], version: str) -> list[str]:
    return [
        f"  {move.when}  {move.action} {move.previous or '-'} → {move.version}  {move.who}: {move.why}"
        for move in history
        if version in (move.version, move.previous)
    ]


def _way_back(move: Move) -> list[str]:
    tag = f"'{move.tag}'"
    return [
        f"  dvc get . artifacts/package/model --rev {tag} -o model   # README.md, seodang.json: 점수, 판정, 출처, 라이선스 / scores, verdict, sources, licences",
        f"  git show {tag}:dvc.lock                                  # 모든 파일의 해시 / the hash of every file",
        f"  git show {tag}:params.yaml",
        f"  git switch --detach {tag} && dvc checkout                # 데이터까지 모두; 돌아올 때 / all of it, data too; back again: git switch - && dvc checkout",
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows in columns; a Hangul syllable takes two places."""
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
