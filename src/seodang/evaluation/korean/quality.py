"""Quality scores of a Korean answer without a judge model, 0 to 1, with the findings that lower them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Final

from seodang.evaluation.korean.clauses import count_letters, find_repetitions
from seodang.evaluation.korean.languages import compute_hangul_share, find_foreign_runs
from seodang.evaluation.korean.particles import find_particle_errors
from seodang.evaluation.korean.passages import blank_code, iter_segments
from seodang.evaluation.korean.speech_levels import POLITE, LeveledSentence, find_speech_levels
from seodang.records import detect_language

MAX_FINDINGS: Final = 20
"""Of one score of one answer; the scores count all."""
_MAX_QUOTE: Final = 80  # characters of a finding's text


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that lowers a score."""

    metric: str
    start: int
    """Position in the answer, in characters."""
    end: int
    text: str
    """Of the answer; for a particle with the word before."""
    detail: str
    """The particle that fits, or the speech level of the sentence; "" for other scores."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The scores of an answer."""

    scores: Mapping[str, float]
    findings: tuple[Finding, ...]

    def list_findings(self) -> list[dict[str, Any]]:
        """Return the findings as JSON objects."""
        return [asdict(finding) for finding in self.findings]


_Result = tuple[float, list[Finding]]


def expects_korean(question: str, reference: str) -> bool:
    """Return whether an item calls for a Korean answer; the question decides where there is no reference.

    Scores of other items do not exist, whatever a model answers. So all models have scores of the same items.
    """
    return detect_language(reference if reference.strip() else question) == "ko"


def measure_quality(answer: str, metrics: Collection[str]) -> Quality:
    """Return the Korean scores that `metrics` names, other names are ignored, for an item that calls for Korean.

    An empty answer, and one with letters but without a Hangul syllable, scores 0 in each. An answer without letters,
    such as a number, has no finding and scores 1.
    """
    return _measure(answer, tuple(sorted(_MEASURES.keys() & set(metrics))))


@lru_cache(maxsize=16)
def _measure(answer: str, metrics: tuple[str, ...]) -> Quality:
    if not any(map(str.isalpha, answer)):
        return Quality(dict.fromkeys(metrics, float(bool(answer.strip()))), ())
    if not any("가" <= character <= "힣" for character in answer):
        return Quality(dict.fromkeys(metrics, 0.0), ())
    results = {metric: _MEASURES[metric](answer) for metric in metrics}
    findings = [finding for _, found in results.values() for finding in found[:MAX_FINDINGS]]
    return Quality({metric: round(score, 6) for metric, (score, _) in results.items()}, tuple(findings))


def _measure_hangul_share(answer: str) -> _Result:
    share = compute_hangul_share(answer)
    runs = find_foreign_runs(answer)
    return (1.0 if share is None else share), [_quote("hangul_share", answer, start, end) for start, end in runs]


def _measure_consistency(answer: str) -> _Result:
    """Return the share of sentences in the answer's more frequent kind: polite or plain; the others are findings."""
    leveled = find_speech_levels(answer)
    polite = [one for one in leveled if one.level in POLITE]
    plain = [one for one in leveled if one.level not in POLITE]
    fewer = plain if len(plain) <= len(polite) else polite
    score = 1 - len(fewer) / len(leveled) if leveled else 1.0
    return score, _build_level_findings("speech_level_consistency", answer, fewer)


def _measure_politeness(answer: str) -> _Result:
    leveled = find_speech_levels(answer)
    plain = [one for one in leveled if one.level not in POLITE]
    return (1 - len(plain) / len(leveled) if leveled else 1.0), _build_level_findings("politeness", answer, plain)


def _build_level_findings(metric: str, answer: str, leveled: Sequence[LeveledSentence]) -> list[Finding]:
    return [_quote(metric, answer, one.sentence.start, one.sentence.end, one.level) for one in leveled]


def _measure_particles(answer: str) -> _Result:
    """Return the share of sentences without a wrong particle."""
    errors = find_particle_errors(answer)
    segments = list(iter_segments(blank_code(answer)))
    starts = {error.start for error in errors}
    wrong, index, ordered = 0, 0, sorted(starts)
    for segment in segments:
        while index < len(ordered) and ordered[index] < segment.start:
            index += 1
        wrong += index < len(ordered) and ordered[index] < segment.end
    findings = [Finding("particle_accuracy", one.start, one.end, one.word, one.expected) for one in errors]
    return (1 - wrong / len(segments) if segments else 1.0), findings


def _measure_clauses(answer: str) -> _Result:
    """Return the share of letters outside repeated clauses."""
    repetitions = find_repetitions(answer)
    letters = count_letters(blank_code(answer))
    repeated = sum(count_letters(answer[one.start : one.end]) for one in repetitions)
    findings = [_quote("distinct_clauses", answer, one.start, one.end) for one in repetitions]
    return (1 - min(1.0, repeated / letters) if letters else 1.0), findings


def _quote(metric: str, answer: str, start: int, end: int, detail: str = "") -> Finding:
    text = answer[start:end]
    return Finding(metric, start, end, text if len(text) <= _MAX_QUOTE else f"{text[: _MAX_QUOTE - 1]}…", detail)


_MEASURES: Final[dict[str, Callable[[str], _Result]]] = {
    "hangul_share": _measure_hangul_share,
    "speech_level_consistency": _measure_consistency,
    "politeness": _measure_politeness,
    "particle_accuracy": _measure_particles,
    "distinct_clauses": _measure_clauses,
}
KOREAN_METRICS: Final = tuple(_MEASURES)
"""Names in the registry of metrics."""
