"""NEFTune: uniform noise whose size follows from the length of each record, not of the pass."""

import torch

from seodang.training.trainer import NeftuneNoise


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(10, 64)

    def get_input_embeddings(self):
        return self.embedding


def compute_noise(alpha, lengths):
    model = Model()
    noise = NeftuneNoise(model, alpha)
    noise.lengths = torch.tensor(lengths)
    ids = torch.ones((1, len(lengths[0])), dtype=torch.long)
    return model, ids, (model.embedding(ids) - model.embedding.weight[ids]).abs().amax(dim=-1)[0]


def test_each_token_s_noise_is_bounded_by_alpha_over_the_root_of_length_times_size():
    torch.manual_seed(0)
    _, _, sizes = compute_noise(5.0, [[4, 4, 100, 100]])
    bounds = torch.tensor([5 / (4 * 64) ** 0.5] * 2 + [5 / (100 * 64) ** 0.5] * 2)
    assert bool((sizes <= bounds).all())
    assert bool((sizes > 0.8 * bounds).all())  # of 64 uniform draws the largest is near the bound


def test_outside_training_there_is_none():
    model, ids, _ = compute_noise(5.0, [[4, 4]])
    model.eval()
    assert torch.equal(model.embedding(ids), model.embedding.weight[ids])
