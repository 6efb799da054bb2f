"""The Korean of the answers of each source, by rules without a judge model: speech levels, particles, repetitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from seodang.evaluation.korean.languages import MIN_HANGUL_SHARE, compute_hangul_share
from seodang.evaluation.korean.quality import Finding, measure_quality
from seodang.evaluation.korean.speech_levels import POLITE, find_speech_levels
from seodang.hangul.analyzer import has_analyzer
from seodang.i18n import N_
from seodang.reports.data_card.redaction import format_head
from seodang.reports.data_card.sampling import LowestHashes

MAX_ANSWERS: Final = 2_000
"""Answers of one source that are measured, selected by hash: a share is known to 2 points."""
MAX_CHARACTERS: Final = 2_000
"""Of an answer; the rest of a longer one is not read."""
MAX_TOTAL_CHARACTERS: Final = 1_000_000
"""Of all sources together, in equal parts: they take some 15 s of CPU time."""
_MIN_ANSWERS: Final = 20  # of one source, however long they are
KINDS: Final = {
    "mixed_levels": N_("polite and plain style mixed"),
    "wrong_particle": N_("wrong particle"),
    "repeated_clause": N_("repeated clause"),
    "not_korean": N_("not Korean"),
}
"""What an answer is counted for, in words."""
_METRICS: Final = {
    "speech_level_consistency": "mixed_levels",
    "particle_accuracy": "wrong_particle",
    "distinct_clauses": "repeated_clause",
}


@dataclass(frozen=True, slots=True)
class AnswerExample:
    """A place in an answer, in one line and without personal data."""

    location: str  # file and row index, from 0
    excerpt: str
    expected: str  # the particle that fits; "" for other kinds


@dataclass(slots=True)
class SourceAnswers:
    """The free answers to Korean instructions of one source."""

    source: str
    answers: int  # without labels of classification tasks
    measured: int = 0  # sample that the other numbers are about
    hangul_share: float | None = None  # mean over answers with letters, 0 to 1; None without any
    polite: int = 0  # answers with sentences in polite style only
    plain: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))  # kind -> answers
    examples: dict[str, list[AnswerExample]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    """Kind -> places."""


class KoreanAnswers:
    """A sample of the answers of each source, collected while records stream."""

    def __init__(self, examples: int, seed: int) -> None:
        """Collect nothing where the analyzer is not installed.

        Args:
            examples: Maximum number of places for each source and kind.
            seed: Of the samples.

        """
        self._examples, self._seed = examples, seed
        self._is_on = has_analyzer()
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, LowestHashes[tuple[str, str]]] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a record or an accepted row into account; one that is not Korean, or has labels, is not."""
        if not self._is_on or row["language"] != "ko" or row["choices"] or not row["output"].strip():
            return
        source = row["source"]
        self._counts[source] += 1
        sample = self._samples.setdefault(source, LowestHashes(MAX_ANSWERS, self._seed))
        location = f"{row['file'] or source}, {row['source_row']}"
        sample.add(f"{location}\x1f{row['output']}", (location, row["output"][:MAX_CHARACTERS]))

    def watch(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the rows, and take each into account."""
        for row in rows:
            self.add(row)
            yield row

    def measure(self) -> list[SourceAnswers]:
        """Return the figures of each source with Korean answers, most answers first."""
        budget = MAX_TOTAL_CHARACTERS // max(1, len(self._samples))
        results = []
        for source, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0])):
            result = SourceAnswers(source, count)
            shares = [
                share
                for location, answer in _select_within(self._samples[source].items(), budget)
                if (share := self._measure_answer(result, location, answer)) is not None
            ]
            result.hangul_share = sum(shares) / len(shares) if shares else None
            results.append(result)
        return results

    def report(self) -> list[dict[str, Any]]:
        """Return the figures as JSON objects."""
        return [asdict(source) for source in self.measure()]

    def _measure_answer(self, result: SourceAnswers, location: str, answer: str) -> float | None:
        """Count one answer and return its share of Hangul; None without a letter."""
        result.measured += 1
        share = compute_hangul_share(answer)
        if share is None:
            return None
        if share < MIN_HANGUL_SHARE:
            self._add_finding(result, "not_korean", AnswerExample(location, format_head(answer), ""))
            return share
        quality = measure_quality(answer, _METRICS)
        for metric, kind in _METRICS.items():
            if quality.scores[metric] < 1:
                first = next(finding for finding in quality.findings if finding.metric == metric)
                self._add_finding(result, kind, _build_example(location, answer, first))
        levels = {sentence.level in POLITE for sentence in find_speech_levels(answer)}
        result.polite += levels == {True}
        result.plain += levels == {False}
        return share

    def _add_finding(self, result: SourceAnswers, kind: str, example: AnswerExample) -> None:
        result.counts[kind] += 1
        if len(result.examples[kind]) < self._examples:
            result.examples[kind].append(example)


def _select_within(answers: list[tuple[str, str]], characters: int) -> Iterator[tuple[str, str]]:
    """Yield answers until they have so many characters together, but at least a few."""
    total = 0
    for index, (location, answer) in enumerate(answers):
        total += len(answer)
        if index >= _MIN_ANSWERS and total > characters:
            return
        yield location, answer


def _build_example(location: str, answer: str, finding: Finding) -> AnswerExample:
    is_particle = finding.metric == "particle_accuracy"
    excerpt = format_head(finding.text if is_particle else answer[finding.start : finding.end])
    return AnswerExample(location, excerpt, finding.detail if is_particle else "")
