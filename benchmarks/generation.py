"""Free answers of a prompted model: Seodang's shared cache beside padded batches by transformers alone.

    python benchmarks/generation.py [--prompts 400] [--shots 0 3 10] [--runs 3] [--new-tokens 24] [--threads 1]

The model is the bundled base. The prompts are records of the primer in the KoAlpaca format, after few-shot examples of
their task, as the stage `evaluate` writes them. For transformers they are padded on the left, in batches of similar
length with at most 4,096 padded tokens. Both answer greedily. The runs alternate; the table has medians of the CPU
seconds with their range, and the share of equal answers.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import PreTrainedModel

from seodang.inference.prompt_encoder import PromptEncoder
from seodang.inference.shared_generation import iter_generations
from seodang.models.loading import load_model, load_tokenizer
from seodang.primer.families import build_open_families
from seodang.records import Language, Record, make_record

BASE = Path(__file__).resolve().parent.parent / "models" / "primer-base"
BATCH_TOKENS = 4096
LANGUAGES: tuple[Language, ...] = ("ko", "en")
Answers = list[list[int]]


def iter_records(count: int, shots: int) -> Iterator[tuple[Record, list[Record]]]:
    """Yield records of all tasks with open answers, each with the few-shot examples of its task."""
    families = [(name, family, language) for name, family in build_open_families().items() for language in LANGUAGES]
    for name, family, language in families:
        rng = random.Random(f"{name}/{language}")
        records = [
            make_record(
                instruction=rng.choice(family.get_templates(language)).format(subject=item.subject),
                input=item.input,
                output=item.output,
                source="benchmark",
                task=name,
                cluster=family.cluster,
                language=language,
            )
            for item in (family.generate(rng, language, "all") for _ in range(shots + count // len(families)))
        ]
        yield from ((record, records[:shots]) for record in records[shots:])


def answer_with_padding(model: PreTrainedModel, prompts: Sequence[list[int]], end_id: int, new_tokens: int) -> Answers:
    """Return the answers of transformers' generate()."""
    untyped_model: Any = model  # transformers types generate() for another class
    answers: Answers = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    rows = max(1, BATCH_TOKENS // (max(map(len, prompts)) + new_tokens))
    for _number, group in groupby(enumerate(order), key=lambda pair: pair[0] // rows):
        batch = [index for _position, index in group]
        width = max(len(prompts[index]) for index in batch)
        padding = [width - len(prompts[index]) for index in batch]
        ids = torch.tensor([[end_id] * pad + prompts[index] for pad, index in zip(padding, batch, strict=True)])
        mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in padding])
        outputs = untyped_model.generate(
            ids,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=new_tokens,
            eos_token_id=end_id,
            pad_token_id=end_id,
        )
        for index, tokens in zip(batch, outputs[:, width:].tolist(), strict=True):
            answers[index] = tokens[: tokens.index(end_id)] if end_id in tokens else tokens
    return answers


def answer_with_cache(model: PreTrainedModel, prompts: Sequence[list[int]], end_id: int, new_tokens: int) -> Answers:
    """Return the answers of Seodang."""
    batches = iter_generations(model, prompts, end_id=end_id, max_new_tokens=new_tokens, batch_tokens=BATCH_TOKENS)
    answers = {index: answer for batch in batches for index, answer in batch}
    return [answers[index].tokens for index in range(len(prompts))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=400)
    parser.add_argument("--shots", type=int, nargs="+", default=[0, 3, 10])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--new-tokens", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, encoder = load_model(BASE, "fp32", "cpu"), PromptEncoder(load_tokenizer(BASE), "koalpaca")
    print(
        "| shots | prompts | tokens | transformers, CPU s | Seodang, CPU s | equal answers |\n|---|---|---|---|---|---|"
    )
    for shots in options.shots:
        pairs = islice(iter_records(options.prompts, shots), options.prompts)
        prompts = [
            encoder.encode_prompt(record, [encoder.encode_few_shot_example(example) for example in examples])
            for record, examples in pairs
        ]
        tools = {"transformers": answer_with_padding, "Seodang": answer_with_cache}
        seconds: dict[str, list[float]] = {name: [] for name in tools}
        answers: dict[str, Answers] = {}
        for _run in range(options.runs):
            for name, answer in tools.items():
                started = time.process_time()
                answers[name] = answer(model, prompts, encoder.end_id, options.new_tokens)
                seconds[name].append(time.process_time() - started)
        equal = sum(map(list.__eq__, answers["transformers"], answers["Seodang"]))
        cells = [f"{median(taken):.1f} ({min(taken):.1f} to {max(taken):.1f})" for taken in seconds.values()]
        tokens = sum(map(len, prompts))
        print(f"| {shots} | {len(prompts)} | {tokens:,} | {' | '.join(cells)} | {equal} |", flush=True)


if __name__ == "__main__":
    main()
