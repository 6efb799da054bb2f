"""Metrics of single items of a task file. Pure: log-likelihoods and answers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seodang.evaluation.ifeval.checking import InstructionResult, check_instructions
from seodang.evaluation.korean.quality import KOREAN_METRICS, Quality, expects_korean, measure_quality
from seodang.evaluation.metrics import (
    compute_chrf,
    compute_length_ratio,
    compute_repetition,
    compute_rouge_l,
    has_tie,
    is_exact_match,
    is_same_language,
    select_best_choice,
)
from seodang.evaluation.tasks.matching import is_match
from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.spec import Normalization, TaskSpec


def normalize_log_likelihoods(
    log_likelihoods: Sequence[float], options: Sequence[str], tokens: Sequence[int], normalization: Normalization
) -> list[float]:
    """Return the options' log-likelihoods divided by their length.

    Args:
        log_likelihoods: Sums over the tokens of each option, in nats.
        options: Texts without the delimiter.
        tokens: Lengths in tokens, the delimiter included; at least 1.
        normalization: characters is lm-evaluation-harness' acc_norm, len(option); bytes is its acc_bytes, the UTF-8
            length.
    """
    lengths: Sequence[int]
    match normalization:
        case "none":
            return list(log_likelihoods)
        case "characters":
            lengths = [len(option) for option in options]
        case "bytes":
            lengths = [len(option.encode()) for option in options]
        case "tokens":
            lengths = tokens
    return [score / length for score, length in zip(log_likelihoods, lengths, strict=True)]


@dataclass(frozen=True, slots=True)
class ChoiceResult:
    """The option that a model chooses."""

    index: int
    """Of the option with the highest log-likelihood."""
    is_tied: bool
    """Whether another option has exactly the same log-likelihood; the item then counts as wrong."""
    scores: dict[str, float]
    """Accuracy, and accuracy_norm where the task names it: 1 for the reference."""


def compute_choice_metrics(
    spec: TaskSpec, options: Sequence[str], reference: str, log_likelihoods: Sequence[float], tokens: Sequence[int]
) -> ChoiceResult:
    """Return the chosen option with its scores.

    The primary metric decides whether plain or normalized log-likelihoods choose the option.
    """
    correct = options.index(reference)
    plain = select_best_choice(log_likelihoods, correct)
    scores = {"accuracy": float(plain == correct)}
    if "accuracy_norm" not in spec.metrics:
        return ChoiceResult(plain, has_tie(log_likelihoods), scores)
    normalized_values = normalize_log_likelihoods(log_likelihoods, options, tokens, spec.normalise)
    normalized = select_best_choice(normalized_values, correct)
    scores["accuracy_norm"] = float(normalized == correct)
    if spec.metrics[0] == "accuracy_norm":
        return ChoiceResult(normalized, has_tie(normalized_values), scores)
    return ChoiceResult(plain, has_tie(log_likelihoods), scores)


def compute_log_odds(log_likelihoods: Sequence[float]) -> float:
    """Return log(p / (1 - p)) of the last of two or more options, in nats; p is its probability among the options."""
    *others, last = log_likelihoods
    highest = max(others)
    return last - highest - math.log(sum(math.exp(other - highest) for other in others))


def compute_answer_metrics(spec: TaskSpec, sample: EvalSample, answer: str, *, has_eos: bool) -> dict[str, float]:
    """Return the task's metrics of a free answer.

    Args:
        spec: Of the kind generate.
        sample: The item.
        answer: Generated text without the end token.
        has_eos: Whether the model ended the answer itself.
    """
    metrics: dict[str, Callable[[], float]] = {
        "exact_match": lambda: float(is_correct_answer(spec, answer, sample.reference)),
        "chrf": lambda: compute_chrf(answer, sample.reference),
        "rouge_l": lambda: compute_rouge_l(answer, sample.reference),
        "length_ratio": lambda: compute_length_ratio(answer, sample.reference),
        "eos_rate": lambda: float(has_eos),
        "same_language": lambda: float(is_same_language(answer, sample.prompt, sample.reference)),
        "repetition": lambda: compute_repetition(answer),
    }
    scores = {name: metrics[name]() for name in spec.metrics if name in metrics}
    scores |= measure_korean_quality(spec, sample, answer).scores
    if any(name.startswith("ifeval") for name in spec.metrics):
        ifeval = compute_ifeval_metrics(sample, answer, has_eos=has_eos)
        scores |= {name: score for name, score in ifeval.items() if name in spec.metrics}
    return scores


def measure_korean_quality(spec: TaskSpec, sample: EvalSample, answer: str) -> Quality:
    """Return the Korean scores that the task names, with their findings; none for an item that calls for no Korean."""
    names = set(spec.metrics) & set(KOREAN_METRICS)
    if not names or not expects_korean(sample.prompt, sample.reference):
        return Quality({}, ())
    return measure_quality(answer, names)


def is_correct_answer(spec: TaskSpec, answer: str, reference: str) -> bool:
    """Return whether a free answer matches the reference, by the rule of the task file where it has one."""
    if spec.matching is not None:
        return is_match(spec.matching, answer, reference)
    return is_exact_match(answer, reference)


def compute_ifeval_metrics(sample: EvalSample, answer: str, *, has_eos: bool) -> dict[str, float]:
    """Return whether an answer follows all instructions of the item, and the ratio that it follows; strict and loose.

    A base that repeats the question until the limit follows one prompt in five by accident. So
    `ifeval_prompt_finished` counts only answers that the model ended itself.

    Raises:
        EvaluationError: If the item names an unknown instruction, or an argument is missing.
    """
    result: InstructionResult = check_instructions(sample.extra["instruction_id_list"], sample.extra["kwargs"], answer)
    return {
        "ifeval_prompt_strict": float(all(result.strict)),
        "ifeval_prompt_finished": float(has_eos and all(result.strict)),
        "ifeval_prompt_loose": float(all(result.loose)),
        "ifeval_instruction_strict": sum(result.strict) / len(result.strict),
        "ifeval_instruction_loose": sum(result.loose) / len(result.loose),
    }


def compute_text_metrics(log_likelihood: float, tokens: int, text: str) -> dict[str, float]:
    """Return the loss of a text, in nats per token, and its bits per UTF-8 byte.

    Args:
        log_likelihood: Sum over all tokens, in nats.
        tokens: At least 1.
        text: Not empty.
    """
    return {"loss": -log_likelihood / tokens, "bits_per_byte": -log_likelihood / math.log(2) / len(text.encode())}
