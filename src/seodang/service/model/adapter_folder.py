"""Check the folder of a LoRA adapter before it is loaded: its files, its base, and the prompts that it was tuned on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.errors import ChatTemplateError, ModelError
from seodang.i18n import _
from seodang.io.file_digests import compute_known_sha256
from seodang.models.adapters import ADAPTER
from seodang.models.checkpoints import INDEX, WEIGHTS, is_code_trusted
from seodang.models.loading import get_first_line
from seodang.prompting import PROMPT_TEMPLATES, compute_fingerprint

_CONFIG: Final = "adapter_config.json"
_REPORT: Final = "report.json"
_SUBFOLDER: Final = "adapter"  # of the folder of stage `train`
_PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """An adapter that fits its base."""

    folder: Path
    sha256: str
    format: PromptFormat
    """Prompt format that it was tuned on."""
    report: Mapping[str, Any]
    """Report of the training."""


class BaseShapes:
    """The base without its weights, to compare adapters with."""

    def __init__(self, folder: Path, sha256: str, tokenizer: PreTrainedTokenizerBase) -> None:
        """Remember a base.

        Args:
            folder: Of the checkpoint.
            sha256: Of its weights.
            tokenizer: Holds the chat template.
        """
        self.sha256 = sha256
        self.tokenizer = tokenizer
        self._folder = folder

    def list_adapter_weights(self, adapter: Path) -> dict[str, list[int]]:
        """Return the shapes of the weights that an adapter of this base would have.

        Raises:
            ModelError: If the adapter's settings name layers that the base does not have, or cannot be read.
        """
        trusted = is_code_trusted(self._folder)
        config = AutoConfig.from_pretrained(self._folder, trust_remote_code=trusted)
        try:
            settings = LoraConfig.from_pretrained(str(adapter))
            settings.base_model_name_or_path = None  # a path of the machine of the training
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(config, trust_remote_code=trusted)
                tuned: Any = get_peft_model(model, settings)
            weights = get_peft_model_state_dict(tuned, save_embedding_layers=False)
        except (ValueError, TypeError, RuntimeError, KeyError) as error:
            raise ModelError(_("it does not fit the base: {error}", error=get_first_line(error))) from error
        return {name: list(weight.shape) for name, weight in weights.items()}


def read_adapter_folder(folder: Path, base: BaseShapes) -> AdapterFolder:
    """Return an adapter, or raise the first error of it.

    Args:
        folder: That training wrote: `artifacts/train`, or the folder `adapter` in it.
        base: The base that is served.

    Raises:
        ModelError: If a file is missing or pickled, or base, prompts or weights are others than those of the training.
    """
    folder = _find_weights(folder)
    _check_settings(folder)
    report = _read_report(folder)
    sha256 = compute_known_sha256(folder / ADAPTER)
    if report.get("adapter_sha256") != sha256:
        raise ModelError(
            _(
                "{file} belongs to another adapter: it names sha256 {expected}, but the weights have {actual}",
                file=_REPORT,
                expected=str(report.get("adapter_sha256"))[:12],
                actual=sha256[:12],
            )
        )
    trained_on = report.get("base_sha256")
    if trained_on is not None and trained_on != base.sha256:
        raise ModelError(
            _(
                "it was trained on a base with sha256 {expected}, but the served base has {actual}",
                expected=str(trained_on)[:12],
                actual=base.sha256[:12],
            )
        )
    _compare_weights(_read_shapes(folder / ADAPTER), base.list_adapter_weights(folder))
    return AdapterFolder(folder, sha256, _find_format(report, base.tokenizer), report)


def _find_weights(folder: Path) -> Path:
    candidates = [folder, folder / _SUBFOLDER]
    for candidate in candidates:
        if (candidate / ADAPTER).is_file():
            return candidate
    if not folder.is_dir():
        raise ModelError(_("there is no folder {folder}", folder=folder))
    names = sorted(path.name for each in candidates for pattern in _PICKLES for path in each.glob(pattern))
    if names:
        raise ModelError(
            _("it has pickled weights only ({files}), which can run code; save it as safetensors", files=names[0])
        )
    if any((each / name).exists() for each in candidates for name in (WEIGHTS, INDEX)):
        raise ModelError(_("it is a full model, not an adapter; package it to serve it"))
    raise ModelError(_("it has no {file}", file=ADAPTER))


def _check_settings(folder: Path) -> None:
    try:
        settings = json.loads((folder / _CONFIG).read_text("utf-8"))
        kind, megatron = settings.get("peft_type"), settings.get("megatron_config")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(_("{file} cannot be read ({error})", file=_CONFIG, error=type(error).__name__)) from error
    if kind != "LORA" or megatron:  # the settings of Megatron name a module that would be imported
        raise ModelError(_("{file} describes no LoRA adapter (peft_type {kind})", file=_CONFIG, kind=kind))


def _read_report(folder: Path) -> dict[str, Any]:
    """Return the report of the training, which knows the prompts; it lies beside the folder of the adapter."""
    for path in (folder / _REPORT, folder.resolve().parent / _REPORT):
        try:
            report = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise ModelError(_("{file} cannot be read ({error})", file=path, error=type(error).__name__)) from error
        if isinstance(report, dict):
            return report
    raise ModelError(
        _("it has no {file} of its training, which names its prompts; copy the file beside the weights", file=_REPORT)
    )


def _read_shapes(file: Path) -> dict[str, list[int]]:
    try:
        with safe_open(file, "np") as weights:
            names = weights.keys()  # `weights` is no mapping
            return {name: list(weights.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, OSError) as error:
        raise ModelError(_("{file} is damaged: {error}", file=file.name, error=error)) from error


def _compare_weights(actual: Mapping[str, list[int]], expected: Mapping[str, list[int]]) -> None:
    differing = sorted(name for name in {*actual, *expected} if actual.get(name) != expected.get(name))
    if differing:
        names = ", ".join(f"{name} {actual.get(name, '-')} / {expected.get(name, '-')}" for name in differing[:_SHOWN])
        raise ModelError(_("its weights do not fit the base (adapter / base): {names}", names=names))


def _find_format(report: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase) -> PromptFormat:
    expected = report.get("prompt_fingerprint")
    for format in PROMPT_TEMPLATES:
        try:
            if compute_fingerprint(format, tokenizer) == expected:
                return format
        except ChatTemplateError:  # the base has no template that could be rendered
            continue
    raise ModelError(
        _("this code renders none of its prompts (fingerprint {expected}); train it again", expected=str(expected)[:12])
    )
