"""Cost of a guided token beside an unguided one in the token engine.

    python benchmarks/guides.py [--model models/primer-base] [--clients 1 16] [--new-tokens 128] [--runs 3]

All requests of a run are sent at once. They sample answers of --new-tokens tokens; the guided ones keep a JSON schema
of a long list. The runs alternate. The table has medians of CPU milliseconds per token on one thread, with their range.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from statistics import median

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from seodang.inference.engine.contract import Guide, SamplingOptions, TokenRequest
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.transformers_engine import TransformersEngine
from seodang.inference.guides.compiler import GuideCompiler
from seodang.inference.guides.grammars import build_grammar, build_schema_body
from seodang.models.loading import load_tokenizer
from seodang.packaging.model_folder import load_inference_model

BASE = Path(__file__).resolve().parent.parent / "models" / "primer-base"
PERSON = {
    "type": "object",
    "properties": {
        "이름": {"type": "string", "maxLength": 30},
        "나이": {"type": "integer", "minimum": 0, "maximum": 150},
    },
    "required": ["이름", "나이"],
    "additionalProperties": False,
}
SCHEMA = {"type": "array", "minItems": 1000, "items": PERSON}
_NO_TOKEN = frozenset({-1})


def measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, guide: Guide | None, clients: int, new_tokens: int
) -> float:
    """Return the CPU milliseconds per token of one run."""

    async def read(engine: TransformersEngine, number: int) -> int:
        prompt = tuple(tokenizer.encode(f"질문 {number}: 이름과 나이를 쓰세요.", add_special_tokens=False))
        options = SamplingOptions(new_tokens, temperature=0.8, seed=number, stop_ids=_NO_TOKEN, guide=guide)
        return len([step async for step in engine.submit(TokenRequest(prompt, options))])

    async def run() -> float:
        engine = TransformersEngine(model, [], Limits(max_running=64))
        start = time.process_time()
        tokens = sum(await asyncio.gather(*(read(engine, number) for number in range(clients))))
        seconds = time.process_time() - start
        await engine.close(1.0)
        return seconds / tokens * 1000

    return asyncio.run(run())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=BASE)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer, model = load_tokenizer(options.model), load_inference_model(options.model, "cpu")
    guide = GuideCompiler(tokenizer, tokenizer.eos_token_id).compile(build_grammar(build_schema_body(SCHEMA)))
    print("| clients | unguided ms/token | guided ms/token |\n|---|---|---|")
    for clients in options.clients:
        times: dict[bool, list[float]] = {False: [], True: []}
        for _run in range(options.runs):
            for is_guided, values in times.items():
                values.append(measure(model, tokenizer, guide if is_guided else None, clients, options.new_tokens))
        cells = [f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})" for values in times.values()]
        print(f"| {clients} | {cells[0]} | {cells[1]} |", flush=True)


if __name__ == "__main__":
    main()
