"""Export a packaged model as a GGUF file for llama.cpp, and compare its answers with those of the service."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seodang.config.export import GgufExportParams
from seodang.errors import ExportRejected, ModelError
from seodang.export import gguf_conversion, gguf_reader
from seodang.export.gguf_tools import GgufTools, check_architecture, name_pre_tokenizer
from seodang.i18n import _, ngettext
from seodang.io.atomic import make_scratch_folder
from seodang.io.disk_full import check_space, translate_disk_full
from seodang.models.loading import load_tokenizer, read_context_length
from seodang.models.tokenization import encode_prompt
from seodang.packaging.chat_template import reads_input_from_message
from seodang.packaging.model_folder import read_manifest
from seodang.packaging.reader_parity import answer_as_served, build_conversation, is_readable
from seodang.prompting import render_record
from seodang.records import Record


@dataclass(frozen=True, slots=True)
class GgufComparison:
    """Greedy answers of the file beside those of the service."""

    prompts: int
    equal: int
    first_difference: str | None
    """Prompt and both answers; None if there is none."""

    @property
    def share(self) -> float:
        """Equal answers, 0 to 1."""
        return self.equal / self.prompts


def export_gguf(
    tools: GgufTools, model: Path, file: Path, params: GgufExportParams, records: Sequence[Record]
) -> GgufComparison:
    """Write a GGUF file, with the chat template, the tokenizer and the end token of the package.

    The file appears under its name only after the comparison.

    Args:
        tools: Converter and reader.
        model: Folder of the packaged model.
        file: The file to be written.
        params: Type of the weights, and what is compared.
        records: Requests that are compared.

    Raises:
        ModelError: If llama.cpp does not know the architecture or the tokenizer, or the disk is too small.
        ExportRejected: If fewer answers are equal than the parameters demand.
    """
    check_architecture(tools, model)
    size = sum(part.stat().st_size for part in model.glob("*.safetensors"))
    check_space(file, size, _("the GGUF file"))
    file.parent.mkdir(parents=True, exist_ok=True)
    with (
        translate_disk_full(_("the GGUF file was written to {folder}", folder=file.parent)),
        make_scratch_folder(file) as folder,
    ):
        written = folder / file.name
        _convert(tools, model, written, params.type)
        comparison = compare_answers(tools, model, written, params, records)
        if comparison.share < params.min_equal_share:
            raise _build_rejection(comparison, params)
        written.replace(file)
    return comparison


def _convert(tools: GgufTools, model: Path, file: Path, type_: str) -> None:
    arguments = [str(tools.converter), name_pre_tokenizer(model), type_, str(model), str(file)]
    completed = _run(tools, gguf_conversion.__file__, arguments)
    if completed.returncode == gguf_conversion.UNKNOWN_TOKENIZER:
        raise ModelError(
            _(
                "llama.cpp does not know the pre-tokenizer of the tokenizer in {folder}; nothing is exported. It knows"
                " those of public models, such as GPT-2 and SmolLM",
                folder=model,
            )
        )
    if completed.returncode or not file.is_file():
        raise ModelError(
            _(
                "llama.cpp's converter failed: {error}; nothing is exported",
                error=(completed.stderr.strip().splitlines() or ["?"])[-1],
            )
        )


def compare_answers(
    tools: GgufTools, model: Path, file: Path, params: GgufExportParams, records: Sequence[Record]
) -> GgufComparison:
    """Compare the greedy answers of a GGUF file with those of the service.

    An answer is equal if its text is, and if its prompt has as many tokens. Conversations, texts with control tokens
    and prompts that leave no room for the answer are left out.

    Args:
        tools: The reader.
        model: Folder of the packaged model.
        file: The file.
        params: Number of prompts and of tokens.
        records: Requests; of more than needed, every n-th is taken.

    Raises:
        ModelError: If no request is left, or the file cannot be loaded.
    """
    format, tokenizer = read_manifest(model).prompt.format, load_tokenizer(model)
    room = (read_context_length(model) or 2**31) - params.tokens
    splits_input = reads_input_from_message(str(tokenizer.chat_template or ""))
    readable = [record for record in records if is_readable(record, tokenizer)]
    prompts = [encode_prompt(tokenizer, render_record(record, format, tokenizer)) for record in readable]
    fitting = [(record, ids) for record, ids in zip(readable, prompts, strict=True) if len(ids) < room]
    chosen = fitting[:: max(1, len(fitting) // params.prompts)][: params.prompts]
    if not chosen:
        raise ModelError(_("no test record can be compared: all are conversations, or longer than the context"))
    conversations = [build_conversation(record, format, splits_input=splits_input) for record, _ids in chosen]
    answers = _read_answers(
        tools, file, conversations, max(len(ids) for _record, ids in chosen) + params.tokens, params
    )
    served = answer_as_served(model, [ids for _record, ids in chosen], read_manifest(model).end_id, params.tokens)
    differences = [
        f"{messages[-1]['content']!r}: {expected!r}, {answer['text']!r}"
        for messages, (_record, ids), expected, answer in zip(conversations, chosen, served, answers, strict=True)
        if answer["text"].strip() != expected.strip() or answer["prompt_tokens"] != len(ids)
    ]
    return GgufComparison(len(chosen), len(chosen) - len(differences), next(iter(differences), None))


def _read_answers(
    tools: GgufTools,
    file: Path,
    conversations: Sequence[list[dict[str, str]]],
    context_length: int,
    params: GgufExportParams,
) -> list[dict[str, Any]]:
    request = {
        "file": str(file),
        "conversations": conversations,
        "context_length": context_length + 1,
        "max_new_tokens": params.tokens,
        "threads": torch.get_num_threads(),
    }
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "answers.json"
        completed = _run(tools, gguf_reader.__file__, [str(output)], json.dumps(request))
        if completed.returncode:
            raise ModelError(
                _(
                    "llama.cpp cannot answer with the exported file: {error}; nothing is exported",
                    error=(completed.stderr.strip().splitlines() or ["?"])[-1],
                )
            )
        answers: list[dict[str, Any]] = json.loads(output.read_text("utf-8"))
        return answers


def _run(tools: GgufTools, script: str, arguments: list[str], input: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(tools.python), "-I", script, *arguments],  # -I: no module of this project
        input=input,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )


def _build_rejection(comparison: GgufComparison, params: GgufExportParams) -> ExportRejected:
    return ExportRejected(
        ngettext(
            "only {equal} of {count} greedy answer is that of the service; export.gguf.min_equal_share demands {share}."
            " Nothing is exported. First difference (prompt: service, file): {difference}",
            "only {equal} of {count} greedy answers are those of the service; export.gguf.min_equal_share demands"
            " {share}. Nothing is exported. First difference (prompt: service, file): {difference}",
            comparison.prompts,
            equal=comparison.equal,
            share=params.min_equal_share,
            difference=comparison.first_difference,
        )
    )
