"""`seodang judge`: which of two models answers better, by a judge behind an OpenAI-compatible endpoint; score files for `seodang gate`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--candidate",
        type=Path,
        required=True,
        metavar="FILE",
        help="answers of the model that may be promoted / 후보의 답변",
    )
    parser.add_argument(
        "--champion",
        type=Path,
        required=True,
        metavar="FILE",
        help="answers of the model that is live now / 현재 모델의 답변",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="gets every reply, candidate.jsonl and champion.jsonl / 결과 폴더",
    )
    parser.add_argument("--endpoint", required=True, metavar="URL", help="OpenAI-compatible, up to /v1 / 주소")
    parser.add_argument("--model", required=True, help="the judge's name there / 평가 모델 이름")
    parser.add_argument(
        "--key-from",
        default="OPENAI_API_KEY",
        metavar="NAME",
        help="environment variable that holds the key, if one is needed / 키가 든 환경 변수",
    )
    parser.add_argument("--max-tokens", type=int, default=1024, help="of a reply / 답변의 토큰 수")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for a reply / 기다리는 시간(초)")


def run(options: argparse.Namespace) -> int:
    """Judge, print the counts and what to type next.

    Raises:
        SeodangError: If a file cannot be used, or the judge refuses (2) or does not answer (75).
    """
    from seodang.evaluation.judge.client import Endpoint, judge

    endpoint = Endpoint(
        base_url=options.endpoint,
        model=options.model,
        api_key=os.environ.get(options.key_from, ""),
        max_tokens=options.max_tokens,
        timeout=options.timeout,
    )
    result = judge(options.candidate, options.champion, options.out, endpoint)
    print(f"문항 / items {result.items}: 승 / won {result.wins}, 무 / tied {result.ties}, 패 / lost {result.losses}")
    if result.items_without_verdict:
        print(
            f"판정 없는 답 / replies without a verdict: {len(result.items_without_verdict)} ({', '.join(result.items_without_verdict[:5])})"
        )
    print(
        f"다음 / next: seodang gate --candidate {options.out / 'candidate.jsonl'} --champion {options.out / 'champion.jsonl'}"
    )
    return 0
