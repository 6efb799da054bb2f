"""Check that plain transformers, in a separate process, gives the same answers as the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.errors import ParityError
from seodang.i18n import _
from seodang.inference.generation import generate
from seodang.models.checkpoints import is_code_trusted
from seodang.models.loading import load_tokenizer
from seodang.models.text_encoder import get_text_encoder
from seodang.models.tokenization import encode_prompt, get_end_id
from seodang.packaging import plain_reader
from seodang.packaging.model_folder import load_inference_model
from seodang.prompting import PROMPT_TEMPLATES, render_record
from seodang.records import Record


def check_plain_reader(
    base: Path,
    merged: Path,
    format: PromptFormat,
    records: Sequence[Record],
    max_new_tokens: int,
    *,
    splits_input: bool,
) -> int:
    """Compare the answers of transformers' own pipeline with those of the service, and return their number.

    Requests that other readers cannot render alike are left out. These are conversations, whose earlier answers are
    tokenized apart, and texts with control tokens, which only Seodang keeps as text.

    Args:
        base: Folder of the base; its tokenizer must give the same ids for the prompts.
        merged: Folder of the packaged model.
        format: Prompt format of the model.
        records: Requests.
        max_new_tokens: Maximum number of compared tokens of each answer.
        splits_input: Whether the packaged chat template splits a message at a blank line.

    Raises:
        ParityError: With the first request whose ids or answer differ.
    """
    tokenizer = load_tokenizer(base)
    readable = [record for record in records if is_readable(record, tokenizer)]
    if not readable or is_code_trusted(
        merged
    ):  # plain transformers would run the code of a trusted model only if asked
        return 0
    segments = [render_record(record, format, tokenizer) for record in readable]
    ids = [encode_prompt(tokenizer, prompt) for prompt in segments]
    texts = ["".join(segment.text for segment in prompt) for prompt in segments]
    conversations = [build_conversation(record, format, splits_input=splits_input) for record in readable]
    results = _run_plain_reader(
        {
            "model": str(merged),
            "base": str(base),
            "conversations": conversations,
            "prompts": texts,
            "add_special_tokens": not PROMPT_TEMPLATES[format].needs_tokenizer,
            "max_new_tokens": max_new_tokens,
            "threads": torch.get_num_threads(),
        }
    )
    answers = answer_as_served(merged, ids, get_end_id(tokenizer, format), max_new_tokens)
    for text, expected_ids, expected, result in zip(texts, ids, answers, results, strict=True):
        _compare(text, expected_ids, expected, result, tokenizer)
    return len(readable)


def is_readable(record: Record, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Return whether other readers render a request alike: no earlier answers, no control tokens in its texts."""
    texts = [record.system, record.instruction, record.input, *(turn.content for turn in record.turns)]
    return not any(turn.role in {"assistant", "tool_call"} for turn in record.turns) and not any(
        get_text_encoder(tokenizer).has_added_token(text) for text in texts
    )


def build_conversation(record: Record, format: PromptFormat, *, splits_input: bool) -> list[dict[str, str]]:
    """Return a record as a chat client sends it; the key `input` is used where a blank line would be ambiguous."""
    conversation = [{"role": "system", "content": record.system}] if record.system else []
    conversation += [{"role": turn.role, "content": turn.content} for turn in record.turns]
    joins_input = PROMPT_TEMPLATES[format].needs_tokenizer or (splits_input and "\n\n" not in record.instruction)
    if record.input and joins_input:
        return [*conversation, {"role": "user", "content": f"{record.instruction}\n\n{record.input}"}]
    return [*conversation, {"role": "user", "content": record.instruction, "input": record.input}]


def _run_plain_reader(request: dict[str, Any]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "answers.json"
        completed = subprocess.run(
            [sys.executable, "-I", str(plain_reader.__file__), str(output)],  # -I: no module of this project
            input=json.dumps(request),
            capture_output=True,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
        )
        if completed.returncode:
            raise ParityError(
                _(
                    "plain transformers cannot answer with the packaged model in {folder}: {error}\n"
                    "Nothing is packaged; check the tokenizer and the chat template of the base",
                    folder=request["model"],
                    error=(completed.stderr.strip().splitlines() or ["?"])[-1],
                )
            )
        results: list[dict[str, Any]] = json.loads(output.read_text("utf-8"))
        return results


def answer_as_served(merged: Path, prompts: Sequence[list[int]], end_id: int, max_new_tokens: int) -> list[str]:
    """Return the greedy answers of a packaged model, as the service gives them."""
    tokenizer, model = load_tokenizer(merged), load_inference_model(merged, "cpu")
    return [
        str(tokenizer.decode(answer.tokens, skip_special_tokens=True))
        for prompt in prompts
        for answer in generate(model, [prompt], end_id=end_id, max_new_tokens=max_new_tokens, batch_tokens=1)
    ]


def _compare(
    text: str, ids: list[int], answer: str, result: dict[str, Any], tokenizer: PreTrainedTokenizerBase
) -> None:
    sources = {
        "base_ids": _("the base's tokenizer"),
        "chat_ids": _("the packaged chat template"),
        "text_ids": _("the packaged tokenizer"),
    }
    for name, source in sources.items():
        if result[name] != ids:
            raise ParityError(
                _(
                    "{source} reads another prompt than the model was tuned with\n"
                    "  prompt:   {prompt!r}\n"
                    "  tuned:    {expected!r}\n"
                    "  {source}: {got!r}\n"
                    "Nothing is packaged; check the tokenizer and the chat template of the base, or set prompt.format to"
                    " another format",
                    source=source,
                    prompt=text,
                    expected=tokenizer.convert_ids_to_tokens(ids),
                    got=tokenizer.convert_ids_to_tokens(result[name]),
                )
            )
    if result["answer"].strip() != answer.strip():
        raise ParityError(
            _(
                "plain transformers answers otherwise than the service\n"
                "  prompt:  {prompt!r}\n"
                "  service: {expected!r}\n"
                "  plain:   {got!r}\n"
                "Nothing is packaged; if this happens again, train again: dvc repro --force train",
                prompt=text,
                expected=answer,
                got=result["answer"],
            )
        )
