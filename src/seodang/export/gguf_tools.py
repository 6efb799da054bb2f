"""The tools of the GGUF export: llama.cpp's converter and llama-cpp-python, which `make gguf` installs."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seodang.errors import ModelError
from seodang.i18n import _

# Pre-tokenizers of tokenizer.json -> their name in llama.cpp (src/llama-vocab.cpp), with the same regular expressions.
_BYTE_LEVEL: Final = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
_PRE_TOKENIZERS: Final[tuple[tuple[list[dict[str, Any]], str], ...]] = (
    ([{"type": "Digits", "individual_digits": True}, _BYTE_LEVEL], "smollm"),
    ([_BYTE_LEVEL], "gpt-2"),
)


@dataclass(frozen=True, slots=True)
class GgufTools:
    """Where the tools are."""

    python: Path
    """Interpreter that has llama-cpp-python, and the packages of the project."""
    converter: Path
    """Folder of llama.cpp with convert_hf_to_gguf.py."""


def find_tools(folder: Path) -> GgufTools:
    """Return the installed tools.

    Args:
        folder: Where `make gguf` puts them.

    Raises:
        ModelError: If they are not installed.
    """
    tools = GgufTools(folder / "env" / "bin" / "python", folder / "llama.cpp")
    if not (folder / "complete.txt").is_file():
        raise ModelError(
            _("the GGUF tools are not installed in {folder}; run: make gguf (it compiles llama.cpp)", folder=folder)
        )
    return tools


def check_architecture(tools: GgufTools, model: Path) -> None:
    """Raise an error if llama.cpp does not know the architecture of a model.

    Raises:
        ModelError: With the name of the architecture.
    """
    names = json.loads((model / "config.json").read_text("utf-8")).get("architectures") or ["?"]
    known = _read_architectures(tools.converter / "conversion" / "__init__.py")
    if names[0] not in known:
        raise ModelError(_("llama.cpp cannot convert the architecture {name}; nothing is exported", name=names[0]))


def _read_architectures(module: Path) -> frozenset[str]:
    """Return the keys of the converter's table, without importing it."""
    for node in ast.parse(module.read_text("utf-8")).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "TEXT_MODEL_MAP" and node.value:
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def name_pre_tokenizer(model: Path) -> str:
    """Return llama.cpp's name of a tokenizer's split; "" where only the converter can know it."""
    file = model / "tokenizer.json"
    if not file.is_file():
        return ""
    split = json.loads(file.read_text("utf-8")).get("pre_tokenizer") or {}
    parts = split.get("pretokenizers", [split])
    return next((name for steps, name in _PRE_TOKENIZERS if _matches(parts, steps)), "")


def _matches(parts: list[dict[str, Any]], steps: list[dict[str, Any]]) -> bool:
    return len(parts) == len(steps) and all(
        step.items() <= part.items() for part, step in zip(parts, steps, strict=True)
    )
