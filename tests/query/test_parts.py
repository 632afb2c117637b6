"""Dynamic convolution and both attentions equal loops; seeds are peaks."""

from __future__ import annotations

import numpy as np
import torch
from query_scenes import bilinear
from torch import Tensor, nn

from fusion.heads.query.attention import BevAttention, SelfAttention
from fusion.heads.query.dynamic import DynamicConv
from fusion.heads.query.seeds import find_seeds


def normalise(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    return (x - x.mean()) / (x.var(unbiased=False) + norm.eps).sqrt() * norm.weight + norm.bias


def assert_same_with_gradients(got: Tensor, expected: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    weight = torch.randn(got.shape, generator=torch.Generator().manual_seed(1)).to(got.dtype)
    first, second = (torch.autograd.grad((value * weight).sum(), inputs, allow_unused=True) for value in (got, expected))
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_dynamic_convolution_equals_loops() -> None:
    torch.manual_seed(0)
    conv = DynamicConv(6, 3, 4).double()
    for norm in (conv.norm_hidden, conv.norm_region, conv.norm_out):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
    query, region = torch.randn(2, 3, 6).double().requires_grad_(), torch.randn(2, 3, 4, 6).double().requires_grad_()
    rows = []
    for b, q in np.ndindex(2, 3):
        kernels = conv.kernels.weight @ query[b, q] + conv.kernels.bias
        places = []
        for p in range(4):
            narrow = torch.stack([sum(region[b, q, p, c] * kernels[c * 3 + d] for c in range(6)) for d in range(3)])
            narrow = normalise(narrow, conv.norm_hidden).clamp(min=0)
            wide = torch.stack([sum(narrow[d] * kernels[18 + d * 6 + c] for d in range(3)) for c in range(6)])
            places.append(normalise(wide, conv.norm_region).clamp(min=0))
        rows.append(normalise(conv.out.weight @ torch.cat(places) + conv.out.bias, conv.norm_out))
    assert_same_with_gradients(conv(query, region), torch.stack(rows).view(2, 3, 6), [query, region, *conv.parameters()])


def test_bev_attention_equals_loops() -> None:
    torch.manual_seed(0)
    attention = BevAttention(8, 2, 3)
    nn.init.normal_(attention.offsets.weight)  # not the ring of a fresh layer
    nn.init.normal_(attention.weights.weight)
    query, bev = torch.randn(2, 4, 8, requires_grad=True), torch.randn(2, 8, 9, 7, requires_grad=True)
    cells = torch.rand(2, 4, 2) * torch.tensor([9.0, 7.0])
    rows = []
    value = torch.einsum("oc,bcxy->boxy", attention.value.weight[:, :, 0, 0], bev) + attention.value.bias[:, None, None]
    for b, q in np.ndindex(2, 4):
        heads = []
        for head in range(2):
            weights = (attention.weights.weight @ query[b, q] + attention.weights.bias)[head * 3:head * 3 + 3].softmax(dim=0)
            total = torch.zeros(4)
            for p in range(3):
                place = (head * 3 + p) * 2
                offset = (attention.offsets.weight @ query[b, q] + attention.offsets.bias)[place:place + 2]
                total = total + weights[p] * differentiable_bilinear(value[b, head * 4:head * 4 + 4], cells[b, q] + offset - 0.5)
            heads.append(total)
        rows.append(attention.out.weight @ torch.cat(heads) + attention.out.bias)
    assert_same_with_gradients(attention(query, cells, bev), torch.stack(rows).view(2, 4, 8), [query, bev, *attention.parameters()])


def differentiable_bilinear(image: Tensor, at: Tensor) -> Tensor:
    """As `bilinear`, with a gradient to the place, too."""
    low = at.detach().floor()
    total = image.new_zeros(image.shape[0])
    for dr in (0, 1):
        for dc in (0, 1):
            r, c = int(low[0]) + dr, int(low[1]) + dc
            if 0 <= r < image.shape[1] and 0 <= c < image.shape[2]:
                total = total + image[:, r, c] * ((1 - (at[0] - r).abs()) * (1 - (at[1] - c).abs()))
    torch.testing.assert_close(total, bilinear(image, float(at[0]), float(at[1])), atol=1e-5, rtol=1e-5)
    return total


def test_fresh_bev_attention_looks_around_itself() -> None:
    attention = BevAttention(8, 4, 2)
    offsets = attention.offsets.bias.detach().view(4, 2, 2)
    torch.testing.assert_close(offsets.norm(dim=-1), torch.tensor([1.0, 2.0]).expand(4, 2))
    torch.testing.assert_close(offsets.sum(dim=0), torch.zeros(2, 2), atol=1e-6, rtol=0)


def test_no_query_looks_at_a_filler() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(8, 2)
    query, position = torch.randn(1, 5, 8), torch.randn(1, 5, 8)
    valid = torch.tensor([[True, True, False, True, False]])
    kept = valid[0].nonzero().flatten()
    alone = attention(query[:, kept], position[:, kept], torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(attention(query, position, valid)[:, kept], alone, atol=1e-6, rtol=1e-5)
    assert torch.isfinite(attention(query, position, torch.zeros(1, 5, dtype=torch.bool))).all()


def test_self_attention_equals_loops() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(4, 2)
    query, position = torch.randn(1, 3, 4, requires_grad=True), torch.randn(1, 3, 4)
    weight, bias = attention.query_key.weight, attention.query_key.bias
    rows = []
    for i in range(3):
        heads = []
        for head in (slice(0, 2), slice(2, 4)):
            q = (weight[:4] @ (query[0, i] + position[0, i]) + bias[:4])[head]
            keys = [(weight[4:] @ (query[0, j] + position[0, j]) + bias[4:])[head] for j in range(3)]
            share = torch.stack([q @ key / 2**0.5 for key in keys]).softmax(dim=0)
            heads.append(sum(share[j] * (attention.value.weight @ query[0, j] + attention.value.bias)[head] for j in range(3)))
        rows.append(attention.out.weight @ torch.cat(heads) + attention.out.bias)
    got = attention(query, position, torch.ones(1, 3, dtype=torch.bool))
    assert_same_with_gradients(got, torch.stack(rows)[None], [query, *attention.parameters()])


def test_seeds_are_the_best_peaks_of_each_sample_and_the_rest_is_filler() -> None:
    heatmap = torch.full((2, 2, 6, 5), -6.0)
    heatmap += 0.01 * torch.arange(30).view(6, 5)  # rises to one corner: no peaks but there
    heatmap[0, 1, 1, 1], heatmap[0, 0, 4, 2], heatmap[0, 0, 4, 3] = 3.0, 2.0, 1.0  # the third is beside the second
    heatmap[1, 0, 2, 4] = 4.0
    seeds = find_seeds(heatmap, 8)
    assert [(int(c), int(k)) for c, k in zip(seeds.cells[0, :2], seeds.labels[0, :2], strict=True)] == [(6, 1), (22, 0)]
    assert (int(seeds.cells[1, 0]), int(seeds.labels[1, 0])) == (14, 0)
    assert seeds.valid.sum(dim=1).tolist() == [3, 3]
    torch.testing.assert_close(seeds.heat[0, 0], heatmap[0, :, 1, 1].sigmoid())
    assert find_seeds(heatmap, 500).cells.shape == (2, 60)
    assert not seeds.cells[:, 3:].any() and not seeds.labels[:, 3:].any()  # fillers


def test_no_query_starts_where_no_sensor_looks() -> None:
    heatmap = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    looked = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    looked[..., :3] = True
    everywhere, seeds = find_seeds(heatmap, 8), find_seeds(heatmap, 8, looked)
    columns = seeds.cells[seeds.valid] % 8
    assert len(columns) and (columns < 3).all() and (everywhere.cells % 8 >= 3).any()
    both = everywhere.cells[everywhere.cells % 8 < 3]
    assert torch.equal(seeds.cells[0, :len(both)], both)  # the same peaks, in the same order
    assert not find_seeds(heatmap, 8, torch.zeros_like(looked)).valid.any()
