"""A project with the real stages, a tiny model and few records, whose model is promoted and packaged within a minute.

For chaos.py and orchestration.py. Everything is committed, so that flows can work on it too.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent
_AUTHOR: Final = ("-c", "user.name=seodang", "-c", "user.email=seodang@localhost")
_COPIED: Final = (
    "dvc.yaml",
    "inputs.lock",
    "bentofile.yaml",
    "prefect.yaml",
    "profiles",
    "registry",
    "tasks",
    "flows",
    "src",
)
_IGNORED: Final = "/artifacts/\n/.seodang/\n/bentoml/\n/site-cache/\n__pycache__/\n"
_CONTEXT: Final = 128  # tokens that the tiny model reads
_TEXTS: Final = (
    "배우들의 연기가 정말 좋았다",
    "오늘 점심은 김치찌개를 먹었어요",
    "질문에 알맞은 답변을 쓰세요",
    "The film was far too long",
    "Classify the sentiment of this sentence",
    "Add the two numbers 12 and 30",
)
OVERLAY: Final[Mapping[str, Any]] = {
    "model": {"name": "miniature", "source": "path", "path": "models/primer-base", "sha256": None},
    "ingest": {
        "primer": {"seed": 1, "sentiment_per_language": 20, "classification_per_language": 6, "open_per_language": 4}
    },
    "expectations": {"actions": {"too_many_tokens": "off"}},
    "train": {
        **{"epochs": 3.0, "rank": 4, "alpha": 8, "max_length": 96, "batch_size": 4, "logging_steps": 20},
        **{"save_steps": 10, "minimum_eos_ratio": 0.0},
    },
    "evaluate": {
        **{"items_per_task": 3, "calibrate_base": False, "generations_per_task": 1, "max_new_tokens": 4},
        **{"generations_per_free_text_task": 1, "shots": [0, 1], "base_formats": ["koalpaca"]},
    },
    "gate": {  # training lowers the loss of an untrained model by far
        **{"minimum_items": 1, "resamples": 1000, "default_rules": [], "default_thresholds": [], "thresholds": []},
        "rules": [{"against": "base", "test": "superiority", "metric": "loss"}],
    },
    "package": {"name": "miniature", "parity_prompts": 2, "parity_tokens": 4},
}


def make_miniature(folder: Path) -> Path:
    """Create the project in a new folder and return the folder.

    Raises:
        CalledProcessError: If git or DVC fails.
    """
    import yaml

    from seodang.config.load import merge_overlay
    from seodang.config.profiles import read_starter

    folder.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy(source, folder / name)
    (folder / "data").mkdir()
    shutil.copy(ROOT / "data" / "README.md", folder / "data")
    _save_tiny_model(folder / "models" / "primer-base")
    shutil.copy(ROOT / "models" / "primer-base" / "replay.jsonl", folder / "models" / "primer-base")
    params = merge_overlay(read_starter(), OVERLAY)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True, sort_keys=False), "utf-8")
    (folder / ".gitignore").write_text(_IGNORED, "utf-8")
    environment = build_environment(folder)
    for command in (
        ["git", "init", "-q", "-b", "main"],
        [str(BIN / "dvc"), "init", "-q"],
        ["git", "add", "-A"],
        ["git", *_AUTHOR, "commit", "-q", "-m", "start"],
    ):
        subprocess.run(command, cwd=folder, env=environment, check=True)
    return folder


def build_environment(project: Path) -> dict[str, str]:
    """Return the environment of commands in a miniature: its own code, BentoML store, and database of DVC."""
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": f"{project / 'src'}{os.pathsep}{project}",
        "BENTOML_HOME": str(project / "bentoml"),
        "DVC_SITE_CACHE_DIR": str(project / "site-cache"),
        "DVC_NO_ANALYTICS": "1",
        "DO_NOT_TRACK": "1",
        "SEODANG_LANG": "en",
    }


def _save_tiny_model(folder: Path) -> None:
    """Save an untrained Qwen3 of 2 layers with its own Korean and English tokenizer."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from seodang.primer_base.model import train_tokenizer

    tokenizer = train_tokenizer(_TEXTS * 5, vocab_size=400, context_length=_CONTEXT)
    torch.manual_seed(7)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}
    tokens = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    settings: dict[str, Any] = {**sizes, **heads, **tokens, "tie_word_embeddings": True, "initializer_range": 0.1}
    config = Qwen3Config(vocab_size=len(tokenizer), max_position_embeddings=_CONTEXT, **settings)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@contextmanager
def serve_prefect(home: Path) -> Iterator[dict[str, str]]:
    """Run a Prefect server for the duration of the block; yield the variables that its clients need.

    Args:
        home: Folder for the database and the log.

    Raises:
        RuntimeError: If the server does not start.
    """
    home.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (
        (home / "server.log").open("w") as log,
        subprocess.Popen(command, cwd=home, env={**os.environ, **variables}, stdout=log, stderr=log) as server,
    ):
        try:
            while not _answers(f"{variables['PREFECT_API_URL']}/health"):
                if server.poll() is not None:
                    raise RuntimeError((home / "server.log").read_text())
                time.sleep(0.5)
            yield variables
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as response:
            return bool(json.load(response) is True)
    except (OSError, ValueError):
        return False
