"""A reward model: an adapter of the base with a linear head that rates answers (Ouyang et al. 2022, section 3.5).

The base stays one model in memory: base, policy and reward model differ in their adapters only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from peft import PeftConfig, PeftModel, get_peft_model, load_peft_weights, set_peft_model_state_dict
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.utils import use_adapter

from seodang.errors import ModelError
from seodang.i18n import _

REWARD: Final = "reward"  # name of the adapter beside others
_HEAD: Final = "score"
_ROWS: Final = 64  # of a forward pass


@dataclass(frozen=True, slots=True)
class RewardScale:
    """What turns the output of the head into a reward, from the answers of the training pairs."""

    mean: float
    deviation: float
    floor: float
    """The lowest reward of these answers. One that is blank or does not end earns it, and no answer earns less."""


def build_reward_model(base: PreTrainedModel, tuned: Path) -> PeftModel:
    """Return a trainable reward model: it continues the tuned adapter, and its head rates all answers equally at first.

    Args:
        base: It becomes part of the model.
        tuned: Folder of the adapter.

    Raises:
        ModelError: If the adapter does not fit the base.
    """
    head = _add_head(base)
    config: Any = PeftConfig.from_pretrained(str(tuned))
    config.modules_to_save, config.inference_mode = [_HEAD], False
    model: Any = get_peft_model(base, config)
    weights = {f"base_model.model.{_HEAD}.weight": head.weight} | load_peft_weights(str(tuned), device="cpu")
    loaded = set_peft_model_state_dict(model, weights)
    if loaded.unexpected_keys:
        raise ModelError(
            _(
                "the adapter in {adapter} does not fit the base {base}: {error}; run: dvc repro --force train",
                adapter=tuned,
                base=base.name_or_path,
                error=loaded.unexpected_keys[0],
            )
        )
    reward_model: PeftModel = model
    return reward_model


def add_reward_adapter(model: PeftModel, folder: Path) -> None:
    """Add a saved reward model to a model as a further adapter, which is not active and never trained."""
    active = model.active_adapter
    _add_head(model.get_base_model())
    model.load_adapter(str(folder), REWARD, is_trainable=False)
    model.set_adapter(active)


def _add_head(base: Any) -> nn.Linear:
    size = base.config.get_text_config().hidden_size
    head = nn.Linear(size, 1, bias=False, device=base.device, dtype=torch.float32)
    nn.init.zeros_(head.weight)
    setattr(base, _HEAD, head.requires_grad_(False))
    return head


def rate_rows(model: Any, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the output of the head for each row, read at its last token.

    Args:
        model: With the adapter of the reward model active.
        input_ids: Prompts with answers, shape (rows, tokens), filled on the right.
        attention_mask: Of the same shape.
    """
    base = model.get_base_model()
    hidden = base.base_model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).last_hidden_state
    last = attention_mask.sum(dim=1) - 1
    rows = hidden[torch.arange(len(last), device=hidden.device), last]
    head = getattr(base, _HEAD)
    with torch.autocast(hidden.device.type, enabled=False):
        outputs: Tensor = head(rows.to(head.weight.dtype))[:, 0].float()
    return outputs


@torch.no_grad()
def rate_texts(model: Any, texts: Sequence[Sequence[int]]) -> list[float]:
    """Return the output of the head for prompts with answers, in evaluation mode; the adapter must be active."""
    was_training = model.training
    model.eval()
    outputs = [value for part in _split(texts) for value in rate_rows(model, *_fill(part, model.device)).tolist()]
    model.train(was_training)
    return outputs


def _split(texts: Sequence[Sequence[int]]) -> Iterator[Sequence[Sequence[int]]]:
    for start in range(0, len(texts), _ROWS):
        yield texts[start : start + _ROWS]


def _fill(texts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], device=device)
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts], device=device)
    return ids, mask


@dataclass(frozen=True, slots=True)
class RewardModel:
    """A saved reward model, its scale and what held-out pairs say about it."""

    folder: Path
    scale: RewardScale
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AnswerRater:
    """Rates answers with the reward adapter of a model, whose active adapter stays what it was."""

    model: PeftModel
    scale: RewardScale
    tokenizer: PreTrainedTokenizerBase
    end_id: int
    """End token of the prompt format, with which the answers of the training pairs end."""

    def rate(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> list[float]:
        """Return the reward of each answer.

        Args:
            prompts: Token ids.
            answers: Token ids; an answer that ended has `end_id` at its end.
        """
        rated = [index for index, answer in enumerate(answers) if self._is_complete(answer)]
        rewards = [self.scale.floor] * len(answers)
        if rated:
            with use_adapter(self.model, REWARD):
                outputs = rate_texts(self.model, [[*prompts[index], *answers[index]] for index in rated])
            for index, output in zip(rated, outputs, strict=True):
                rewards[index] = max(self.scale.floor, (output - self.scale.mean) / self.scale.deviation)
        return rewards

    def _is_complete(self, answer: Sequence[int]) -> bool:
        if not answer or answer[-1] != self.end_id:
            return False
        return bool(str(self.tokenizer.decode(list(answer[:-1]), skip_special_tokens=True)).strip())
