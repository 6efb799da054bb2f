"""Kill runs of the pipeline at random moments, run the same command again, and compare what comes out.

Each round starts from the same miniature project (miniature.py) and kills its runs several times, at later and later
stages. At its end, the outputs, the package and BentoML's store must be those of a run that nobody disturbed. The
commands are `seodang run`, `dvc repro`, and the flow instruction-tuning beside a Prefect server.

    python benchmarks/chaos.py --kills 20 --seed 1 --table chaos.md

A kill strikes a stage at work or DVC while it saves, after a share of the CPU time that the undisturbed run spends
there. Its victim is the stage, DVC, or all processes at once. The exit code is 1 if an output differs, or if a command
does not end.
"""

from __future__ import annotations

import argparse
import pickle
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from chaos_kills import draw_kills
from chaos_processes import StageCost
from chaos_results import compare, digest_experiment, digest_project
from chaos_rounds import Row, measure_costs, plan_rounds, run_round
from miniature import build_environment, make_miniature, serve_prefect

from seodang.io.git_process import run_git
from seodang.stages import STAGES

_HEAD: Final = "| kill | command | stage | victim | moment | what the next run said | outputs equal |\n|---|---|---|---|---|---|---|\n"


def main() -> int:
    """Run the rounds, print the table, and return the exit code."""
    options = _parse_arguments()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}", flush=True)
    rows: list[Row] = []
    table = f"Seed {seed}.\n\n{_HEAD}"
    with _open_folder(options.folder) as folder:
        for row in run_chaos(folder, seed, options.kills):
            rows.append(row)
            table += row.render(len(rows))
            if options.table:
                options.table.write_text(table, "utf-8")
    print(table)
    return 0 if all(row.is_good for row in rows) else 1


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, help="of all draws; without it a new one, which is printed")
    parser.add_argument("--table", type=Path, help="file for the table, in markdown")
    parser.add_argument("--folder", type=Path, help="keeps projects and logs; the same call continues there")
    return parser.parse_args()


@contextmanager
def _open_folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        yield Path(temporary)


def run_chaos(folder: Path, seed: int, kills: int) -> Iterator[Row]:
    """Yield a row per kill, as soon as its round has ended.

    Args:
        folder: Receives the projects and the logs. What an earlier call with the same seed has finished is kept.
        seed: Of the draws.
        kills: Number of kills.
    """
    pristine, costs, expected = _run_undisturbed(folder)
    rounds = plan_rounds(kills)
    draws = draw_kills(random.Random(seed), STAGES, [number for _command, number in rounds])
    with serve_prefect(folder / "prefect") as prefect:
        for number, ((command, _), kills_of_round) in enumerate(zip(rounds, draws, strict=True), 1):
            finished = folder / f"round{number}.pickle"
            if not finished.exists():
                project = _copy(pristine, folder / f"round{number}")
                rows = run_round(project, command, kills_of_round, costs, build_environment(project) | prefect)
                different = ["no result"]
                if rows[-1].has_ended:
                    different = compare(_digest(project, is_flow=command.is_flow), expected)
                finished.write_bytes(pickle.dumps([row.judge(different) for row in rows]))
            yield from pickle.loads(finished.read_bytes())


def _run_undisturbed(folder: Path) -> tuple[Path, Mapping[str, StageCost], Mapping[str, str]]:
    """Return the project that nobody has run, the costs of its stages, and the digests of its outputs."""
    pristine, finished = folder / "pristine", folder / "undisturbed.pickle"
    if not finished.exists():
        shutil.rmtree(pristine, ignore_errors=True)
        calm = _copy(make_miniature(pristine), folder / "undisturbed")
        costs = measure_costs(calm, build_environment(calm), folder / "undisturbed.log")
        finished.write_bytes(pickle.dumps((costs, digest_project(calm))))
    costs, expected = pickle.loads(finished.read_bytes())
    seconds = ", ".join(f"{name} {cost.work:.1f} + {cost.saving:.1f}" for name, cost in costs.items())
    print(f"undisturbed: {len(expected)} files compared; CPU s of stage + DVC: {seconds}", flush=True)
    return pristine, costs, expected


def _copy(project: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(".log").unlink(missing_ok=True)
    return Path(shutil.copytree(project, folder, symlinks=True))


def _digest(project: Path, *, is_flow: bool) -> dict[str, str]:
    if not is_flow:
        return digest_project(project)
    references = run_git(project, "for-each-ref", "--sort=-committerdate", "--format=%(refname)", "refs/exps")
    return digest_experiment(project, references.split()[0])


if __name__ == "__main__":
    sys.exit(main())
