"""Check that the merged model equals base plus adapter: same greedy tokens, logits within a tolerance."""

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
from seodang.i18n import _
from seodang.models.loading import load_tokenizer
from seodang.models.stop_tokens import get_stop_ids
from seodang.packaging.merge import load_tuned_model, merge_adapter
from seodang.packaging.model_folder import load_inference_model

# Logits may differ by this share of what the adapter moves them: an adapter at 0.97 of its strength differs by 3 %.
_MOVEMENT_TOLERANCE = 0.01
# In fp32 a merge changes logits by rounding: 1e-6 (tiny models) to 1e-4 (hundreds of millions of parameters). The
# largest logits there are 10 to 30.
_ROUNDING_TOLERANCE = 2e-5


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Result of the comparison."""

    prompts: int
    """Number of compared prompts."""
    tokens: int
    """Number of equal greedy tokens, over all prompts."""
    max_logit_difference: float
    """At the prompts' ends, over the full vocabulary."""
    max_adapter_movement: float
    """Largest difference of a logit between base and tuned model, at the same places."""


@dataclass(frozen=True, slots=True)
class _GreedyOutput:
    """One greedy answer."""

    tokens: list[int]
    logits: Tensor
    """Of the first new token, shape (vocabulary,); all tokens of a vocabulary of 262,144 would take 0.2 GB."""


def check_parity(
    base: Path, adapter: Path, merged: Path, prompts: Sequence[list[int]], max_new_tokens: int, end_id: int
) -> ParityReport:
    """Compare base plus adapter with the merge in memory and with the merged folder.

    One model is in memory at a time. Base plus adapter answers, is merged in place, answers again, and is released
    before the merged folder is loaded. A full model is compared with the merged folder only, beside its base. Logits
    may differ by a small share of what the adapter moves them.

    Args:
        base: Folder of the base model.
        adapter: Folder of the adapter or the full model.
        merged: Folder that `merge` wrote.
        prompts: Token ids of each prompt.
        max_new_tokens: Maximum number of greedy tokens compared for each prompt.
        end_id: End token of the prompt format.

    Raises:
        ParityError: With the first differing prompt and both answers.

    """
    if not prompts:
        raise ParityError(_("there is no prompt to compare answers on; the test split must contain records"))
    tokenizer = load_tokenizer(merged)
    tuned = load_tuned_model(base, adapter)
    expected = [_generate_greedy(tuned, prompt, max_new_tokens, end_id) for prompt in prompts]
    movements = _measure_movements(base, tuned, prompts, expected, end_id)
    tolerances = [
        max(_MOVEMENT_TOLERANCE * movement, _ROUNDING_TOLERANCE * float(answer.logits.abs().max()))
        for answer, movement in zip(expected, movements, strict=True)
    ]
    limits = (max_new_tokens, end_id)
    differences = []
    if isinstance(tuned, PeftModel):
        tuned = merge_adapter(tuned)
        name = _("the merge in memory")
        differences.append(_compare_outputs(name, tuned, prompts, expected, tolerances, *limits, tokenizer))
    del tuned
    name = _("the merged model in {folder}", folder=merged)
    loaded = load_inference_model(merged, "cpu")
    differences.append(_compare_outputs(name, loaded, prompts, expected, tolerances, *limits, tokenizer))
    return ParityReport(
        prompts=len(prompts),
        tokens=sum(len(answer.tokens) for answer in expected),
        max_logit_difference=max(differences),
        max_adapter_movement=max(movements),
    )


def _measure_movements(
    base: Path,
    tuned: PeftModel | PreTrainedModel,
    prompts: Sequence[list[int]],
    expected: Sequence[_GreedyOutput],
    end_id: int,
) -> list[float]:
    """Return how far tuning moves the logits after each prompt."""
    untuned = _compute_base_logits(base, tuned, prompts, end_id)
    return [_measure_difference(answer.logits, logits) for answer, logits in zip(expected, untuned, strict=True)]


def _compute_base_logits(
    base: Path, tuned: PeftModel | PreTrainedModel, prompts: Sequence[list[int]], end_id: int
) -> list[Tensor]:
    """Return the logits after each prompt of the base without its adapter, or before full training."""
    if isinstance(tuned, PeftModel):
        with tuned.disable_adapter():
            return [_generate_greedy(tuned, prompt, 1, end_id).logits for prompt in prompts]
    model = load_inference_model(base, "cpu")
    return [_generate_greedy(model, prompt, 1, end_id).logits for prompt in prompts]


def _measure_difference(logits: Tensor, others: Tensor) -> float:
    """Return the largest difference; a fully trained model may have got more tokens than its base."""
    size = min(len(logits), len(others))
    return float((logits[:size] - others[:size]).abs().max())


@torch.inference_mode()
def _generate_greedy(
    model: PeftModel | PreTrainedModel, prompt: list[int], max_new_tokens: int, end_id: int
) -> _GreedyOutput:
    model_: Any = model
    ids = torch.tensor([prompt])
    generation_config = GenerationConfig(
        do_sample=False,
        use_cache=True,
        max_new_tokens=max_new_tokens,
        eos_token_id=get_stop_ids(model_, end_id),
        pad_token_id=end_id,
        return_dict_in_generate=True,
        output_logits=True,
    )
    outputs = model_.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=generation_config)
    return _GreedyOutput(
        tokens=outputs.sequences[0, len(prompt) :].tolist(), logits=outputs.logits[0][0].float().clone()
    )


def _compare_outputs(
    name: str,
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    expected: Sequence[_GreedyOutput],
    tolerances: Sequence[float],
    max_new_tokens: int,
    end_id: int,
    tokenizer: PreTrainedTokenizerBase,
) -> float:
    """Return the largest logit difference.

    Raises:
        ParityError: If a token or a logit differs.
    """
    largest = 0.0
    for number, (prompt, reference, tolerance) in enumerate(zip(prompts, expected, tolerances, strict=True), start=1):
        output = _generate_greedy(model, prompt, max_new_tokens, end_id)
        difference = float((output.logits - reference.logits).abs().max())
        if output.tokens != reference.tokens or not math.isfinite(difference) or difference > tolerance:
            raise ParityError(
                _(
                    "prompt {number} of {count}: {name} differs from base + adapter (logits differ by {difference:.3g},"
                    " allowed are {tolerance:.3g})\n"
                    "  prompt:         {prompt!r}\n"
                    "  base + adapter: {expected!r}\n"
                    "  merged:         {merged!r}\n"
                    "Nothing is packaged; if this happens again, train again: dvc repro --force train",
                    number=number,
                    count=len(prompts),
                    name=name,
                    difference=difference,
                    tolerance=tolerance,
                    prompt=tokenizer.decode(prompt),
                    expected=tokenizer.decode(reference.tokens),
                    merged=tokenizer.decode(output.tokens),
                )
            )
        largest = max(largest, difference)
    return largest
