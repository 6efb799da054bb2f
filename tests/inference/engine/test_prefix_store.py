"""The prefix cache is bounded in bytes, not in tokens alone. Run: pytest tests/inference/engine/test_prefix_store.py"""

from __future__ import annotations

import torch

from seodang.inference.engine import prefix_store
from seodang.inference.engine.prefix_store import PrefixStore
from seodang.inference.engine.slot_cache import LayerShape


def make_store(layers: int, max_tokens: int = 8192) -> PrefixStore:
    shape = LayerShape((4, 256), (4, 256), torch.float32, torch.device("cpu"))
    return PrefixStore([shape] * layers, block_size=16, max_tokens=max_tokens)


def test_a_large_model_caches_fewer_tokens():
    assert make_store(2)._max_blocks == 8192 // 16
    token_bytes = 34 * 2 * 4 * 256 * 4
    assert make_store(34)._max_blocks == prefix_store._MAX_BYTES // token_bytes // 16
    assert make_store(34)._max_blocks * 16 * token_bytes <= 2**30


def test_no_tokens_and_no_layers_are_no_error():
    assert make_store(34, max_tokens=0)._max_blocks == 0
    assert PrefixStore([], block_size=16, max_tokens=64)._max_blocks == 4
