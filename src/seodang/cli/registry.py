"""`seodang registry list | show | promote | rollback`: options, what is printed, and the exit code."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seodang.paths import Paths

DONE = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the four actions and their options."""
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    actions.add_parser("list", help="every version with stage, score and verdict / 버전 목록")
    show = actions.add_parser("show", help="all of one version, with the way back to its data / 버전 하나의 모든 것")
    show.add_argument(
        "version", nargs="?", metavar="VERSION", help="such as v0.2.0; the champion if left out / 생략하면 챔피언"
    )
    promote = actions.add_parser(
        "promote", help="make the packaged model champion, if the verdict is promote / 챔피언으로 승격"
    )
    promote.add_argument("--message", metavar="TEXT", help="for the record; else that the verdict is promote / 이유")
    promote.add_argument("--version", metavar="VERSION", help="to register; else the next minor one / 버전을 직접 지정")
    rollback = actions.add_parser(
        "rollback", help="make an earlier version champion again, and fit to be served / 이전 버전으로 되돌리기"
    )
    rollback.add_argument("--message", required=True, metavar="TEXT", help="for the record / 이유")
    rollback.add_argument(
        "--to", metavar="VERSION", help="else the one that was champion before / 생략하면 바로 전 챔피언"
    )


def run(options: argparse.Namespace, paths: Paths) -> int:
    """Do one action and print what has come of it.

    Raises:
        NotPromoted: If the verdict is not `promote`; exit code 3, and nothing has changed.
        SeodangError: If the set-up cannot be used; exit code 2, and nothing has changed.
    """
    match options.action:
        case "list":
            lines = _list_versions(paths)
        case "show":
            lines = _show_version(paths, options.version)
        case "promote":
            lines = _promote_candidate(paths, options.message, options.version)
        case _:
            lines = _roll_back(paths, options.message, options.to)
    print("\n".join(lines))
    return DONE


def _list_versions(paths: Paths) -> list[str]:
    from seodang.registry.listing import format_versions

    return format_versions(paths)


def _show_version(paths: Paths, version: str | None) -> list[str]:
    from seodang.registry.listing import format_version

    return format_version(paths, version)


def _promote_candidate(paths: Paths, message: str | None, version: str | None) -> list[str]:
    from seodang.registry.promotion import promote
    from seodang.registry.storage import check_remote

    event = promote(paths, message, version)
    if event is None:
        return [
            "이 가중치는 이미 챔피언입니다. 바뀐 것이 없습니다 / these weights are champion already; nothing has changed"
        ]
    retired = [f"{event.previous} → retired"] if event.previous and event.previous != event.version else []
    advice = check_remote(paths.root)
    return [
        f"{event.version} → champion ({event.tag}, {event.revision[:12]})",
        *retired,
        f"누가 / who  {event.author}",
        f"이유 / why  {event.message}",
        *_format_next_steps(event.version),
        *advice,
    ]


def _roll_back(paths: Paths, message: str, to: str | None) -> list[str]:
    from seodang.registry.promotion import rollback

    event, bento = rollback(paths, message, to)
    return [
        f"{event.version} → champion ({event.tag}, {event.revision[:12]})",
        f"{event.previous} → retired",
        f"누가 / who  {event.author}",
        f"이유 / why  {event.message}",
        f"bento       {bento}",
        *_format_next_steps(event.version),
    ]


def _format_next_steps(version: str) -> list[str]:
    return [
        "",
        "다음 / next:",
        f"  seodang serve                # {version}; 돌고 있는 서비스는 다시 시작하세요 / a service that runs has to be started again",
        "  git push --follow-tags && dvc push",
    ]
