"""The figures of preference tuning on held-out pairs, for the saved adapter as it is evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from transformers import PreTrainedTokenizerBase

from seodang.alignment.measures import AnswerScore, ModelPair, answer_prompts, score_pairs, score_thumbs
from seodang.alignment.methods import get_alignment_method
from seodang.alignment.preferences import PreferencePair, Preferences, RatedAnswer
from seodang.alignment.summary import compare_with_pairs, summarize_answers, summarize_pairs
from seodang.alignment.thumbs import count_marked_questions, summarize_thumbs
from seodang.config import AlignParams, PromptParams, TrainParams
from seodang.io.jsonl import read_records
from seodang.models.loading import load_model
from seodang.models.tokenization import get_end_id, tokenize_record
from seodang.paths import Paths


def measure_preferences(
    prompt: PromptParams,
    train: TrainParams,
    align: AlignParams,
    held_out: Preferences,
    tokenizer: PreTrainedTokenizerBase,
    device: str,
    paths: Paths,
) -> dict[str, Any]:
    """Return the figures on held-out preferences, and the drift on instructions that nobody wanted to change.

    "pairs" and "thumbs" are None where nothing of the kind is held out, or the method does not learn from it.
    """
    thumbs = held_out.list_answers() if get_alignment_method(align).uses_single_answers and held_out.answers else []
    if not count_marked_questions(thumbs):
        thumbs = []
    if not held_out.pairs and not thumbs:
        return {"pairs": None, "thumbs": None, "answers": None, "drift": None, "samples": []}
    models = ModelPair(load_model(paths.base, train.precision, device), paths.adapter, paths.aligned_adapter)
    pair_scores = score_pairs(models, held_out.pairs, train.tokens_per_micro_batch)
    thumb_scores = score_thumbs(models, thumbs, train.tokens_per_micro_batch)
    questions = [_ask_pair(each) for each in held_out.pairs] or [_ask_thumb(each) for each in thumbs]
    asked = _select_prompts(questions, align.measured_prompts)
    settings = {"end_id": get_end_id(tokenizer, prompt.format), "batch_tokens": 4 * train.tokens_per_micro_batch}
    answers = answer_prompts(models, asked, max_new_tokens=_count_new_tokens(asked, align.max_length), **settings)
    instructions = _read_instructions(prompt, align, tokenizer, paths)
    drift = answer_prompts(models, instructions, max_new_tokens=align.max_new_tokens, **settings)
    samples = [_decode_sample(question, answer, tokenizer) for question, answer in zip(asked, answers, strict=True)]
    compared = compare_with_pairs(samples, [each.group for each in asked]) if held_out.pairs else {}
    return {
        "pairs": summarize_pairs(pair_scores, align.beta) if held_out.pairs else None,
        "thumbs": summarize_thumbs(thumb_scores, align.beta) if thumbs else None,
        "answers": summarize_answers(answers) | compared,
        "drift": summarize_answers(drift),
        "samples": samples[: train.report_samples],
    }


@dataclass(frozen=True, slots=True)
class _Asked:
    """A prompt of the preferences with the answers that are known."""

    id: str
    group: str
    prompt: list[int]
    answers: dict[str, list[int]]
    """chosen and rejected, or the one that has a thumb."""


def _ask_pair(pair: PreferencePair) -> _Asked:
    return _Asked(pair.id, pair.group, pair.prompt, {"chosen": pair.chosen, "rejected": pair.rejected})


def _ask_thumb(answer: RatedAnswer) -> _Asked:
    return _Asked(
        answer.id, answer.group, answer.prompt, {"chosen" if answer.is_desirable else "rejected": answer.answer}
    )


def _decode_sample(question: _Asked, answer: AnswerScore, tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    texts = {
        "prompt": question.prompt,
        **question.answers,
        "tuned": answer.tuned.tokens,
        "aligned": answer.aligned.tokens,
    }
    return {name: str(tokenizer.decode(ids, skip_special_tokens=True)) for name, ids in texts.items()}


@dataclass(frozen=True, slots=True)
class _Instruction:
    """A prompt of the validation split, which neither training has learned from."""

    id: str
    group: str
    prompt: list[int]


def _read_instructions(
    prompt: PromptParams, align: AlignParams, tokenizer: PreTrainedTokenizerBase, paths: Paths
) -> list[_Instruction]:
    """Return prompts of the validation split, in the order of their ids; one that is too long is left out."""
    records = sorted(read_records(paths.get_split_path("validation")), key=lambda record: record.id)
    prompts = (
        _Instruction(record.id, record.group or record.id, tokenize_record(tokenizer, record, prompt.format).prompt)
        for record in records
    )
    limit = align.max_length - align.max_new_tokens
    return list(islice((each for each in prompts if len(each.prompt) <= limit), align.measured_prompts))


def _select_prompts(questions: list[_Asked], count: int) -> list[_Asked]:
    """Return one question of each of the first groups, in the order of the records' ids."""
    first = {each.group: each for each in sorted(questions, key=lambda each: each.id, reverse=True)}
    return sorted(first.values(), key=lambda each: each.id)[:count]


def _count_new_tokens(asked: list[_Asked], max_length: int) -> int:
    """Return the maximum length of a measured answer: twice the longest known answer, within align.max_length."""
    longest_answer = max(len(answer) for each in asked for answer in each.answers.values())
    return max(1, min(2 * longest_answer, max_length - max(len(each.prompt) for each in asked)))
