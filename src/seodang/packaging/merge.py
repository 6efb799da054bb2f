"""Merge what was learned into its base, and prove that the merged model answers the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from seodang.errors import ParityError
from seodang.models.adapters import is_whole_model, load_adapter
from seodang.models.base import replaced_folder
from seodang.models.checkpoints import copy_trusted_code
from seodang.models.loading import count_weights, load_tokenizer
from seodang.packaging.model_folder import load_plain

# In fp32 a merge moves logits by rounding alone, 1e-6 (tiny models) to 1e-4 (hundreds of
# millions of parameters); a wrong or missing delta moves them by whole units.
_LOGIT_TOLERANCE = 1e-2
_FP32_BYTES = 4


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What was compared, and how close it came."""

    prompts: int
    tokens: int  # greedy tokens that were equal, over all prompts
    max_logit_difference: float  # at the prompts' ends, over the whole vocabulary


@dataclass(frozen=True, slots=True)
class _Greedy:
    """One greedy answer."""

    tokens: list[int]
    logits: Tensor  # of the first new token, shape (vocabulary,): those of all tokens would take 0.2 GB with 262,144 entries


def merge(base: Path, adapter: Path, out: Path) -> None:
    """Write base plus adapter as one model, with the base's tokenizer, to `out`.

    In fp32 on the CPU, because a delta added in bf16 loses most of its bits. Tied
    embeddings stay tied. An adapter that was trained over a base in four bits goes
    onto the exact base. A whole model (method full) has nothing to merge and is
    written as it is. The folder appears whole or not at all.

    Raises:
        ModelError: If base or adapter cannot be loaded.
        ArtefactError: If there is no adapter.

    """
    tokenizer = load_tokenizer(base)
    merged = _merged(_load_tuned(base, adapter))
    with replaced_folder(out) as beside:
        merged.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        copy_trusted_code(base, beside)


def merged_size(base: Path, adapter: Path) -> int:
    """Return the bytes of the weights that `merge` will write; none is loaded.

    Raises:
        ModelError: If the weights cannot be read.
        ArtefactError: If there is no adapter.

    """
    weights = adapter if is_whole_model(adapter) else base
    return _FP32_BYTES * count_weights(weights, str(weights))


def check_parity(base: Path, adapter: Path, merged: Path, prompts: Sequence[list[int]], max_new_tokens: int, end_id: int) -> ParityReport:
    """Compare base plus adapter with the merge in memory and with the merged folder.

    Two loads, one model in memory at a time: base plus adapter answers, is merged
    in place and answers again, then makes room for the folder as it will be served.
    A whole model is compared with that folder alone.

    Args:
        base: Folder of the base model.
        adapter: Folder of the adapter.
        merged: Folder that `merge` wrote.
        prompts: Token ids of each prompt.
        max_new_tokens: Greedy tokens compared for each.
        end_id: Token that ends an answer.

    Raises:
        ParityError: With the first differing prompt and both texts.

    """
    if not prompts:
        raise ParityError("there is no prompt to compare answers on; the test split must hold records")
    tokenizer = load_tokenizer(merged)
    tuned = _load_tuned(base, adapter)
    expected = [_greedy(tuned, prompt, max_new_tokens, end_id) for prompt in prompts]
    differences = []
    if isinstance(tuned, PeftModel):
        tuned = _merged(tuned)
        differences.append(_difference("the merge in memory", tuned, prompts, expected, max_new_tokens, end_id, tokenizer))
    del tuned
    differences.append(_difference(f"the merged model in {merged}", load_plain(merged, "cpu"), prompts, expected, max_new_tokens, end_id, tokenizer))
    return ParityReport(prompts=len(prompts), tokens=sum(len(answer.tokens) for answer in expected), max_logit_difference=max(differences))


def _load_tuned(base: Path, adapter: Path) -> PeftModel | PreTrainedModel:
    """Return base plus adapter, or the whole model that was trained, as it will be served: fp32, on the CPU, plain decoding."""
    return load_plain(adapter, "cpu") if is_whole_model(adapter) else load_adapter(load_plain(base, "cpu"), adapter)


def _merged(tuned: PeftModel | PreTrainedModel) -> PreTrainedModel:
    merged: PreTrainedModel = tuned.merge_and_unload(safe_merge=True) if isinstance(tuned, PeftModel) else tuned
    return merged


@torch.inference_mode()
def _greedy(model: PeftModel | PreTrainedModel, prompt: list[int], max_new_tokens: int, end_id: int) -> _Greedy:
    ids = torch.tensor([prompt])
    settings = GenerationConfig(
        do_sample=False, use_cache=True, max_new_tokens=max_new_tokens, eos_token_id=end_id, pad_token_id=end_id, return_dict_in_generate=True, output_logits=True
    )
    model_: Any = model
    written = model_.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings)
    return _Greedy(tokens=written.sequences[0, len(prompt) :].tolist(), logits=written.logits[0][0].float().clone())


def _difference(
    name: str, model: PreTrainedModel, prompts: Sequence[list[int]], expected: Sequence[_Greedy], max_new_tokens: int, end_id: int, tokenizer: PreTrainedTokenizerBase
) -> float:
    """Return the largest difference of a logit, having found all tokens equal."""
    largest = 0.0
    for number, (prompt, wanted) in enumerate(zip(prompts, expected, strict=True), start=1):
        found = _greedy(model, prompt, max_new_tokens, end_id)
        difference = float((found.logits - wanted.logits).abs().max())
        if found.tokens != wanted.tokens or not math.isfinite(difference) or difference > _LOGIT_TOLERANCE:
            raise ParityError(
                f"prompt {number} of {len(prompts)}: {name} differs from base + adapter (logits by {difference:.3g}, allowed {_LOGIT_TOLERANCE:g})\n"
                f"  prompt:         {tokenizer.decode(prompt)!r}\n"
                f"  base + adapter: {tokenizer.decode(wanted.tokens)!r}\n"
                f"  merged:         {tokenizer.decode(found.tokens)!r}\n"
                "Nothing is packaged; train again if this repeats: dvc repro --force train"
            )
        largest = max(largest, difference)
    return largest
