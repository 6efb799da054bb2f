"""The command line: seodang run | stage | plan | check | gate | judge | study | registry | profile | report | serve.

Exit codes: 0 done; 1 (check) rows were rejected; 2 the input or the set-up cannot be used; 3 the model is rejected (run:
or not told to be better; registry promote: the verdict is not `promote`, and nothing has changed); 4 (gate) the scores don't tell; 70 a fault of our own (EX_SOFTWARE of sysexits.h); 75 a source on the
network did not answer, or a process of several that train was killed: try again (EX_TEMPFAIL); 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from seodang.cli import check as check_command
from seodang.cli import gate as gate_command
from seodang.cli import judge as judge_command
from seodang.cli import plan as plan_command
from seodang.cli import registry as registry_command
from seodang.cli import study as study_command
from seodang.errors import SeodangError
from seodang.paths import Paths

_INTERNAL_ERROR = 70
_INTERRUPTED = 130
_PIPE_CLOSED = 141
_TERMINATED = 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _build_parser().parse_args(arguments)
    _configure_logging()
    try:
        with _tidy_on_sigterm():
            code = int(options.run(options))
            sys.stdout.flush()
            return code
    except SeodangError as error:
        if options.debug:
            traceback.print_exc()
        print(f"seodang: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(
            "seodang: interrupted; nothing half-written is left and finished stages are kept: run the same command again",
            file=sys.stderr,
        )
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except Exception as error:
        if options.debug:
            raise
        print(
            f"seodang: unexpected {type(error).__name__}: {error}\nThis is a fault of seodang's; run with --debug for the place.",
            file=sys.stderr,
        )
        return _INTERNAL_ERROR


@contextmanager
def _tidy_on_sigterm() -> Iterator[None]:
    """Let SIGTERM, by which schedulers cancel, unwind the stack as Ctrl-C does: nothing half-written stays behind."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seodang",
        description="Instruction records in, a served and proven instruction-tuned model out. / 지시문 데이터를 검증된 서비스 모델로.",
        epilog="Exit codes: 0 done, 1 rows rejected (check), 2 the input or the set-up cannot be used, 3 not promoted (run, gate, registry), 4 inconclusive (gate), 70 a fault of seodang's.",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks / 오류의 위치를 모두 보기")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run what has changed, print the verdict / 바뀐 단계를 실행하고 판정 보기")
    run.set_defaults(run=_run_pipeline)
    stage = commands.add_parser("stage", help="run one stage, as dvc.yaml does / 한 단계 실행")
    stage.add_argument("name", metavar="NAME", help="base, ingest, validate, prepare, train, evaluate, gate or package")
    stage.set_defaults(run=_run_stage)
    plan = commands.add_parser(
        "plan", help="what training will take, before it runs: 0 it fits, 2 it does not / 학습 전에 계획 보기"
    )
    plan_command.add_arguments(plan)
    plan.set_defaults(run=_run_plan)
    check = commands.add_parser(
        "check", help="check data files: 0 clean, 1 rows rejected, 2 unusable / 데이터 파일 검사"
    )
    check_command.add_arguments(check)
    check.set_defaults(run=check_command.run)
    gate = commands.add_parser(
        "gate", help="judge score files: 0 promote, 3 reject, 4 inconclusive, 2 unusable / 점수 파일 판정"
    )
    gate_command.add_arguments(gate)
    gate.set_defaults(run=gate_command.run)
    judge = commands.add_parser(
        "judge", help="let a judge compare two models' answers, for `gate` / 답변을 견주어 점수 파일 만들기"
    )
    judge_command.add_arguments(judge)
    judge.set_defaults(run=judge_command.run)
    study = commands.add_parser(
        "study", help="measure prompting against tuning on one task and on many / 프롬프트와 튜닝 비교"
    )
    study_command.add_arguments(study)
    study.set_defaults(run=_run_study)
    registry = commands.add_parser(
        "registry",
        help="versions, champion, rollback: 0 done, 2 unusable, 3 the verdict is not promote / 버전, 챔피언, 되돌리기",
    )
    registry_command.add_arguments(registry)
    registry.set_defaults(run=_run_registry)
    profile = commands.add_parser("profile", help="list, show or use a set of parameters / 설정 묶음")
    profile.add_argument("action", choices=["list", "show", "use"])
    profile.add_argument("name", nargs="?", help="a name in profiles/ or the path of an overlay of your own")
    profile.set_defaults(run=_run_profile)
    report = commands.add_parser("report", help="print times, scores and verdict again / 결과 요약 다시 보기")
    report.set_defaults(run=_run_report)
    serve = commands.add_parser("serve", help="serve the champion, or what was packaged / 챔피언 서비스")
    serve.add_argument("--port", type=int, default=3000)
    serve.add_argument(
        "--packaged", action="store_true", help="the model packaged last, champion or not / 마지막에 패키징한 모델"
    )
    serve.set_defaults(run=_run_serve)
    return parser


# Each command imports what it needs when it runs: --help answers at once.


def _run_pipeline(_: argparse.Namespace) -> int:
    from seodang.cli.run import run_pipeline

    return run_pipeline(Paths(Path.cwd()))


def _run_stage(options: argparse.Namespace) -> int:
    from seodang.cli.run import run_single_stage

    run_single_stage(options.name, Paths(Path.cwd()))
    return 0


def _run_plan(options: argparse.Namespace) -> int:
    return plan_command.run(options, Paths(Path.cwd()))


def _run_study(options: argparse.Namespace) -> int:
    return study_command.run(options, Paths(Path.cwd()))


def _run_registry(options: argparse.Namespace) -> int:
    return registry_command.run(options, Paths(Path.cwd()))


def _run_profile(options: argparse.Namespace) -> int:
    from seodang.config import profiles

    return profiles.run_command(options.action, options.name, Paths(Path.cwd()))


def _run_report(_: argparse.Namespace) -> int:
    from seodang.cli.report import print_summary

    print_summary(Paths(Path.cwd()))
    return 0


def _run_serve(options: argparse.Namespace) -> int:
    from seodang.cli.run import serve

    return serve(Paths(Path.cwd()), options.port, packaged=options.packaged)


def _configure_logging() -> None:
    """Log our own progress to stderr, one line each; libraries only when they warn."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    # transformers and peft warn each other of names that change in a year; no user can act on it.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.|peft\.")
    # It misses kernels from a hub that nobody asked it for, each time peft is imported; its own kernels do the work.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    logging.getLogger("seodang").setLevel(os.environ.get("SEODANG_LOG_LEVEL", "INFO"))


if __name__ == "__main__":
    sys.exit(main())
