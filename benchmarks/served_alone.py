"""Whether a greedy answer depends on what else is running, over HTTP.

    python benchmarks/served_alone.py --model FOLDER [--requests 128] [--clients 1 4 16 64] [--new-tokens 64]
        [--port 8710] [--json FILE]

FOLDER is a packaged model. Requests to /v1/completions and /v1/chat/completions have prompts of mixed lengths, and
mixed limits, stop texts, biases, penalties and log-probabilities. Each one is first sent alone. Then all are sent by
several clients at a time, in another order. A quarter of the clients send sampled requests in between. An answer is
equal if it has the same tokens and the same text.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from served_process import run_server

from seodang.packaging.model_folder import read_manifest
from seodang.primer.generator import iter_primer_records

Request = tuple[str, dict[str, Any]]
Answer = tuple[str, list[str], str]
"""Text, tokens, and finish reason."""


def main() -> None:
    """Send the requests and print a table."""
    options = _parse_options()
    limit = min(options.new_tokens, read_manifest(options.model).max_new_tokens)
    requests = build_requests(options.requests, limit)
    rows = []
    with run_server(options.model, options.port) as url:
        alone = [ask(url, request) for request in requests]
        for clients in options.clients:
            together = ask_together(url, requests, clients)
            equal = sum(a == b for a, b in zip(alone, together, strict=True))
            rows.append({"clients": clients, "answers": len(requests), "equal": equal})
    tokens = sum(len(tokens) for _text, tokens, _reason in alone)
    print(f"{len(requests)} answers with {tokens} tokens\n| clients | answers | equal |\n|---|---|---|")
    for row in rows:
        print(f"| {row['clients']} | {row['answers']} | {row['equal']} |")
    if options.json:
        options.json.write_text(json.dumps({"tokens": tokens, "rows": rows}), "utf-8")


def build_requests(count: int, limit: int) -> list[Request]:
    """Return greedy requests with mixed lengths and options."""
    rng = random.Random(16)
    records = list(
        iter_primer_records(seed=16, classification_per_language=4, sentiment_per_language=4, open_per_language=4)
    )
    requests: list[Request] = []
    for number in range(count):
        record = rng.choice(records)
        text = f"{record.instruction}\n{record.input}".strip()[: rng.choice([8, 20, 40])]
        body: dict[str, Any] = {"max_tokens": rng.randint(1, limit), "temperature": 0}
        body |= rng.choice([{}, {"stop": ["다", "."]}, {"logit_bias": {"20": 5, "30": -100}}])
        body |= rng.choice([{}, {"presence_penalty": 0.5, "frequency_penalty": 0.5}])
        if number % 2:
            body |= {"messages": [{"role": "user", "content": text}], "logprobs": True, "top_logprobs": number % 3}
            requests.append(("/v1/chat/completions", body))
        else:
            requests.append(
                ("/v1/completions", {**body, "prompt": text, "logprobs": number % 3, "echo": number % 4 == 0})
            )
    return requests


def ask(url: str, request: Request) -> Answer:
    """Return the answer to a request."""
    path, body = request
    message = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(message, timeout=300) as response:
        choice = json.loads(response.read())["choices"][0]
    if "message" in choice:
        tokens = [token["token"] for token in choice["logprobs"]["content"]]
        return choice["message"]["content"], tokens, choice["finish_reason"]
    return choice["text"], choice["logprobs"]["tokens"], choice["finish_reason"]


def ask_together(url: str, requests: Sequence[Request], clients: int) -> list[Answer]:
    """Return the answers to requests that several clients send, beside sampled ones."""
    order = list(range(len(requests)))
    random.Random(clients).shuffle(order)
    done = threading.Event()

    def disturb(number: int) -> None:
        body = {"prompt": "가" * (1 + number % 9), "max_tokens": 8, "temperature": 1.5, "logprobs": 0}
        while not done.is_set():
            ask(url, ("/v1/completions", body))

    with ThreadPoolExecutor(clients // 4 or 1) as others, ThreadPoolExecutor(clients - clients // 4) as pool:
        noise = [others.submit(disturb, number) for number in range(clients // 4)]
        try:
            answers = dict(zip(order, pool.map(lambda number: ask(url, requests[number]), order), strict=True))
        finally:
            done.set()
        for future in noise:
            future.result()
    return [answers[number] for number in range(len(requests))]


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=128)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--port", type=int, default=8710)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
