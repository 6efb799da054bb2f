"""Korean tasks side by side with lm-evaluation-harness: prompts, log-likelihoods, answers and scores on each item.

    python benchmarks/korean_tasks.py [--harness DIR] [--model DIR] [--kobest DIR] [--items 6] [--kobest-items 40]
        [--max-new-tokens 32] [--tasks kmmlu ...]

The harness (lm_eval of requirements-harness.lock, `make harness`, or installed in the folder of `--harness`) runs its
own task files; only the data are local. Both tools read the same files: invented items in the shape of each data set,
and the first rows of KoBEST's own files where `--kobest` names their folder. The model is the bundled base in float32
with a context of 4,096 tokens. Free answers end at the limit of the harness's task, or at `--max-new-tokens` in both
tools. They are also compared on fixed texts, which the small model would never write.

The table has, for each task, the items compared, those whose prompts, predictions and scores are equal, and the
largest difference of a log-likelihood in nats. Exit status 1: something differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "src"))

from korean_task_cases import Case, build_cases, write_file  # noqa: E402
from korean_task_runs import CANNED, Item, Run, load_harness_model, run_harness, run_seodang, write_model  # noqa: E402

_CONTEXT_LENGTH = 4096
_TOLERANCE = 1e-4  # nats


@dataclass(frozen=True, slots=True)
class Comparison:
    """One task on both tools."""

    task: str
    items: int
    equal_prompts: int
    equal_predictions: int
    """Likeliest option, or free answer."""
    equal_scores: int
    largest_difference: float | None
    """Nats; None for free answers."""
    canned: int
    """Fixed answers compared."""
    equal_canned: int

    @property
    def is_equal(self) -> bool:
        """Return whether both tools agree on everything."""
        equal = {self.equal_prompts, self.equal_predictions, self.equal_scores} == {self.items}
        return equal and self.canned == self.equal_canned and (self.largest_difference or 0.0) <= _TOLERANCE


def main() -> int:
    """Run both tools on every task and print the table."""
    options = _parse_options()
    if options.harness:
        sys.path.append(str(options.harness))
    cases = [
        case
        for case in build_cases(options.items, options.kobest, options.kobest_items)
        if any(fnmatchcase(case.task, pattern) for pattern in options.tasks)
    ]
    with tempfile.TemporaryDirectory() as name:
        comparisons = _compare_all(cases, options.model, Path(name), options.max_new_tokens)
    print(_build_table(comparisons))
    return 0 if all(comparison.is_equal for comparison in comparisons) else 1


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--harness", type=Path)
    parser.add_argument("--model", type=Path, default=REPOSITORY / "models" / "primer-base")
    parser.add_argument("--kobest", type=Path)
    parser.add_argument("--items", type=int, default=6)
    parser.add_argument("--kobest-items", type=int, default=40)
    parser.add_argument("--max-new-tokens", type=int)
    parser.add_argument("--tasks", nargs="*", default=["*"], help="names or patterns of the tasks")
    return parser.parse_args()


def _compare_all(cases: Sequence[Case], model: Path, scratch: Path, limit: int | None) -> list[Comparison]:
    data, folder = scratch / "data", scratch / "model"
    write_model(model, folder, _CONTEXT_LENGTH)
    harness_model = load_harness_model(folder)
    comparisons = []
    for case in cases:
        for file, rows in case.files.items():
            write_file(data / file, rows)
        seodang = run_seodang(case, folder, data, limit)
        harness = run_harness(case, harness_model, data, scratch, limit)
        comparisons.append(_compare(case.task, seodang, harness))
        print(_build_row(comparisons[-1]), file=sys.stderr, flush=True)
    return comparisons


def _compare(task: str, seodang: Run, harness: Run) -> Comparison:
    ours, theirs = (_list_items(run) for run in (seodang, harness))
    if len(ours) != len(theirs):
        sys.exit(f"{task}: {len(ours)} items of Seodang, {len(theirs)} of the harness")
    pairs = list(zip(ours, theirs, strict=True))
    canned = list(zip(seodang.get(CANNED, []), harness.get(CANNED, []), strict=True))
    differences = [abs(one - other) for a, b in pairs for one, other in zip(a.likelihoods, b.likelihoods, strict=True)]
    return Comparison(
        task,
        len(pairs),
        sum(a.texts == b.texts for a, b in pairs),
        sum(_predict(a) == _predict(b) for a, b in pairs),
        sum(_has_equal_scores(a, b) for a, b in pairs),
        max(differences, default=None),
        len(canned),
        sum((a.answer, a.scores) == (b.answer, b.scores) for a, b in canned),
    )


def _list_items(run: Run) -> list[Item]:
    """Return the items of all files; our ids of KoBEST have no file, which sorts nothing where there is one."""
    return [item for file in sorted(run) if file != CANNED for item in run[file]]


def _predict(item: Item) -> int | str:
    values = item.likelihoods
    return max(range(len(values)), key=values.__getitem__) if values else item.answer


def _has_equal_scores(ours: Item, theirs: Item) -> bool:
    names = ours.scores.keys() & theirs.scores.keys()
    return bool(names) and all(ours.scores[name] == theirs.scores[name] for name in names)


def _build_table(comparisons: Sequence[Comparison]) -> str:
    head = (
        "| task | items | equal prompts | equal predictions | equal scores | largest difference, nats | fixed answers |"
    )
    return "\n".join([head, "|---|---|---|---|---|---|---|", *map(_build_row, comparisons)])


def _build_row(comparison: Comparison) -> str:
    difference = "–" if comparison.largest_difference is None else f"{comparison.largest_difference:.1e}"
    canned = f"{comparison.equal_canned} of {comparison.canned}" if comparison.canned else "–"
    cells = [comparison.task, comparison.items, comparison.equal_prompts, comparison.equal_predictions]
    return f"| {' | '.join(map(str, [*cells, comparison.equal_scores, difference, canned]))} |"


if __name__ == "__main__":
    sys.exit(main())
