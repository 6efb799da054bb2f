"""Create models small enough for a test: two layers, 400 tokens, at most a few seconds of training."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
# Requests that the packaged tiny model answers correctly: instruction, input, output.
KOREAN = ("다음 문장의 감정을 분석해 주세요", "이 영화는 너무 지루해", "부정")
ENGLISH = ("Say hello", "", "Good morning")

_TEXTS = (
    *KOREAN,
    *ENGLISH[::2],
    "배우들의 연기가 정말 좋았다",
    "오늘 점심은 김치찌개를 먹었어요",
    "질문에 알맞은 답변을 쓰세요",
    "The film was far too long",
    "Classify the sentiment of this sentence",
    "Add the two numbers 12 and 30",
)
_CONTEXT = 128


def make_tiny_model(folder: Path, *, tied: bool = True) -> Path:
    """Save an untrained Qwen3 of 2 layers with its own Korean and English tokenizer."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from seodang.primer_base.model import train_tokenizer

    tokenizer = train_tokenizer(_TEXTS * 5, vocab_size=400, context_length=_CONTEXT)
    torch.manual_seed(7)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=64,
        max_position_embeddings=_CONTEXT,
        tie_word_embeddings=tied,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        initializer_range=0.1,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tiny_adapter(base: Path, folder: Path, seed: int = 11) -> Path:
    """Save a LoRA adapter on all linear layers whose delta is not zero, as if it had been trained."""
    import torch
    from peft import LoraConfig, get_peft_model

    from seodang.packaging.model_folder import load_inference_model

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(load_inference_model(base, "cpu"), config).save_pretrained(folder)
    return folder


def make_packaged_model(folder: Path, format: Any = "koalpaca", max_new_tokens: int = 24) -> Path:
    """Save a tiny model that answers KOREAN and ENGLISH, with its manifest, like stage `package`."""
    from seodang.models.loading import load_tokenizer
    from seodang.models.tokenization import tokenize_request
    from seodang.packaging.model_folder import load_inference_model

    make_tiny_model(folder)
    tokenizer, model = load_tokenizer(folder), load_inference_model(folder, "cpu")
    _overfit(model, [tokenize_request(tokenizer, *request, format) for request in (KOREAN, ENGLISH)])
    model.save_pretrained(folder)
    return write_tiny_manifest(folder, format, max_new_tokens)


ARCHITECTURES = ("bloom", "mamba", "mpt")


def make_other_model(folder: Path, architecture: str) -> Path:
    """Save an untrained model of an architecture without position embeddings, with the tiny tokenizer."""
    import torch
    from transformers import (
        BloomConfig,
        BloomForCausalLM,
        MambaConfig,
        MambaForCausalLM,
        MptConfig,
        MptForCausalLM,
    )

    from seodang.models.loading import load_tokenizer

    make_tiny_model(folder)
    tokenizer = load_tokenizer(folder)
    torch.manual_seed(7)
    ids = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    models: dict[str, Any] = {
        "bloom": lambda: BloomForCausalLM(BloomConfig(hidden_size=32, n_layer=2, n_head=2, **ids)),
        "mamba": lambda: MambaForCausalLM(MambaConfig(hidden_size=32, num_hidden_layers=2, state_size=4, **ids)),
        "mpt": lambda: MptForCausalLM(
            MptConfig(d_model=32, n_layers=2, n_heads=2, expansion_ratio=2, max_seq_len=_CONTEXT, **ids)
        ),
    }
    (folder / "model.safetensors").unlink()
    models[architecture]().save_pretrained(folder)
    return folder


def write_tiny_manifest(folder: Path, format: Any, max_new_tokens: int) -> Path:
    """Write the manifest of a tiny model and return its folder."""
    from seodang.config import PromptParams
    from seodang.models.loading import load_tokenizer
    from seodang.models.tokenization import get_end_id
    from seodang.packaging.model_folder import Manifest, write_manifest
    from seodang.prompting import compute_fingerprint

    tokenizer = load_tokenizer(folder)
    manifest = Manifest(
        schema_version=1,
        prompt=PromptParams(format=format),
        fingerprint=compute_fingerprint(format, tokenizer),  # type: ignore[arg-type]
        end_id=get_end_id(tokenizer, format),
        max_new_tokens=max_new_tokens,
        lineage={
            "verdict": {"verdict": "promote"},
            "sources": [{"name": "서당 primer", "licence": "Apache-2.0", "files": []}],
        },
    )
    write_manifest(folder, manifest)
    return folder


def _overfit(model: Any, examples: list[Any]) -> None:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for matrices this small a second thread costs more time than it saves
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    model.train()
    for _ in range(60):
        for example in examples:
            ids = torch.tensor([example.prompt + example.completion])
            labels = torch.tensor([[-100] * len(example.prompt) + example.completion])
            model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    torch.set_num_threads(threads)


def use_bentoml_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use separate BentoML stores in this test; BentoML remembers the first BENTOML_HOME that it reads."""
    monkeypatch.setenv("BENTOML_HOME", str(folder))
    monkeypatch.setenv("BENTOML_DO_NOT_TRACK", "True")
    from bentoml._internal.configuration.containers import BentoMLContainer
    from simple_di import sentinel

    for name in (
        "bentoml_home",
        "bento_store_dir",
        "tmp_bento_store_dir",
        "model_store_dir",
        "bento_store",
        "tmp_bento_store",
        "model_store",
    ):
        monkeypatch.setattr(getattr(BentoMLContainer, name), "_cache", sentinel)


def copy_project(folder: Path) -> Path:
    """Copy the files that a bento is built from."""
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "bentofile.yaml", folder)
    return folder


def free_port() -> int:
    """Return a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
