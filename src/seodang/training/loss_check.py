"""The loss that training uses, held against the model's own before anything is learned.

Training reads logits at few places, through the head alone, and lets packed records attend apart by an attention of its
own. An architecture that puts another layer before its head, changes its logits, or hands attention something of its own
(sinks) would so be trained on another objective, and nothing would tell. So a few records are read both ways.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from transformers import PreTrainedModel

from seodang.errors import ModelError
from seodang.training.dataset import Lesson, Lessons
from seodang.training.kernels.chunked_loss import AnswerHead, learn_answers
from seodang.training.kernels.packed_attention import use_packed_attention
from seodang.training.packing import Layout, build_pass

logger = logging.getLogger(__name__)

_RECORDS = 3  # the shortest: all logits of theirs exist for a moment
_TOLERANCE = {torch.float32: 1e-3}  # relative; half precisions round each step
_HALF_TOLERANCE = 3e-2


def learn_as_the_model_does(model: PreTrainedModel, lessons: Lessons, layout: Layout) -> Layout:
    """Let the model learn answers (`learn_answers`, `use_packed_attention`) by the quickest way that gives its own loss; return the layout for it.

    Args:
        model: Changed in place; in evaluation mode, without an adapter.
        lessons: At least one.
        layout: The one that is asked for.

    Raises:
        ModelError: If no way gives the model's own loss.
    """
    probe = _probe(lessons)
    own = _own_loss(model, probe)
    head = learn_answers(model)
    padded = replace(layout, packed=False, share_prefixes=False)
    _choose_head(model, head, probe, padded, own)
    if not layout.packed:
        return layout
    attention = model.config._attn_implementation
    use_packed_attention(model)
    if _agree(model, _loss(model, probe, layout), own):
        return layout
    model.set_attn_implementation(attention)
    logger.warning(
        "train.packing is on, but this model's attention knows more than which tokens belong to a record; rows are padded instead"
    )
    return padded


def _choose_head(model: PreTrainedModel, head: AnswerHead, probe: Sequence[Lesson], layout: Layout, own: float) -> None:
    if _agree(model, quick := _loss(model, probe, layout), own):
        return
    head.whole = True
    if _agree(model, _loss(model, probe, layout), own):
        logger.warning(
            "this architecture does more than its output layer to get its logits; they are computed at every token, which takes more memory"
        )
        return
    raise ModelError(
        f"the loss of {len(probe)} records is {own:.4f} by the model's own forward pass, but {quick:.4f} as training computes it: "
        f"architecture {model.config.model_type} is not supported; please report it"
    )


def _probe(lessons: Lessons) -> list[Lesson]:
    shortest = sorted(range(len(lessons)), key=lambda number: (int(lessons.lengths[number]), number))[:_RECORDS]
    return [lessons[number] for number in shortest]


@torch.no_grad()
def _own_loss(model: PreTrainedModel, probe: Sequence[Lesson]) -> float:
    """Return the sum of the losses in nats, record by record, from all logits of the unchanged model."""
    total = 0.0
    for lesson in probe:
        ids = torch.from_numpy(lesson.ids.astype("int64")).to(model.device)
        places = torch.from_numpy(lesson.learned[1:].nonzero()[0]).to(model.device)
        logits = model(input_ids=ids[None, :-1], use_cache=False).logits[0].index_select(0, places)
        total += float(
            torch.nn.functional.cross_entropy(logits.float(), ids[1:].index_select(0, places), reduction="sum")
        )
    return total


@torch.no_grad()
def _loss(model: PreTrainedModel, probe: Sequence[Lesson], layout: Layout) -> float:
    return float(model(**build_pass(probe, layout).to(model.device).inputs()).loss)


def _agree(model: PreTrainedModel, found: float, own: float) -> bool:
    tolerance = _TOLERANCE.get(model.dtype, _HALF_TOLERANCE)
    return abs(found - own) <= tolerance * max(1.0, abs(own))
