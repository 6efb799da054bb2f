"""Answers of the token engine at several numbers of clients, beside one request at a time by transformers.

    python benchmarks/engine.py [--clients 1 4 16 64] [--answers 64] [--new-tokens 64] [--runs 3] [--threads 2]
                                [--prompts 300] [--tools ours ours-fixed generate manager] [--device cpu]
                                [--precision fp32] [--clock cpu]

The prompts are records of the primer in the KoAlpaca format, cut to mixed lengths. The model is the bundled base. All
answers have the same length. Each client sends its next request when its answer has come, until all answers are there.
`ours-fixed` is the engine with deterministic=True; `manager` is transformers' continuous batching, with a cache of
fixed size: by default it takes most of the memory. The runs alternate. The table has medians of output tokens per
second with their range. The time is the CPU time of the process, or that of the clock (--clock wall).

The second table answers --prompts prompts greedily, first each alone and then beside 1, 4, 16 and 64 others. It counts
the answers whose tokens, and those whose log-probabilities to the last bit, are the same.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from generation import iter_records
from transformers import ContinuousBatchingConfig, GenerationConfig, PreTrainedModel

from seodang.inference.engine.contract import SamplingOptions, TokenRequest, TokenStep
from seodang.inference.engine.transformers_engine import TransformersEngine
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.models.loading import load_model, load_tokenizer

BASE = Path(__file__).resolve().parent.parent / "models" / "primer-base"
Prompts = Sequence[list[int]]
Answers = list[list[int]]


read_clock: Callable[[], float] = time.process_time


def make_prompts(count: int) -> Prompts:
    """Return prompts of mixed lengths: with 0 to 3 few-shot examples."""
    encoder, rng, prompts = PromptEncoder(load_tokenizer(BASE), "koalpaca"), random.Random(1446), []
    for record, examples in islice(iter_records(2 * count, 3), count):
        shots = [encoder.encode_few_shot_example(example) for example in examples[: rng.randrange(4)]]
        prompts.append(encoder.encode_prompt(record, shots)[:400])
    rng.shuffle(prompts)
    return prompts


def make_request(prompt: list[int], new_tokens: int, vocab_size: int, **options: Any) -> TokenRequest:
    """Return a greedy request that no token ends."""
    stop_ids = frozenset({vocab_size})
    return TokenRequest(tuple(prompt), SamplingOptions(max_new_tokens=new_tokens, stop_ids=stop_ids, **options))


async def answer_with_clients(
    engine: TransformersEngine, requests: Sequence[TokenRequest], clients: int
) -> list[list[TokenStep]]:
    """Return the steps of all answers; `clients` requests are open at any time."""
    answers: list[list[TokenStep]] = [[] for _ in requests]
    waiting = iter(range(len(requests)))

    async def work() -> None:
        for index in waiting:
            answers[index] = [step async for step in engine.submit(requests[index])]

    await asyncio.gather(*(work() for _ in range(clients)))
    return answers


def answer_with_engine(
    model: PreTrainedModel, prompts: Prompts, new_tokens: int, clients: int, fixed: bool = False
) -> float:
    """Return the seconds that the engine takes, without its start; its prefix cache is empty at first."""

    async def run() -> float:
        engine = TransformersEngine(model, [], deterministic=fixed)
        requests = [make_request(prompt, new_tokens, model.config.vocab_size) for prompt in prompts]
        started = read_clock()
        answers = await answer_with_clients(engine, requests, clients)
        seconds = read_clock() - started
        await engine.close(0)
        assert all(len(steps) == new_tokens for steps in answers)
        return seconds

    return asyncio.run(run())


def answer_one_at_a_time(model: PreTrainedModel, prompts: Prompts, new_tokens: int, _clients: int) -> float:
    """Return the seconds that generate() takes, as the service did before the engine."""
    untyped_model: Any = model  # transformers types generate() for another class
    config = GenerationConfig(
        max_new_tokens=new_tokens, do_sample=False, eos_token_id=model.config.vocab_size, pad_token_id=0
    )
    started = read_clock()
    for prompt in prompts:
        ids = torch.tensor([prompt], device=model.device)
        untyped_model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config)
    return read_clock() - started


def answer_with_manager(model: PreTrainedModel, prompts: Prompts, new_tokens: int, clients: int) -> float:
    """Return the seconds that transformers' manager takes for batches of `clients` prompts, without its start."""
    untyped_model: Any = model
    config = GenerationConfig(max_new_tokens=new_tokens, do_sample=False, eos_token_id=-1, pad_token_id=0)
    manager = untyped_model.init_continuous_batching(
        generation_config=config,
        continuous_batching_config=ContinuousBatchingConfig(num_blocks=1024, max_batch_tokens=256, page_size=32),
    )
    manager.start()
    try:
        started, sent, done = read_clock(), 0, 0
        while done < len(prompts):
            while sent < len(prompts) and sent - done < clients:
                manager.add_request(prompts[sent], max_new_tokens=new_tokens)
                sent += 1
            result = manager.get_result(timeout=60)
            if result is None:
                raise TimeoutError("the manager does not answer")
            done += result.is_finished()
        return read_clock() - started
    finally:
        manager.stop(block=True)


TOOLS: dict[str, Callable[[PreTrainedModel, Prompts, int, int], float]] = {
    "ours": answer_with_engine,
    "ours-fixed": partial(answer_with_engine, fixed=True),
    "generate": answer_one_at_a_time,
    "manager": answer_with_manager,
}


def print_speed(model: PreTrainedModel, options: argparse.Namespace) -> None:
    """Print output tokens per second."""
    prompts = make_prompts(options.answers)
    print(f"| clients | {' | '.join(options.tools)} |\n|{'---|' * (len(options.tools) + 1)}")
    for clients in options.clients:
        rates: dict[str, list[float]] = {name: [] for name in options.tools}
        sample = prompts[: max(8, min(len(prompts), 4 * clients))]
        for _run in range(options.runs):
            for name in options.tools:
                seconds = TOOLS[name](model, sample, options.new_tokens, clients)
                rates[name].append(len(sample) * options.new_tokens / seconds)
        cells = [f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})" for values in rates.values()]
        print(f"| {clients} | {' | '.join(cells)} |", flush=True)


def print_equality(model: PreTrainedModel, options: argparse.Namespace) -> None:
    """Print the number of answers that do not depend on what else is running."""

    async def run(fixed: bool) -> None:
        engine = TransformersEngine(model, [], deterministic=fixed)
        alone = await answer_with_clients(engine, requests, 1)
        for clients in (2, 5, 17, 65):
            together = await answer_with_clients(engine, requests, clients)
            tokens = sum(
                [step.token for step in first] == [step.token for step in second]
                for first, second in zip(alone, together, strict=True)
            )
            equal = sum(first == second for first, second in zip(alone, together, strict=True))
            mode = "fixed" if fixed else "standard"
            print(f"| {mode} | {clients - 1} | {len(requests)} | {tokens} | {equal} |", flush=True)
        await engine.close(0)

    prompts = make_prompts(options.prompts)
    requests = [make_request(prompt, 24, model.config.vocab_size, top_logprobs=1) for prompt in prompts]
    print("\n| shapes | others | answers | equal tokens | equal bits |\n|---|---|---|---|---|")
    for fixed in (False, True):
        asyncio.run(run(fixed))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--answers", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=300, help="0: no second table")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--clock", choices=["cpu", "wall"], default="cpu", help="cpu: of the process, all threads")
    options = parser.parse_args()
    if options.clock == "wall":
        global read_clock
        read_clock = time.perf_counter
    torch.set_num_threads(options.threads)
    model = load_model(BASE, options.precision, options.device)
    if options.runs:
        print_speed(model, options)
    if options.prompts:
        print_equality(model, options)


if __name__ == "__main__":
    main()
