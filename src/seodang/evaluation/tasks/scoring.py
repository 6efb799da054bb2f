"""What an item scores in each metric of its task. Pure: log-likelihoods and answers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from seodang.evaluation.ifeval.checking import Followed, followed
from seodang.evaluation.metrics import (
    answers_in_language,
    best_choice,
    chrf,
    length_ratio,
    repetition,
    rouge_l,
    same_answer,
)
from seodang.evaluation.tasks.items import Item
from seodang.evaluation.tasks.spec import Normalisation, TaskSpec


def normalised(
    log_likelihoods: Sequence[float], options: Sequence[str], tokens: Sequence[int], how: Normalisation
) -> list[float]:
    """Return the options' log-likelihoods divided by their length.

    Args:
        log_likelihoods: Sums over the tokens of each option, in nats.
        options: Their texts, without the delimiter.
        tokens: Their lengths in tokens, the delimiter's among them; 1 at least.
        how: characters is lm-evaluation-harness' acc_norm: len(option); bytes its acc_bytes: that of UTF-8.
    """
    lengths: Sequence[int]
    match how:
        case "none":
            return list(log_likelihoods)
        case "characters":
            lengths = [len(option) for option in options]
        case "bytes":
            lengths = [len(option.encode()) for option in options]
        case "tokens":
            lengths = tokens
    return [score / length for score, length in zip(log_likelihoods, lengths, strict=True)]


def choice_scores(
    spec: TaskSpec, options: Sequence[str], reference: str, log_likelihoods: Sequence[float], tokens: Sequence[int]
) -> tuple[int, dict[str, float]]:
    """Return the place of the option that is chosen, and accuracy, with accuracy_norm where the task has it: 1 if that is the reference.

    Of the two, the one that is the task's headline chooses.
    """
    plain = best_choice(log_likelihoods)
    scores = {"accuracy": float(options[plain] == reference)}
    if "accuracy_norm" not in spec.metrics:
        return plain, scores
    chosen = best_choice(normalised(log_likelihoods, options, tokens, spec.normalise))
    scores["accuracy_norm"] = float(options[chosen] == reference)
    return chosen if spec.metrics[0] == "accuracy_norm" else plain, scores


def log_odds(log_likelihoods: Sequence[float]) -> float:
    """Return log(p / (1 - p)) of the last of two or more options, in nats; p is its share of what all of them have."""
    *others, last = log_likelihoods
    highest = max(others)
    return last - highest - math.log(sum(math.exp(other - highest) for other in others))


def answer_scores(spec: TaskSpec, item: Item, answer: str, *, stopped: bool) -> dict[str, float]:
    """Return the metrics that the task names of a free answer.

    Args:
        spec: Of the kind generate.
        item: What was asked.
        answer: As it was generated, without what ends it.
        stopped: Whether it ended by itself.
    """
    ways: dict[str, Callable[[], float]] = {
        "exact": lambda: float(same_answer(answer, item.reference)),
        "chrf": lambda: chrf(answer, item.reference),
        "rouge_l": lambda: rouge_l(answer, item.reference),
        "length_ratio": lambda: length_ratio(answer, item.reference),
        "stopped": lambda: float(stopped),
        "same_language": lambda: float(answers_in_language(answer, item.prompt, item.reference)),
        "repetition": lambda: repetition(answer),
    }
    scores = {name: ways[name]() for name in spec.metrics if name in ways}
    if any(name.startswith("ifeval") for name in spec.metrics):
        scores |= {name: score for name, score in ifeval_scores(item, answer).items() if name in spec.metrics}
    return scores


def ifeval_scores(item: Item, answer: str) -> dict[str, float]:
    """Return whether the answer follows all instructions of the item, and the share of them that it follows; strict and loose.

    Raises:
        EvaluationError: If the item names an instruction that there is no rule for, or an argument is missing.
    """
    found: Followed = followed(item.extra["instruction_id_list"], item.extra["kwargs"], answer)
    return {
        "ifeval_prompt_strict": float(all(found.strict)),
        "ifeval_prompt_loose": float(all(found.loose)),
        "ifeval_instruction_strict": sum(found.strict) / len(found.strict),
        "ifeval_instruction_loose": sum(found.loose) / len(found.loose),
    }


def text_scores(log_likelihood: float, tokens: int, text: str) -> dict[str, float]:
    """Return the loss of a text, in nats per token, and its bits per UTF-8 byte.

    Args:
        log_likelihood: Of all its tokens, in nats.
        tokens: 1 at least.
        text: Not empty.
    """
    return {"loss": -log_likelihood / tokens, "bits_per_byte": -log_likelihood / math.log(2) / len(text.encode())}
