"""Load the models beside the packaged one: several adapters and their base share one engine and one set of weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat, PromptParams
from seodang.errors import ModelError, SeodangError
from seodang.i18n import _
from seodang.inference.engine.vllm_adapters import check_adapter
from seodang.io.atomic import compute_sha256
from seodang.models.checkpoints import compute_weights_sha256
from seodang.models.loading import load_tokenizer
from seodang.models.tokenization import get_end_id
from seodang.packaging.model_folder import Manifest, compute_content_version
from seodang.prompting import PROMPT_TEMPLATES, compute_fingerprint
from seodang.service.context import ServiceContext
from seodang.service.model.adapter_engine import AdapterEngine
from seodang.service.model.adapter_folder import AdapterFolder, BaseShapes, read_adapter_folder
from seodang.service.model.engine_choice import choose_engine
from seodang.service.model.model_sources import BASE_NAME, ModelSources, raise_problems
from seodang.service.model.served_model import ServedModel
from seodang.service.model.shared_engine import load_shared_engine

_REPORT: Final = "report.json"
_INGEST_REPORT: Final = Path("ingest", "manifest.json")
_TRAINING_SPLIT: Final = Path("prepare", "train.jsonl")
_EVALUATION_REPORT: Final = Path("evaluate", "report.json")
_VERSION_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class CheckedModels:
    """A base and its adapters, whose files were checked."""

    base: Path
    tokenizer: PreTrainedTokenizerBase
    base_report: Mapping[str, Any]
    format: PromptFormat
    """Prompt format of the base."""
    adapters: Mapping[str, AdapterFolder]


def check_models(sources: ModelSources, packaged_name: str) -> CheckedModels | None:
    """Check all files before any weights are loaded; None if only the packaged model is served.

    Args:
        sources: Folders of the models.
        packaged_name: Name of the packaged model, which no other one may have.

    Raises:
        SeodangError: With one line for each model that cannot be served.
    """
    if sources.base is None:
        return None
    problems: list[str] = []
    if packaged_name in {BASE_NAME, *sources.adapters}:
        problems.append(_("{name}: another model has this name; choose a different one", name=packaged_name))
    try:
        tokenizer = load_tokenizer(sources.base)
        report = _read_base_report(sources.base)
        format = sources.base_format or _choose_base_format(sources.base, tokenizer)
        compute_fingerprint(format, tokenizer)  # raises an error if the chat template cannot be rendered
    except SeodangError as error:
        problems.append(f"{BASE_NAME}: {error}")
        raise_problems(problems)
        raise
    adapters: dict[str, AdapterFolder] = {}
    engine = choose_engine()
    shapes = BaseShapes(sources.base, report["weights_sha256"], tokenizer)
    for name, folder in sources.adapters.items():
        try:
            adapters[name] = read_adapter_folder(folder, shapes)
            if engine == "vllm":
                check_adapter(adapters[name].folder)
        except SeodangError as error:
            problems.append(f"{name}: {error}")
    raise_problems(problems)
    return CheckedModels(sources.base, tokenizer, report, format, adapters)


def load_models(checked: CheckedModels, max_new_tokens: int) -> tuple[ServiceContext, ...]:
    """Return the base and its adapters; the weights of the base are in memory once.

    Args:
        checked: Of `check_models`.
        max_new_tokens: Of an answer of each model: the packaged maximum.

    Raises:
        ModelError: If weights cannot be read.
    """
    builder = _ModelBuilder(checked, max_new_tokens)
    base = builder.build(BASE_NAME, None)
    adapters = [builder.build(name, adapter, base.model.tag) for name, adapter in checked.adapters.items()]
    return (base, *adapters)


class _ModelBuilder:
    """Builds models over one engine."""

    def __init__(self, checked: CheckedModels, max_new_tokens: int) -> None:
        self._checked = checked
        self._max_new_tokens = max_new_tokens
        self._base_version = compute_content_version(checked.base, "")
        # The name of an adapter may have a dot, which the name of a module must not have.
        self._engine_names = {name: f"adapter{index}" for index, name in enumerate(checked.adapters)}
        adapters = {self._engine_names[name]: adapter.folder for name, adapter in checked.adapters.items()}
        end_id = get_end_id(checked.tokenizer, checked.format)
        self._shared = load_shared_engine(checked.base, checked.tokenizer, adapters, end_id)

    def build(self, name: str, adapter: AdapterFolder | None, parent: str | None = None) -> ServiceContext:
        """Return an adapter, or the base."""
        checked = self._checked
        format = checked.format if adapter is None else adapter.format
        end_id = get_end_id(checked.tokenizer, format)
        manifest = Manifest(
            schema_version=1,
            prompt=PromptParams(format=format),
            fingerprint=compute_fingerprint(format, checked.tokenizer),
            end_id=end_id,
            max_new_tokens=self._max_new_tokens,
            lineage=_build_lineage(checked, adapter),
        )
        content = json.dumps([self._base_version, manifest.fingerprint, adapter and adapter.sha256])
        version = hashlib.sha256(content.encode()).hexdigest()[:_VERSION_DIGITS]
        model = ServedModel(
            tokenizer=checked.tokenizer,
            manifest=manifest,
            context_length=self._shared.engine.context_length,
            tag=f"{name}:{version}",
            created=int((checked.base if adapter is None else adapter.folder).stat().st_mtime),
            names=(name,),
            parent=parent,
        )
        stop_ids = self._shared.get_stop_ids(end_id)
        return ServiceContext(model, AdapterEngine(self._shared.engine, self._engine_names.get(name), stop_ids))


def _choose_base_format(folder: Path, tokenizer: PreTrainedTokenizerBase) -> PromptFormat:
    """Return the best zero-shot prompt of the base in the evaluation of its project, else its own or the bare one."""
    try:
        report = json.loads((folder.resolve().parents[1] / _EVALUATION_REPORT).read_text("utf-8"))
        format: Any = report["formats"][report["best"]["zero_shot"]]["format"]
    except (OSError, ValueError, LookupError, TypeError):
        format = None
    if format in PROMPT_TEMPLATES:
        return cast(PromptFormat, format)
    return "plain" if tokenizer.chat_template is None else "chat"


def _read_base_report(folder: Path) -> dict[str, Any]:
    """Return origin, licence and checksum of a base.

    Raises:
        ModelError: If the report of stage `base`, which lies beside the folder, names other weights.
    """
    sha256 = compute_weights_sha256(folder)
    path = folder.resolve().parent / _REPORT
    try:
        report: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        report = None
    if not isinstance(report, dict) or "weights_sha256" not in report:
        return {"name": folder.name, "weights_sha256": sha256}
    if report["weights_sha256"] != sha256:
        raise ModelError(
            _(
                "{file} names weights with sha256 {expected}, but the folder has {actual}; restore the base",
                file=path,
                expected=str(report["weights_sha256"])[:12],
                actual=sha256[:12],
            )
        )
    return report


def _build_lineage(checked: CheckedModels, adapter: AdapterFolder | None) -> dict[str, Any]:
    """Return what is known of the weights: the base, and the adapter with its splits and their sources."""
    base = {name: value for name, value in checked.base_report.items() if name != "schema_version"}
    if adapter is None:
        return {"base": base}
    splits = adapter.report.get("input_sha256")
    return {"base": base, "adapter_sha256": adapter.sha256, "splits": splits, "sources": _find_sources(adapter)}


def _find_sources(adapter: AdapterFolder) -> list[dict[str, Any]] | None:
    """Return the sources of the training data; None unless the project of the adapter has them still."""
    artifacts = adapter.folder.resolve().parents[1]
    expected = (adapter.report.get("input_sha256") or {}).get("train")
    try:
        if expected is None or compute_sha256(artifacts / _TRAINING_SPLIT) != expected:
            return None
        sources = json.loads((artifacts / _INGEST_REPORT).read_text("utf-8"))["sources"]
        return [{key: source[key] for key in ("name", "licence", "files")} for source in sources]
    except (OSError, ValueError, KeyError, TypeError):
        return None
