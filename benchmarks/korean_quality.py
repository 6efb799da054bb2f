"""Precision and recall of the Korean quality scores on the labelled sentences of tests/evaluation/korean/labelled.

    python benchmarks/korean_quality.py

Prints a table with 95 % intervals (Clopper and Pearson): all sentences, the blind half, which a hash selects, and a
second set of other genres, written after the rules. Two rows show rules without the morphological analyzer on the same
sentences.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scipy import stats

from seodang.evaluation.korean import particles
from seodang.evaluation.korean.clauses import find_repetitions
from seodang.evaluation.korean.languages import MIN_HANGUL_SHARE, compute_hangul_share
from seodang.evaluation.korean.particles import find_particle_errors
from seodang.evaluation.korean.speech_levels import POLITE, find_speech_levels

FOLDER: Final = Path(__file__).resolve().parent.parent / "tests" / "evaluation" / "korean" / "labelled"
SECOND: Final = FOLDER / "second"
_ENDINGS: Final = (
    ("haeyo", re.compile(r"(?:요|죠)$")),
    ("hapsyo", re.compile(r"(?:니다|니까|시오|시다)$")),
    ("haera", re.compile(r"(?:다|자|라|냐|니|구나)$")),
    ("hae", re.compile(r"(?:어|아|해|야|지|네|게|래|걸|군|와|마|줘|봐|데)$")),
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Marks on labelled sentences."""

    right: int
    wrong: int
    missed: int

    def __add__(self, other: Counts) -> Counts:
        """Return the sum."""
        return Counts(self.right + other.right, self.wrong + other.wrong, self.missed + other.missed)

    def format(self) -> str:
        """Return precision and recall in percent, with intervals and counts."""
        marked, labelled = self.right + self.wrong, self.right + self.missed
        return f"{_format_share(self.right, marked)} | {_format_share(self.right, labelled)}"


def _format_share(count: int, total: int) -> str:
    low = stats.beta.ppf(0.025, count, total - count + 1) if count else 0.0
    high = stats.beta.isf(0.025, count + 1, total - count) if count < total else 1.0
    return f"{100 * count / total:.1f} % [{100 * low:.1f}, {100 * high:.1f}] ({count} of {total})"


def read_labelled(name: str, folder: Path = FOLDER) -> Iterator[tuple[str, str, bool]]:
    """Yield label, text and whether the sentence belongs to the blind half."""
    for line in (folder / f"{name}.tsv").read_text("utf-8").splitlines():
        label, text = line.split("\t")
        yield label, text.replace("\\n", "\n"), is_blind(line)


def is_blind(line: str) -> bool:
    """Return whether a line belongs to the half that was looked at once."""
    return hashlib.sha256(line.encode()).digest()[0] % 2 == 1


def count_levels(label: str, text: str) -> Counts:
    """Return whether the speech level of a sentence is right; none is a label, too."""
    found = find_speech_levels(text)
    return _compare(found[0].level if found else "none", label)


def count_endings(label: str, text: str) -> Counts:
    """Return whether a list of last syllables finds the speech level."""
    last = re.sub(r"[^가-힣]+$", "", text)
    return _compare(next((level for level, pattern in _ENDINGS if pattern.search(last)), "none"), label)


def _compare(found: str, label: str) -> Counts:
    return Counts(
        int(found == label != "none"), int(found != label and found != "none"), int(found != label and label != "none")
    )


def count_mixtures(label: str, text: str) -> Counts:
    """Return whether an answer that mixes polite and plain sentences is found."""
    kinds = {one.level in POLITE for one in find_speech_levels(text)}
    return _count_decision(len(kinds) > 1, is_finding=label == "mixed")


def count_particles(label: str, text: str) -> Counts:
    """Return how many of the labelled particles are found."""
    return _count_words([error.word for error in find_particle_errors(text)], label)


def count_unconfirmed_particles(label: str, text: str) -> Counts:
    """Return how many are found by the form alone, without the analyzer."""
    candidates = particles._iter_candidates(text)
    return _count_words([text[max(0, one.start - 20) : one.end].split()[-1] for one in candidates], label)


def _count_words(found: list[str], label: str) -> Counts:
    wanted = [] if label == "-" else label.split(",")
    right = sum(any(word in other or other in word for other in found) for word in wanted)
    wrong = sum(not any(word in other or other in word for other in wanted) for word in found)
    return Counts(right, wrong, len(wanted) - right)


def count_languages(label: str, text: str) -> Counts:
    """Return whether an answer that is not Korean is found."""
    share = compute_hangul_share(text)
    return _count_decision((share or 0.0) < MIN_HANGUL_SHARE, is_finding=label == "foreign")


def count_repetitions(label: str, text: str) -> Counts:
    """Return whether an answer with repeated clauses is found."""
    return _count_decision(bool(find_repetitions(text)), is_finding=label == "loop")


def _count_decision(is_marked: bool, *, is_finding: bool) -> Counts:
    return Counts(int(is_marked and is_finding), int(is_marked and not is_finding), int(is_finding and not is_marked))


MEASUREMENTS: Final[tuple[tuple[str, str, Callable[[str, str], Counts]], ...]] = (
    ("speech level of a sentence", "speech_levels", count_levels),
    ("polite and plain in one answer", "speech_mixtures", count_mixtures),
    ("wrong particle", "particles", count_particles),
    ("answer that is not Korean", "languages", count_languages),
    ("answer with repeated clauses", "repetitions", count_repetitions),
    ("speech level by last syllables alone", "speech_levels", count_endings),
    ("wrong particle by its form alone", "particles", count_unconfirmed_particles),
)


def build_rows(folder: Path = FOLDER) -> list[str]:
    """Return the rows of a table in docs/korean-quality.md; that of the second set lacks the last two."""
    rows = []
    for name, file, count in MEASUREMENTS if folder == FOLDER else MEASUREMENTS[:5]:
        labelled = list(read_labelled(file, folder))
        total = sum((count(label, text) for label, text, _ in labelled), Counts(0, 0, 0))
        rows.append(f"| {name} | {len(labelled)} | {total.format()} |")
    return rows


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print("| found | texts | precision | recall |\n|---|---|---|---|")
    print("\n".join([*build_rows(), "second set:", *build_rows(SECOND)]))
    for name, file, count in MEASUREMENTS:
        blind = [(label, text) for label, text, is_in_half in read_labelled(file) if is_in_half]
        print(
            f"blind half now | {name} | {len(blind)} | {sum((count(*row) for row in blind), Counts(0, 0, 0)).format()}"
        )


if __name__ == "__main__":
    main()
