"""The service beside other servers, over HTTP on loopback, loaded by AIPerf.

    python benchmarks/serving.py [--model artifacts/package/model] [--gguf FILE] [--clients 1 4 16 64] [--rate 4]
                                 [--runs 3] [--new-tokens 64] [--requests 4] [--threads 1] [--folder .seodang/serving]
                                 [--servers ours one-at-a-time transformers llama.cpp]

The servers are Seodang's service, the same service with one request at a time, `transformers serve` with continuous
batching from this environment, and the server of llama-cpp-python on the exported GGUF file (without --gguf it is left
out). All run; those that are not measured are halted. They are measured in turn at each load: a number of clients, each
of which sends its next request when its answer is complete, and random arrivals at a rate, whatever is open. AIPerf and
what the other servers need is installed into --folder first; llama-cpp-python is compiled, which takes 10 minutes.

Answers are streamed, but for one load of one client, and have --new-tokens tokens, with greedy decoding. Prompts have
mixed lengths, and no server gets a prompt twice. There are --requests requests per client, at least 8. The first table
has medians of all runs with their range; times in the second one are those of all requests of all runs. The third one
compares one client with the model alone in a process of its own: transformers' generate(), and the engine without HTTP.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from serving_environments import AIPERF, LLAMA, OPENAI, make_environment
from serving_load import Level, Measurement, draw_texts, run_level
from serving_processes import Server, ServerSpec, run_servers

HERE = Path(__file__).resolve().parent
Results = dict[tuple[str, str], list[Measurement]]
_MIN_REQUESTS = 8
_CHECKED_TEXTS = 8


def call_here(call: str) -> list[str]:
    """Return the command that calls a function of serving_app.py in a process of its own."""
    return [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import serving_app; serving_app.{call}",
    ]


def build_ours(options: argparse.Namespace, port: int, name: str, max_running: int) -> ServerSpec:
    """Return the service with a number of requests that run together."""
    command = call_here(f"serve({str(options.model)!r}, {port}, {max_running})")
    fields = {"ignore_eos": True, "temperature": 0.0}
    return ServerSpec(name, command, port, "benchmark", fields)


def build_transformers(options: argparse.Namespace, port: int) -> ServerSpec | None:
    """Return transformers' server; its cache gets a fixed size, by default it takes most of the memory."""
    python = make_environment(options.folder / "transformers", OPENAI, extends=True)
    dtype = json.loads((options.model / "config.json").read_text("utf-8"))["dtype"]
    config = {"do_sample": False, "eos_token_id": -1, "pad_token_id": 0, "max_new_tokens": options.new_tokens}
    command = [
        *(str(python), "-m", "transformers.cli.transformers", "serve", str(options.model), "--continuous-batching"),
        *("--device", "cpu", "--dtype", dtype, "--host", "127.0.0.1", "--port", str(port)),
        *("--cb-num-blocks", "1024", "--cb-block-size", "32", "--cb-max-batch-tokens", "256"),
    ]
    fields = {"generation_config": json.dumps(config)}
    return ServerSpec("transformers", command, port, str(options.model), fields, echoes_prompt=True) if python else None


def build_llama(options: argparse.Namespace, port: int) -> ServerSpec | None:
    """Return the server of llama-cpp-python, which must not interrupt an answer for the next request."""
    python = make_environment(options.folder / "llama", LLAMA)
    command = [
        *(str(python), "-m", "llama_cpp.server", "--model", str(options.gguf), "--n_ctx", "0"),
        *("--interrupt_requests", "False", "--n_threads", str(options.threads)),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    end_ids = json.loads((options.model / "generation_config.json").read_text("utf-8"))["eos_token_id"]
    ends = end_ids if isinstance(end_ids, list) else [end_ids]
    fields = {"temperature": 0.0, "logit_bias": {str(end): -100.0 for end in ends}}
    return ServerSpec("llama.cpp", command, port, "benchmark", fields) if python else None


SERVERS: dict[str, Callable[[argparse.Namespace, int], ServerSpec | None]] = {
    "ours": lambda options, port: build_ours(options, port, "ours", 64),
    "one-at-a-time": lambda options, port: build_ours(options, port, "one-at-a-time", 1),
    "transformers": build_transformers,
    "llama.cpp": build_llama,
}


def find_free_port() -> int:
    """Return a port that no program uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check_answers(servers: Sequence[Server], new_tokens: int) -> None:
    """Check the length of answers, and print how many greedy answers are those of the first server.

    Raises:
        RuntimeError: If an answer has another length.
    """
    texts = draw_texts(_CHECKED_TEXTS, "check")
    answers: dict[str, list[str]] = {}
    for server in servers:
        server.resume()
        usage = server.ask(texts[0], max_tokens=new_tokens, **server.spec.fields)["usage"]
        if usage["completion_tokens"] != new_tokens:
            raise RuntimeError(f"{server.spec.name} answers with {usage}")
        answers[server.spec.name] = [_read_text(server, text, new_tokens) for text in texts]
        server.halt()
    first = answers[servers[0].spec.name]
    for name, others in answers.items():
        equal = sum(other.endswith(one) for one, other in zip(first, others, strict=True))
        print(f"{name}: {equal} of {len(texts)} greedy answers are those of {servers[0].spec.name}", flush=True)


def _read_text(server: Server, text: str, new_tokens: int) -> str:
    """Return a greedy answer that ends where the model ends it; transformers' server puts the prompt before it."""
    answer = server.ask(text, max_tokens=new_tokens, temperature=0.0)["choices"][0]["message"]["content"]
    return re.sub(r"<[^<>]*>$", "", answer).strip()  # transformers' server leaves the end token at the end


def measure_alone(options: argparse.Namespace, seed: str) -> dict[str, list[list[float]]]:
    """Return [wall, CPU] seconds of answers without HTTP, by transformers' generate() and by the engine."""
    command = call_here(f"measure({str(options.model)!r}, {options.new_tokens})")
    texts = json.dumps(draw_texts(_MIN_REQUESTS, seed))
    completed = subprocess.run(command, input=texts, capture_output=True, text=True, check=True)
    seconds: dict[str, list[list[float]]] = json.loads(completed.stdout)
    return seconds


def format_range(values: Sequence[float], digits: int = 1) -> str:
    """Return the median with the range."""
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def format_percentiles(seconds: Sequence[float], digits: int) -> str:
    """Return the percentiles 50, 95 and 99 in ms."""
    ordered = sorted(seconds)
    picked = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95, 0.99)]
    return " / ".join(f"{1000 * value:,.{digits}f}" for value in picked)


def print_tables(results: Results, new_tokens: int) -> None:
    """Print throughput and latencies."""
    print("\n| load | server | requests/s | output tokens/s | tokens per CPU second | memory, MiB |")
    print("|---|---|---|---|---|---|")
    for (level, name), runs in results.items():
        rates = [run.requests / run.seconds for run in runs]
        work = [run.requests * new_tokens / run.cpu_seconds for run in runs]
        memory = f"{runs[0].memory / 2**20:,.0f} to {runs[-1].memory / 2**20:,.0f}"
        tokens = format_range([rate * new_tokens for rate in rates], 0)
        print(f"| {level} | {name} | {format_range(rates)} | {tokens} | {format_range(work, 0)} | {memory} |")
    print(
        "\n| load | server | first token, ms | time per further token, ms | whole answer, ms |\n|---|---|---|---|---|"
    )
    for (level, name), runs in results.items():
        if not runs[0].first:
            continue
        first = format_percentiles([value for run in runs for value in run.first], 0)
        gaps = format_percentiles([value for run in runs for value in run.gaps], 1)
        latencies = format_percentiles([value for run in runs for value in run.latencies], 0)
        print(f"| {level} | {name} | {first} | {gaps} | {latencies} |")


def print_overhead(results: Results, alone: Sequence[dict[str, list[list[float]]]]) -> None:
    """Print answers to one client over HTTP beside those of the model alone."""
    print("\n| one client | wall, ms | CPU, ms |\n|---|---|---|")
    for name in ("generate", "engine"):
        runs = [[1000 * median(pair[clock] for pair in run[name]) for run in alone] for clock in (0, 1)]
        print(f"| {name}, without HTTP | {' | '.join(format_range(values) for values in runs)} |")
    for (level, name), measured in results.items():
        if level.partition(",")[0] == "1":
            wall = format_range([1000 * median(run.latencies) for run in measured])
            cpu = format_range([1000 * run.cpu_seconds / run.requests for run in measured])
            print(f"| {name}{level[1:]} | {wall} | {cpu} |")


def measure(options: argparse.Namespace, aiperf: Path) -> None:
    """Measure all servers at all loads, in turn."""
    levels = [Level(clients, None, max(_MIN_REQUESTS, options.requests * clients)) for clients in options.clients]
    if 1 in options.clients:
        levels.insert(0, Level(1, None, max(_MIN_REQUESTS, options.requests), is_streamed=False))
    if options.rate:
        levels.append(Level(None, options.rate, max(_MIN_REQUESTS, int(10 * options.rate))))
    specs = [spec for name in options.servers if (spec := SERVERS[name](options, find_free_port()))]
    results: Results = {}
    alone = []
    with run_servers(specs, options.folder / "logs") as servers:
        check_answers(servers, options.new_tokens)
        for run in range(options.runs):
            alone.append(measure_alone(options, f"{run}/alone"))
            for level in levels:
                for server in servers[run % len(servers) :] + servers[: run % len(servers)]:
                    measured = run_level(
                        aiperf,
                        server,
                        level,
                        seed=f"{run}/{level}",
                        new_tokens=options.new_tokens,
                        tokenizer=options.model,
                        folder=options.folder / "records",
                    )
                    rate = measured.requests * options.new_tokens / measured.seconds
                    print(f"run {run + 1}, {level}, {server.spec.name}: {rate:,.0f} tokens/s", flush=True)
                    results.setdefault((str(level), server.spec.name), []).append(measured)
    order = {(str(level), spec.name): None for level in levels for spec in specs}
    ordered = {key: results[key] for key in order}
    print_tables(ordered, options.new_tokens)
    print_overhead(ordered, alone)


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("artifacts/package/model"), help="packaged model")
    parser.add_argument("--gguf", type=Path, help="the same model, exported")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 4, 16, 64])
    parser.add_argument("--rate", type=float, default=4, help="requests per second; 0: no such load")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--requests", type=int, default=4, help="per client")
    parser.add_argument("--threads", type=int, default=1, help="of each server; AIPerf needs a core")
    parser.add_argument("--folder", type=Path, default=Path(".seodang/serving"), help="for environments and records")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS))
    options = parser.parse_args()
    options.model, options.folder = options.model.resolve(), options.folder.resolve()
    if options.gguf is None:
        options.servers = [name for name in options.servers if name != "llama.cpp"]
    os.environ |= {"OMP_NUM_THREADS": str(options.threads), "TOKENIZERS_PARALLELISM": "false"}
    aiperf = make_environment(options.folder / "aiperf", AIPERF)
    if aiperf is None:
        raise SystemExit("without AIPerf nothing is measured")
    measure(options, aiperf)


if __name__ == "__main__":
    main()
