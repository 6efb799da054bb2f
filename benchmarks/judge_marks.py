"""Association of a judge's marks with the length of answers, in published results in the shape of LogicKor.

    python benchmarks/judge_marks.py --files results/*.jsonl

A file holds one model's answers: `id`, `category`, `questions`, `outputs` and, by turn, `query_single` and
`query_multi` with `judge_score` and `judge_message`. There are no labels of people in it. So the script shows whether
longer answers have higher marks, and not whether they deserve them. `--out` writes the marks as a file of labels for
`seodang judge calibrate`, which then measures the agreement of another judge with this one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from seodang.evaluation.judge.resampling import Estimate, estimate, estimate_share
from seodang.records import detect_language

TURNS = ("query_single", "query_multi")


@dataclass(frozen=True)
class Mark:
    """A judge's mark of one answer."""

    model: str
    question: str
    """Id and turn."""
    prompt: str
    answer: str
    mark: float | None


def read_marks(path: Path) -> Iterator[Mark]:
    """Yield the marks of a file of results; a byte order mark and blank lines are skipped."""
    model = path.name.removesuffix(".jsonl").removesuffix(".default").replace("__", "/")
    for line in path.read_text("utf-8-sig").splitlines():
        if not line.strip():
            continue
        row = json.loads(line)
        for turn, key in enumerate(TURNS):
            mark = row[key].get("judge_score")
            number = float(mark) if isinstance(mark, int | float) else None
            history = [*row["questions"][: turn + 1]]
            yield Mark(model, f"{row['id']}/{turn + 1}", "\n\n".join(history), row["outputs"][turn] or "", number)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", nargs="+", type=Path, required=True, help="results, one file per model")
    parser.add_argument("--out", type=Path, help="writes the marks as labels")
    options = parser.parse_args()
    marks = [mark for path in options.files for mark in read_marks(path)]
    for model in dict.fromkeys(mark.model for mark in marks):
        _print_model(model, [mark for mark in marks if mark.model == model])
    for turn in ("1", "2"):
        _print_pairs(f"turn {turn}", [mark for mark in marks if mark.question.endswith(f"/{turn}")])
    _print_pairs("both turns", marks)
    if options.out:
        _write_labels(options.out, marks)


def _print_model(model: str, marks: Sequence[Mark]) -> None:
    known = [(mark.mark, len(mark.answer)) for mark in marks if mark.mark is not None]
    values, lengths = (np.array(column, dtype=float) for column in zip(*known, strict=True))
    correlation = spearmanr(values, lengths)
    other_language = sum(detect_language(mark.answer) != "ko" for mark in marks)
    print(
        f"{model}: {len(marks)} answers, {len(marks) - len(known)} without a mark, {other_language} not in Korean; "
        f"mean {values.mean():.2f}, highest mark {np.mean(values == values.max()):.0%}, "
        f"median length {np.median(lengths):.0f}; "
        f"Spearman of mark and length {correlation.statistic:+.2f} (p {correlation.pvalue:.2g})"
    )


def _print_pairs(name: str, marks: Sequence[Mark]) -> None:
    """Print how often the longer of two answers to one question has the higher mark; questions are the groups."""
    by_question: dict[str, list[Mark]] = {}
    for mark in marks:
        if mark.mark is not None:
            by_question.setdefault(mark.question, []).append(mark)
    scores, ratios, groups = [], [], []
    for question, answers in by_question.items():
        for one, other in combinations(answers, 2):
            longer, shorter = (one, other) if len(one.answer) > len(other.answer) else (other, one)
            if len(longer.answer) == len(shorter.answer):
                continue
            difference = (longer.mark or 0.0) - (shorter.mark or 0.0)
            scores.append(1.0 if difference > 0 else 0.0 if difference < 0 else 0.5)
            ratios.append(np.log(len(longer.answer) / max(1, len(shorter.answer))))
            groups.append(question.split("/")[0])
    array = np.array(scores)
    higher = estimate_share((array == 1.0).astype(float), groups)
    mean = estimate(np.column_stack([array, np.ones(len(array))]), groups, lambda sums: sums[..., 0] / sums[..., 1])
    print(
        f"{name}: {len(array)} pairs of {len(set(groups))} questions; equal marks {np.mean(array == 0.5):.0%}; "
        f"the longer answer has the higher mark in {_format(higher)}, the lower in {np.mean(array == 0.0):.0%}; "
        f"its score with ties as halves {_format(mean)}; "
        f"Spearman with the length ratio {spearmanr(array, ratios).statistic:+.2f}"
    )


def _format(value: Estimate) -> str:
    if value.value is None or value.low is None or value.high is None:
        return "-"
    return f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _write_labels(path: Path, marks: Sequence[Mark]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for mark in marks:
            if mark.mark is not None:
                row = {"id": mark.question, "question": mark.prompt, "answer": mark.answer, "mark": mark.mark}
                row |= {"model": mark.model, "rater": "judge", "group": mark.question.split("/")[0]}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
