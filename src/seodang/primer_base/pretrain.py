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
from seodang.primer.families import families
from seodang.primer_base import model as primer_base
from seodang.primer_base.corpus import practice_records, unlabelled_inputs
from seodang.prompting import render_answer, render_prompt
from seodang.records import detect_language

logger = logging.getLogger(__name__)

_HELD_OUT = 400  # lines of each language that measure perplexity and are never trained on
_TOKENIZER_SAMPLE = 120_000  # documents; more change the merges hardly at all
_BEGINNINGS = (
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
    tokens_seen: int
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
    lines = _lines(scratch)
    held_out, lines = _held_out(lines, scratch.seed)
    first_pass = _documents(lines, scratch, passing=0)
    tokenizer = primer_base.train_tokenizer(
        random.Random(scratch.seed).sample(first_pass, min(len(first_pass), _TOKENIZER_SAMPLE)),
        scratch.vocabulary,
        scratch.context,
    )
    model = primer_base.new_model(scratch, tokenizer)
    end = int(tokenizer.eos_token_id)

    def documents(passing: int) -> list[list[int]]:
        texts = _documents(lines, scratch, passing)
        return [encode_text(tokenizer, text) for text in texts]

    curve: list[tuple[int, float]] = []
    seconds = 0.0
    with tqdm(total=scratch.updates, unit="update", disable=not sys.stderr.isatty()) as bar:

        def report(update: int, loss: float, elapsed: float) -> None:
            nonlocal seconds
            seconds = elapsed
            curve.append((update, round(loss, 4)))
            bar.update(50)
            logger.info(
                "update %d loss %.4f %.0f tokens/s", update, loss, update * scratch.batch * scratch.sequence / elapsed
            )

        primer_base.learn(model, primer_base.batches(documents, end, scratch), scratch, report)
    # Shipped and measured as bf16: half the bytes, and what is measured is what is loaded.
    model.bfloat16().save_pretrained(folder)
    model.float()
    tokenizer.save_pretrained(folder)
    encoded = {language: [encode_text(tokenizer, text) for text in texts] for language, texts in held_out.items()}
    result = ScratchReport(
        parameters=model.num_parameters(),
        tokens_seen=scratch.updates * scratch.batch * scratch.sequence,
        seconds=round(seconds, 1),
        perplexity={
            language: round(primer_base.perplexity(model, texts, end), 2) for language, texts in encoded.items()
        },
        characters_per_token={
            language: round(sum(map(len, held_out[language])) / sum(map(len, encoded[language])), 2)
            for language in held_out
        },
        curve=curve,
        samples=[primer_base.continuation(model, tokenizer, text, scratch.seed) for text in _BEGINNINGS],
    )
    write_json(folder / "training" / "report.json", asdict(result))
    return result


def _lines(scratch: ScratchParams) -> list[str]:
    lines = [line for name in scratch.texts for line in _file_lines(Path(name), scratch.text_limit)]
    if not lines:
        lines = list(unlabelled_inputs(random.Random(f"{scratch.seed}/lines"), scratch.unlabelled))
    return lines


def _file_lines(path: Path, limit: int) -> list[str]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"model.scratch.texts: {path} cannot be read: {error}") from error
    if path.suffix == ".csv":  # question,answer,...: become practice-shaped documents
        rows = csv.DictReader(text.splitlines())
        return [_question_document(row["Q"], row["A"]) for row in rows][:limit]
    return [line for line in text.splitlines() if line.strip()][:limit]


def _question_document(question: str, answer: str, input: str = "", format: PromptFormat = "koalpaca") -> str:
    prompt = "".join(part.text for part in render_prompt(question, input, format))
    return prompt + render_answer(answer, format)


def _held_out(lines: Sequence[str], seed: int) -> tuple[dict[str, list[str]], list[str]]:
    """Return some running-text lines of each language, and the lines without these."""
    order = random.Random(f"{seed}/held-out").sample(range(len(lines)), len(lines))
    chosen: dict[str, list[str]] = {"ko": [], "en": []}
    rest = []
    for index in order:
        line = lines[index]
        shelf = chosen[detect_language(line)]
        if len(shelf) < min(_HELD_OUT, len(lines) // 20) and not line.startswith("###"):
            shelf.append(line)
        else:
            rest.append(line)
    taken = {line for texts in chosen.values() for line in texts}
    return chosen, [line for line in rest if line not in taken]


def _documents(lines: Sequence[str], scratch: ScratchParams, passing: int) -> list[str]:
    """Return all documents of one pass: the lines, unlabelled inputs, wordings, practice in both text formats."""
    rng = random.Random(f"{scratch.seed}/documents/{passing}")
    documents = list(lines)
    documents += unlabelled_inputs(rng, scratch.unlabelled)
    documents += [wording for family in families().values() for wording in (*family.korean, *family.english)]
    running = [line for line in lines if not line.startswith("###")]
    for record in practice_records(rng, running, scratch.practice):
        format: PromptFormat = "koalpaca" if rng.random() < 0.8 else "alpaca"
        documents.append(_question_document(record.instruction, record.output, record.input, format))
    return documents
