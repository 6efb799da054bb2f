"""A program that scores items over the wire with lm-evaluation-harness. It runs in an environment of its own.

Run: python harness_client.py URL KEY ITEMS RESULTS --tokenizer DIR|remote [--max-length N]

ITEMS has one JSON object in a line: `id`, `context`, and either `options` (texts that may follow the context) or
`max_tokens`. RESULTS gets `id` with `log_likelihoods` or `answer`. With `--chat` the contexts are messages of a user.
"""

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import requests
from lm_eval import simple_evaluate
from lm_eval.api.task import ConfigurableTask

CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{context}}",
    "doc_to_choice": "{{options}}",
    "doc_to_target": 0,
    "target_delimiter": "",
    "metric_list": [{"metric": "acc"}],
}
GENERATE = {
    "output_type": "generate_until",
    "doc_to_text": "{{context}}",
    "doc_to_target": "",
    "metric_list": [{"metric": "exact_match"}],
}


def build_task(name: str, items: list[dict[str, Any]], folder: Path) -> ConfigurableTask:
    """Return the items as a task of the harness, which reads them from a file."""
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), "utf-8")
    kind = CHOICE if "options" in items[0] else GENERATE
    config = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(file)}, "cache_dir": str(folder / "cache")},
        "test_split": "test",
        **kind,
    }
    if kind is GENERATE:
        limit = items[0]["max_tokens"]
        config["generation_kwargs"] = {"until": [], "max_gen_toks": limit, "do_sample": False, "temperature": 0}
    return ConfigurableTask(config=config)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("items", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--max-length", type=int, default=2048)
    parser.add_argument("--chat", action="store_true")
    parser.add_argument("--batch-size", type=int, default=1)
    options = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = options.key
    items = [json.loads(line) for line in options.items.read_text("utf-8").splitlines()]
    groups = {
        "choices": [item for item in items if "options" in item],
        "answers": [item for item in items if "options" not in item],
    }
    tasks = [build_task(name, group, options.results.parent) for name, group in groups.items() if group]
    headers = {"Authorization": f"Bearer {options.key}"}
    models = requests.get(f"{options.url}/v1/models", headers=headers, timeout=30).json()["data"]
    arguments: dict[str, Any] = {"model": models[0]["id"], "max_length": options.max_length, "num_concurrent": 4}
    arguments["base_url"] = f"{options.url}/v1/{'chat/completions' if options.chat else 'completions'}"
    if options.tokenizer == "remote":
        arguments |= {"tokenizer_backend": "remote", "auth_token": options.key}
    elif not options.chat:
        arguments |= {"tokenizer_backend": "huggingface", "tokenizer": options.tokenizer}
    model = "local-chat-completions" if options.chat else "local-completions"
    evaluated = simple_evaluate(
        model=model,
        model_args=arguments,
        tasks=tasks,
        batch_size=options.batch_size,
        apply_chat_template=options.chat,
        log_samples=True,
        bootstrap_iters=0,
    )
    results = {}
    for name, samples in evaluated["samples"].items():
        for sample in samples:
            identity = sample["doc"]["id"]
            if name == "choices":
                results[identity] = {"log_likelihoods": [float(response[0][0]) for response in sample["resps"]]}
            else:
                results[identity] = {"answer": sample["resps"][0][0]}
    options.results.write_text(json.dumps(results, ensure_ascii=False), "utf-8")
    print(f"{model}: {len(results)} items", {name: len(group) for name, group in groups.items()})


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    main()
