"""Train the primer base from scratch, evaluate it and write its report."""

from __future__ import annotations

import csv
import logging
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from seodang.config import EpisodeParams, PromptFormat, ScratchParams
from seodang.config.model import OptimizationParams
from seodang.errors import SourceError
from seodang.i18n import _
from seodang.io.jsonl import write_json
from seodang.models.tokenization import encode_text
from seodang.primer.families import build_families
from seodang.primer_base import model as primer_base
from seodang.primer_base import optimization
from seodang.primer_base.corpus import iter_practice_records, iter_unlabelled_inputs
from seodang.primer_base.episode_batches import iter_episode_batches
from seodang.primer_base.weak_labels import build_pools
from seodang.prompting import render_answer, render_prompt
from seodang.records import detect_language

logger = logging.getLogger(__name__)

_HELD_OUT_LINES = 400  # lines of each language for the perplexity; training never reads them
_TOKENIZER_SAMPLE = 120_000  # documents; more documents hardly change the merges
_SAMPLE_PROMPTS = (
    "이 영화는 정말",
    "배우들의 연기가",
    "스토리가 너무",
    "오늘 점심은",
    "The film was",
    "It is expected to",
    "a person who",
    "She studies",
)


Curve = list[tuple[int, float, float]]
"""Optimizer step, mean loss in nats over the 50 steps up to it, and seconds since the start of the stage."""


@dataclass(frozen=True, slots=True)
class ScratchReport:
    """Report of the pretraining."""

    parameters: int
    training_tokens: int
    seconds: float
    perplexity: dict[str, float]
    """Per token, by language, on held-out lines."""
    characters_per_token: dict[str, float]
    """By language."""
    curves: dict[str, list[tuple[int, float]]]
    """By stage: optimizer step, and the mean loss in nats over the 50 steps up to it."""
    samples: list[str]
    """Sampled continuations, temperature 0.7."""


def make_primer_base(scratch: ScratchParams, folder: Path) -> ScratchReport:
    """Train tokenizer and model, save both into a folder and return the report.

    Raises:
        SourceError: If a text file cannot be read.
    """
    lines = _load_lines(scratch)
    held_out, lines = _split_held_out(lines, scratch.seed)
    first_epoch = _build_documents(lines, scratch, epoch=0)
    tokenizer = primer_base.train_tokenizer(
        random.Random(scratch.seed).sample(first_epoch, min(len(first_epoch), _TOKENIZER_SAMPLE)),
        scratch.vocab_size,
        scratch.context_length,
    )
    model = primer_base.create_model(scratch, tokenizer)
    curves = {"running_text": _train_on_running_text(model, tokenizer, lines, scratch)}
    if scratch.episodes is not None:
        curves["episodes"] = _train_on_episodes(model, tokenizer, lines, scratch, scratch.episodes)
    # The weights are saved and evaluated as bf16: half the size, and the report describes the loaded weights.
    model.bfloat16().save_pretrained(folder)
    model.float()
    tokenizer.save_pretrained(folder)
    result = _build_report(model, tokenizer, held_out, scratch, curves)
    write_json(folder / "training" / "report.json", asdict(result))
    return result


def _iter_running_rows(
    tokenizer: PreTrainedTokenizerFast, lines: Sequence[str], scratch: ScratchParams, length: int
) -> Iterator[Tensor]:
    """Yield rows of running text forever."""

    def load_documents(epoch: int) -> list[list[int]]:
        return [encode_text(tokenizer, text) for text in _build_documents(lines, scratch, epoch)]

    return optimization.iter_rows(load_documents, int(tokenizer.eos_token_id), length, scratch.seed)


def _train_on_running_text(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, lines: Sequence[str], scratch: ScratchParams
) -> Curve:
    """Train the model in place: the first stage."""
    rows = _iter_running_rows(tokenizer, lines, scratch, scratch.sequence_length)
    return _train(model, optimization.iter_batches(rows, scratch.batch_size), scratch, is_compiled=scratch.compile)


def _train_on_episodes(
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    lines: Sequence[str],
    scratch: ScratchParams,
    episodes: EpisodeParams,
) -> Curve:
    """Train the model in place: the second stage, whose weights are averaged with those of the first one."""
    first_weights = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    pools = build_pools(lines, _load_chat(scratch), episodes)
    rows = _iter_running_rows(tokenizer, lines, scratch, episodes.sequence_length)
    batches = iter_episode_batches(pools, rows, tokenizer, episodes, scratch.seed)
    curve = _train(model, batches, episodes, is_compiled=scratch.compile)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.lerp_(first_weights[name], episodes.first_stage_weight)
    return curve


def _train(
    model: Qwen3ForCausalLM, batches: Iterator[optimization.Batch], recipe: OptimizationParams, *, is_compiled: bool
) -> Curve:
    """Train the model in place and return its loss curve with the seconds at each point."""
    curve: Curve = []
    with tqdm(total=recipe.steps, unit="step", disable=not sys.stderr.isatty()) as bar:

        def log_progress(step: int, loss: float, elapsed: float) -> None:
            curve.append((step, round(loss, 4), round(elapsed, 1)))
            bar.update(50)
            speed = step * recipe.batch_size * recipe.sequence_length / elapsed
            logger.info(_("step {step}: loss {loss:.4f}, {speed:.0f} tokens/s", step=step, loss=loss, speed=speed))

        optimization.train_model(model, batches, recipe, log_progress, compile=is_compiled)
    return curve


def _build_report(
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    held_out: dict[str, list[str]],
    scratch: ScratchParams,
    curves: dict[str, Curve],
) -> ScratchReport:
    end_id = int(tokenizer.eos_token_id)
    encoded = {language: [encode_text(tokenizer, text) for text in texts] for language, texts in held_out.items()}
    stages: list[OptimizationParams] = [scratch, *([scratch.episodes] if scratch.episodes else [])]
    return ScratchReport(
        parameters=model.num_parameters(),
        training_tokens=sum(stage.steps * stage.batch_size * stage.sequence_length for stage in stages),
        seconds=sum(curve[-1][2] for curve in curves.values() if curve),
        perplexity={
            language: round(primer_base.compute_perplexity(model, documents, end_id), 2)
            for language, documents in encoded.items()
        },
        characters_per_token={
            language: round(sum(map(len, held_out[language])) / sum(map(len, encoded[language])), 2)
            for language in held_out
        },
        curves={name: [(step, loss) for step, loss, _seconds in curve] for name, curve in curves.items()},
        samples=[primer_base.generate_continuation(model, tokenizer, text, scratch.seed) for text in _SAMPLE_PROMPTS],
    )


def _load_lines(scratch: ScratchParams) -> list[str]:
    lines = [line for name in scratch.texts for line in _read_file_lines(Path(name), scratch.text_limit)]
    if not lines:
        lines = list(iter_unlabelled_inputs(random.Random(f"{scratch.seed}/lines"), scratch.unlabelled_inputs))
    return lines


def _read_file_lines(path: Path, limit: int) -> list[str]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(_("model.scratch.texts: {file} cannot be read: {error}", file=path, error=error)) from error
    if path.suffix == ".csv":  # columns Q and A, which are formatted like the practice records
        rows = csv.DictReader(text.splitlines())
        return [_format_question(row["Q"], row["A"]) for row in rows][:limit]
    return [line for line in text.splitlines() if line.strip()][:limit]


def _load_chat(scratch: ScratchParams) -> list[str]:
    """Return the distinct questions and answers of the .csv files as texts without a prompt."""
    tables = [Path(name) for name in scratch.texts if Path(name).suffix == ".csv"]
    rows = [row for path in tables for row in csv.DictReader(path.read_text("utf-8").splitlines())]
    return list(dict.fromkeys([*(row["Q"] for row in rows), *(row["A"] for row in rows)]))


def _format_question(question: str, answer: str, input: str = "", format: PromptFormat = "koalpaca") -> str:
    prompt = "".join(segment.text for segment in render_prompt(question, input, format))
    return prompt + render_answer(answer, format)


def _split_held_out(lines: Sequence[str], seed: int) -> tuple[dict[str, list[str]], list[str]]:
    """Return the held-out lines of running text by language, and the remaining lines."""
    order = random.Random(f"{seed}/held-out").sample(range(len(lines)), len(lines))
    held_out: dict[str, list[str]] = {"ko": [], "en": []}
    rest = []
    for index in order:
        line = lines[index]
        language_lines = held_out[detect_language(line)]
        if len(language_lines) < min(_HELD_OUT_LINES, len(lines) // 20) and not line.startswith("###"):
            language_lines.append(line)
        else:
            rest.append(line)
    excluded = {line for texts in held_out.values() for line in texts}
    return held_out, [line for line in rest if line not in excluded]


def _build_documents(lines: Sequence[str], scratch: ScratchParams, epoch: int) -> list[str]:
    """Return the documents of an epoch: lines, unlabelled inputs, instructions and practice records."""
    rng = random.Random(f"{scratch.seed}/documents/{epoch}")
    documents = list(lines)
    documents += iter_unlabelled_inputs(rng, scratch.unlabelled_inputs)
    documents += [
        template
        for family in build_families().values()
        for template in (*family.korean_templates, *family.english_templates)
    ]
    running_lines = [line for line in lines if not line.startswith("###")]
    for record in iter_practice_records(rng, running_lines, scratch.practice_records):
        format: PromptFormat = "koalpaca" if rng.random() < 0.8 else "alpaca"
        documents.append(_format_question(record.instruction, record.output, record.input, format))
    return documents
