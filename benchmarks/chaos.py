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
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from chaos_kills import draw_rounds
from chaos_results import compare, digest_experiment, digest_project
from chaos_rounds import COMMANDS, Row, measure_costs, run_round
from miniature import build_environment, make_miniature, serve_prefect

from seodang.io.git_process import run_git
from seodang.stages import STAGES

_PER_ROUND: Final = 5
_HEAD: Final = "| kill | command | stage | victim | moment | what the next run said | outputs equal |\n|---|---|---|---|---|---|---|\n"


def main() -> int:
    """Run the rounds, print the table, and return the exit code."""
    options = _parse_arguments()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}", flush=True)
    with _open_folder(options.folder) as folder:
        rows = run_chaos(folder, seed, options.kills)
    table = _HEAD + "".join(row.render(number) for number, row in enumerate(rows, 1))
    print(table)
    if options.table:
        options.table.write_text(f"Seed {seed}.\n\n{table}", "utf-8")
    return 0 if all(row.is_good for row in rows) else 1


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, help="of all draws; without it a new one, which is printed")
    parser.add_argument("--table", type=Path, help="file for the table, in markdown")
    parser.add_argument("--folder", type=Path, help="keeps the projects and logs there, instead of a temporary folder")
    return parser.parse_args()


@contextmanager
def _open_folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        yield Path(temporary)


def run_chaos(folder: Path, seed: int, kills: int) -> list[Row]:
    """Run the undisturbed run and all rounds; return a row per kill.

    Args:
        folder: Empty; receives the projects and the logs.
        seed: Of the draws.
        kills: Number of kills.
    """
    pristine = make_miniature(folder / "pristine")
    calm = shutil.copytree(pristine, folder / "calm", symlinks=True)
    costs = measure_costs(calm, build_environment(calm), folder / "calm.log")
    expected = digest_project(calm)
    print(
        f"undisturbed: {len(expected)} files; CPU s by stage: "
        + ", ".join(f"{name} {cost.work:.1f} + {cost.saving:.1f}" for name, cost in costs.items()),
        flush=True,
    )
    rows: list[Row] = []
    with serve_prefect(folder / "prefect") as prefect:
        for number, kills_of_round in enumerate(draw_rounds(random.Random(seed), STAGES, kills, _PER_ROUND)):
            command = COMMANDS[number % len(COMMANDS)]
            project = shutil.copytree(pristine, folder / f"round{number + 1}", symlinks=True)
            done = run_round(project, command, kills_of_round, costs, build_environment(project) | prefect)
            different = (
                compare(_digest(project, is_flow=command.is_flow), expected) if done[-1].has_ended else ["no result"]
            )
            rows += [row.judge(different) for row in done]
            print(*(row.render(len(rows)) for row in rows[-len(done) :]), sep="", flush=True)
    return rows


def _digest(project: Path, *, is_flow: bool) -> dict[str, str]:
    if not is_flow:
        return digest_project(project)
    references = run_git(project, "for-each-ref", "--sort=-committerdate", "--format=%(refname)", "refs/exps")
    return digest_experiment(project, references.split()[0])


if __name__ == "__main__":
    sys.exit(main())
