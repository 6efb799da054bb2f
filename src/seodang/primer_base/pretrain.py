"""Train the primer base from scratch: gather its text, train, measure, write its card's figures."""

from __future__ import annotations

import csv
import logging
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from seodang.config import PromptFormat, ScratchParams
from seodang.errors import SourceError
from seodang.io.jsonl import write_json
from seodang.models.tokenization import encode_text
from seodang.primer.families import build_families
from seodang.primer_base import model as primer_base
from seodang.primer_base.corpus import iter_practice_records, iter_unlabelled_inputs
from seodang.prompting import render_answer, render_prompt
from seodang.records import detect_language

logger = logging.getLogger(__name__)

_HELD_OUT_LINES = 400  # lines of each language that measure perplexity and are never trained on
_TOKENIZER_SAMPLE = 120_000  # documents; more change the merges hardly at all
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


@dataclass(frozen=True, slots=True)
class ScratchReport:
    """What training the base measured."""

    parameters: int
    training_tokens: int
    seconds: float
    perplexity: dict[str, float]  # per token, by language, on held-out lines
    characters_per_token: dict[str, float]
    curve: list[tuple[int, float]]  # update, mean loss in nats over the 50 updates before it
    samples: list[str]  # greedy-free continuations, temperature 0.7


def make_primer_base(scratch: ScratchParams, folder: Path) -> ScratchReport:
    """Train tokenizer and model, and save both into `folder`.

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
    end = int(tokenizer.eos_token_id)

    def load_documents(epoch: int) -> list[list[int]]:
        texts = _build_documents(lines, scratch, epoch)
        return [encode_text(tokenizer, text) for text in texts]

    curve: list[tuple[int, float]] = []
    seconds = 0.0
    with tqdm(total=scratch.steps, unit="update", disable=not sys.stderr.isatty()) as bar:

        def log_progress(step: int, loss: float, elapsed: float) -> None:
            nonlocal seconds
            seconds = elapsed
            curve.append((step, round(loss, 4)))
            bar.update(50)
            logger.info(
                "update %d loss %.4f %.0f tokens/s",
                step,
                loss,
                step * scratch.batch_size * scratch.sequence_length / elapsed,
            )

        primer_base.train_model(model, primer_base.iter_batches(load_documents, end, scratch), scratch, log_progress)
    # Shipped and measured as bf16: half the bytes, and what is measured is what is loaded.
    model.bfloat16().save_pretrained(folder)
    model.float()
    tokenizer.save_pretrained(folder)
    encoded = {language: [encode_text(tokenizer, text) for text in texts] for language, texts in held_out.items()}
    result = ScratchReport(
        parameters=model.num_parameters(),
        training_tokens=scratch.steps * scratch.batch_size * scratch.sequence_length,
        seconds=round(seconds, 1),
        perplexity={
            language: round(primer_base.compute_perplexity(model, texts, end), 2) for language, texts in encoded.items()
        },
        characters_per_token={
            language: round(sum(map(len, held_out[language])) / sum(map(len, encoded[language])), 2)
            for language in held_out
        },
        curve=curve,
        samples=[primer_base.generate_continuation(model, tokenizer, text, scratch.seed) for text in _SAMPLE_PROMPTS],
    )
    write_json(folder / "training" / "report.json", asdict(result))
    return result


def _load_lines(scratch: ScratchParams) -> list[str]:
    lines = [line for name in scratch.texts for line in _read_file_lines(Path(name), scratch.text_limit)]
    if not lines:
        lines = list(iter_unlabelled_inputs(random.Random(f"{scratch.seed}/lines"), scratch.unlabelled_inputs))
    return lines


def _read_file_lines(path: Path, limit: int) -> list[str]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"model.scratch.texts: {path} cannot be read: {error}") from error
    if path.suffix == ".csv":  # question,answer,...: become practice-shaped documents
        rows = csv.DictReader(text.splitlines())
        return [_format_question(row["Q"], row["A"]) for row in rows][:limit]
    return [line for line in text.splitlines() if line.strip()][:limit]


def _format_question(question: str, answer: str, input: str = "", format: PromptFormat = "koalpaca") -> str:
    prompt = "".join(part.text for part in render_prompt(question, input, format))
    return prompt + render_answer(answer, format)


def _split_held_out(lines: Sequence[str], seed: int) -> tuple[dict[str, list[str]], list[str]]:
    """Return some running-text lines of each language, and the lines without these."""
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
    """Return all documents of one pass: the lines, unlabelled inputs, wordings, practice in both text formats."""
    rng = random.Random(f"{scratch.seed}/documents/{epoch}")
    documents = list(lines)
    documents += iter_unlabelled_inputs(rng, scratch.unlabelled_inputs)
    documents += [
        wording
        for family in build_families().values()
        for wording in (*family.korean_templates, *family.english_templates)
    ]
    running_lines = [line for line in lines if not line.startswith("###")]
    for record in iter_practice_records(rng, running_lines, scratch.practice_records):
        format: PromptFormat = "koalpaca" if rng.random() < 0.8 else "alpaca"
        documents.append(_format_question(record.instruction, record.output, record.input, format))
    return documents
