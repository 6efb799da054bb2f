"""A recipe of rounds, which depend on what earlier ones brought. Tests run it here and in processes of their own."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from seodang.config.recipe import GenerateParams
from seodang.synthesis.calls import (
    Call,
    Estimate,
    Failure,
    Generated,
    Message,
    Outcome,
    Rejection,
    Reply,
    Row,
    make_call,
    measure_prompt,
)

PARAMS = {
    "output": "generated/test",
    "seed": 1,
    "teacher": {
        "url": "http://127.0.0.1:1/v1",
        "model": "scripted",
        "licence": "apache-2.0",
        "key_env": None,
        "is_idempotent": False,
        "structured_output": True,
    },
    "limits": {
        "concurrency": 4,
        "requests_per_minute": None,
        "tokens_per_minute": None,
        "timeout_seconds": 5.0,
        "attempts": 3,
        "failures_in_a_row": 3,
    },
    "budget": {"tokens": 10_000_000, "money": None},
    "prices": None,
    "recipe": {
        "kind": "answer",
        "prompts": "prompts.jsonl",
        "limit": None,
        "tasks_per_call": 1,
        "max_tokens": 10,
        "temperature": 0.5,
    },
}


class ScriptedRecipe:
    """Asks `rounds` times for `calls` texts; the prompt of a round has the number of texts that were kept before."""

    def __init__(self, calls: int, rounds: int = 1, schema: dict[str, object] | None = None) -> None:
        self._calls = calls
        self._rounds = rounds
        self._schema = schema
        self.taken: list[Outcome] = []

    def estimate(self) -> Estimate:
        size = max((measure_prompt(call.messages) for call in self._build_round()), default=0)
        calls = self._calls * self._rounds
        return Estimate(calls=calls, prompt_bytes=size * calls, completion_tokens=10 * calls)

    def name_calls(self) -> Sequence[Call]:
        return self._build_round() if len(self.taken) < self._calls * self._rounds else []

    def _build_round(self) -> list[Call]:
        kept = sum(isinstance(outcome, Reply) for outcome in self.taken)
        return [
            make_call(
                model="scripted",
                messages=[Message(role="user", content=f"{kept}: 질문 {number}")],
                max_tokens=10,
                temperature=0.5,
                seed=7,
                schema=self._schema,
            )
            for number in range(self._calls)
        ]

    def take(self, outcomes: Sequence[Outcome]) -> None:
        self.taken += outcomes

    def finish(self) -> Generated:
        replies = [outcome for outcome in self.taken if not isinstance(outcome, Failure)]
        rows = [
            Row(keys=(reply.key,), content={"instruction": reply.key, "output": reply.text})
            for reply in replies
            if isinstance(reply, Reply) and reply.text.startswith("ok")
        ]
        kept = {row.keys[0] for row in rows}
        rejections = [
            Rejection(keys=(reply.key,), reason="unparsable", detail="", text=reply.text)
            for reply in replies
            if reply.key not in kept and reply.text != "lost"
        ]
        return Generated(rows=rows, rejections=rejections, figures={})


def main(settings_file: str, folder: str) -> int:
    """Run a recipe in this process, so that a test can kill it; return the exit code."""
    from seodang.cli.generate import run_and_report

    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    settings = json.loads(Path(settings_file).read_text("utf-8"))
    recipe = ScriptedRecipe(settings["calls"], settings["rounds"])
    params = GenerateParams.model_validate(settings["params"])
    return run_and_report(recipe, params, Path(folder), Path(settings_file), key="", retry_failed=False)


def serve() -> None:
    """Run recipes in forks of this process, one after the other: a fork has loaded everything and starts at once.

    A line of stdin names settings, folder and the file for the output. The answer is the fork's id, then its exit code.
    """
    from seodang.cli import generate  # noqa: F401
    from seodang.synthesis import teacher  # noqa: F401

    for line in sys.stdin:
        settings_file, folder, output = json.loads(line)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _run_in_fork(settings_file, folder, output)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _run_in_fork(settings_file: str, folder: str, output: str) -> None:
    with Path(output).open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    code = 1
    try:
        code = main(settings_file, folder)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__" and len(sys.argv) == 1:
    serve()
elif __name__ == "__main__":
    from seodang.cli.signals import unwind_on_signals

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    with unwind_on_signals():
        sys.exit(main(*sys.argv[1:]))
