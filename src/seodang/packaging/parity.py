"""Parity of the merged model with base plus adapter: same greedy tokens, logits within a tolerance."""

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
from seodang.models.loading import load_tokenizer
from seodang.packaging.merge import load_tuned_model, merge_adapter
from seodang.packaging.model_folder import load_inference_model

# In fp32 a merge moves logits by rounding alone, 1e-6 (tiny models) to 1e-4 (hundreds of
# millions of parameters); a wrong or missing delta moves them by whole units.
_LOGIT_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What was compared, and how close it came."""

    prompts: int
    tokens: int  # greedy tokens that were equal, over all prompts
    max_logit_difference: float  # at the prompts' ends, over the whole vocabulary


@dataclass(frozen=True, slots=True)
class _GreedyOutput:
    """One greedy answer."""

    tokens: list[int]
    logits: Tensor  # of the first new token, shape (vocabulary,): those of all tokens would take 0.2 GB with 262,144 entries


def check_parity(
    base: Path, adapter: Path, merged: Path, prompts: Sequence[list[int]], max_new_tokens: int, end_id: int
) -> ParityReport:
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
    tuned = load_tuned_model(base, adapter)
    expected = [_generate_greedy(tuned, prompt, max_new_tokens, end_id) for prompt in prompts]
    differences = []
    if isinstance(tuned, PeftModel):
        tuned = merge_adapter(tuned)
        differences.append(
            _compare_outputs("the merge in memory", tuned, prompts, expected, max_new_tokens, end_id, tokenizer)
        )
    del tuned
    differences.append(
        _compare_outputs(
            f"the merged model in {merged}",
            load_inference_model(merged, "cpu"),
            prompts,
            expected,
            max_new_tokens,
            end_id,
            tokenizer,
        )
    )
    return ParityReport(
        prompts=len(prompts),
        tokens=sum(len(answer.tokens) for answer in expected),
        max_logit_difference=max(differences),
    )


@torch.inference_mode()
def _generate_greedy(
    model: PeftModel | PreTrainedModel, prompt: list[int], max_new_tokens: int, end_id: int
) -> _GreedyOutput:
    ids = torch.tensor([prompt])
    generation_config = GenerationConfig(
        do_sample=False,
        use_cache=True,
        max_new_tokens=max_new_tokens,
        eos_token_id=end_id,
        pad_token_id=end_id,
        return_dict_in_generate=True,
        output_logits=True,
    )
    model_: Any = model
    outputs = model_.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=generation_config)
    return _GreedyOutput(
        tokens=outputs.sequences[0, len(prompt) :].tolist(), logits=outputs.logits[0][0].float().clone()
    )


def _compare_outputs(
    name: str,
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    expected: Sequence[_GreedyOutput],
    max_new_tokens: int,
    end_id: int,
    tokenizer: PreTrainedTokenizerBase,
) -> float:
    """Return the largest difference of a logit, having found all tokens equal."""
    largest = 0.0
    for number, (prompt, reference) in enumerate(zip(prompts, expected, strict=True), start=1):
        output = _generate_greedy(model, prompt, max_new_tokens, end_id)
        difference = float((output.logits - reference.logits).abs().max())
        if output.tokens != reference.tokens or not math.isfinite(difference) or difference > _LOGIT_TOLERANCE:
            raise ParityError(
                f"prompt {number} of {len(prompts)}: {name} differs from base + adapter (logits by {difference:.3g}, allowed {_LOGIT_TOLERANCE:g})\n"
                f"  prompt:         {tokenizer.decode(prompt)!r}\n"
                f"  base + adapter: {tokenizer.decode(reference.tokens)!r}\n"
                f"  merged:         {tokenizer.decode(output.tokens)!r}\n"
                "Nothing is packaged; train again if this repeats: dvc repro --force train"
            )
        largest = max(largest, difference)
    return largest
