"""A training step with logits only where a label is, against one with all logits.

python benchmarks/answer_logits.py [STEPS]

Both see the same batches of the training split with the same adapter, in turn;
run the pipeline up to `prepare` first.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from seodang.jsonl import read_records
from seodang.modeling.device import keep_freed_memory
from seodang.modeling.loading import load_model, load_tokenizer
from seodang.modeling.lora import AnswerTrainer, collate, fitting, hide_prompt, with_adapter
from seodang.modeling.tokenizing import pad_id, tokenise_record
from seodang.params_file import load_params
from seodang.paths import Paths

Loss = Callable[[dict[str, Tensor]], Tensor]


def batches(count: int) -> list[dict[str, Tensor]]:
    """Return `count` batches of the training split, records of like length together, as training has them."""
    paths = Paths(Path.cwd())
    params = load_params(paths.params)
    tokenizer = load_tokenizer(paths.base)
    rows = [tokenise_record(tokenizer, record, params.prompt.format) for record in read_records(paths.split("train"))]
    kept = sorted(fitting(rows, params.train.max_length), key=lambda row: len(row.prompt) + len(row.completion))
    size = params.train.batch_size
    starts = [index * (len(kept) - size) // max(1, count - 1) for index in range(count)]
    return [collate([hide_prompt(row) for row in kept[start : start + size]], pad_id(tokenizer)) for start in starts]


def main(steps: int) -> None:
    """Time both ways on each batch in turn and print medians, quartiles and the largest difference of the losses."""
    keep_freed_memory()
    paths = Paths(Path.cwd())
    train = load_params(paths.params).train
    model = with_adapter(load_model(paths.base, train.precision, "cpu"), train)
    trainer = AnswerTrainer.__new__(AnswerTrainer)  # only its loss is wanted, none of its set-up

    ways: dict[str, Loss] = {
        "labelled positions": lambda batch: trainer.compute_loss(model, dict(batch)),
        "all logits": lambda batch: model(input_ids=batch["input_ids"], labels=batch["labels"], use_cache=False).loss,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    apart = 0.0
    for number, batch in enumerate(batches(steps)):
        losses = []
        for name, loss_of in ways.items():
            started = time.perf_counter()
            loss = loss_of(batch)
            torch.autograd.backward(loss)
            model.zero_grad()
            if number:  # the first batch warms up
                seconds[name].append(time.perf_counter() - started)
            losses.append(float(loss.detach()))
        apart = max(apart, abs(losses[0] - losses[1]))
    for name, taken in seconds.items():
        low, middle, high = statistics.quantiles(taken, n=4)
        print(f"{name:20} median {middle * 1000:7.1f} ms   quartiles {low * 1000:.1f} to {high * 1000:.1f} ms   n {len(taken)}")
    pairs = [full / ours for ours, full in zip(*seconds.values(), strict=True)]
    print(f"all logits / labelled positions: median {statistics.median(pairs):.2f}; losses differ by at most {apart:.1e}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
