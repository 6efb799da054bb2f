"""The kernel computes the same as the models' own norms."""

import pytest
import torch
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.mistral.modeling_mistral import MistralRMSNorm
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from seodang.training.kernels.rms_norm import fuse_norms


def norm(kind, dtype):
    torch.manual_seed(1)
    layer = kind(24, eps=1e-5).to(dtype).requires_grad_(False)
    layer.weight.copy_(torch.randn(24) * 0.5 + 0.7)
    return layer


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "kind", [LlamaRMSNorm, MistralRMSNorm, Qwen2RMSNorm, Qwen3RMSNorm, GemmaRMSNorm, Gemma2RMSNorm, Gemma3RMSNorm]
)
def test_result_and_gradient_are_the_models_own(kind, dtype):
    states, upstream = (torch.randn(2, 5, 3, 24).to(dtype) for _ in range(2))
    results = []
    for fuse in (False, True):
        layer, x = norm(kind, dtype), states.clone().requires_grad_()
        assert fuse_norms(layer) == 1 if fuse else True
        result = layer(x)
        result.backward(upstream)
        assert result.dtype == x.grad.dtype == dtype
        results.append((result.detach().float(), x.grad.float()))
    tolerance = (
        {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.02}
    )  # bf16 has 8 digits
    for own, fused in zip(*results, strict=True):
        assert torch.allclose(own, fused, **tolerance)


def test_a_norm_that_is_learned_or_unknown_is_left_as_it_is():
    class LlamaRMSNormOfMine(LlamaRMSNorm): ...

    assert fuse_norms(LlamaRMSNorm(8)) == 0
    assert fuse_norms(LlamaRMSNormOfMine(8).requires_grad_(False)) == 0
