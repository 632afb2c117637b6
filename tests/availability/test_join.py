"""The joins, each against a reference in loops: weights of what is present, gates, and nothing of what is absent."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from fusion.interaction.concat import ConcatConfig, ConcatFuser
from fusion.interaction.join import ChannelWeightJoin, GateJoin, Join, JoinConfig, build_join

KINDS = ("concat", "cnw", "ssma")
Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def rig(seed: int = 0, camera: int = 3, lidar: int = 3, size: tuple[int, int] = (4, 5)) -> Inputs:
    """Four samples: both, LiDAR only, cameras only, none; half of the cells seen."""
    generator = torch.Generator().manual_seed(seed)
    camera_ok, lidar_ok = torch.tensor([True, False, True, False]), torch.tensor([True, True, False, False])
    seen = (torch.rand(4, 1, *size, generator=generator) < 0.5).float() * camera_ok[:, None, None, None]
    return (torch.randn(4, camera, *size, generator=generator), camera_ok, seen, torch.randn(4, lidar, *size, generator=generator), lidar_ok)


def made(kind: str, camera: int = 3, lidar: int = 3, channels: int = 3, **settings: int) -> Join:
    """A join in eval mode with no parameter or statistic at its neutral value."""
    torch.manual_seed(1)
    join = build_join(JoinConfig(kind=kind, **settings), camera, lidar, channels).eval()  # type: ignore[arg-type]
    for value in (*join.parameters(), *(b for b in join.buffers() if b.is_floating_point())):
        nn.init.uniform_(value, 0.2, 1.0)
    return join


def gradients(output: Tensor, join: Join, inputs: Inputs) -> list[Tensor]:
    weight = torch.randn(output.shape, generator=torch.Generator().manual_seed(9))
    return list(torch.autograd.grad((output * weight).sum(), [inputs[0], inputs[3], *join.parameters()]))


def assert_equal_with_gradients(got: Tensor, wanted: Tensor, join: Join, inputs: Inputs) -> None:
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
    for one, other in zip(gradients(got, join, inputs), gradients(wanted, join, inputs), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def with_gradients(inputs: Inputs) -> Inputs:
    return inputs[0].requires_grad_(), inputs[1], inputs[2], inputs[3].requires_grad_(), inputs[4]


@pytest.mark.parametrize("seed", [0, 1])
def test_channel_weights_are_a_softmax_over_what_is_present(seed: int) -> None:
    join, inputs = made("cnw"), with_gradients(rig(seed))
    assert isinstance(join, ChannelWeightJoin)
    camera, camera_ok, seen, lidar, lidar_ok = inputs
    rows = []
    for b, c, x, y in product(*(range(size) for size in lidar.shape)):
        shares = {}
        if camera_ok[b] and seen[b, 0, x, y]:
            shares["camera"] = (join.logits[0, c].exp(), camera[b, c, x, y])
        if lidar_ok[b]:
            shares["lidar"] = (join.logits[1, c].exp(), lidar[b, c, x, y])
        total = sum(weight for weight, _ in shares.values())
        rows.append(sum((weight / total * value for weight, value in shares.values()), start=0 * join.logits[0, 0]))
    assert_equal_with_gradients(join(*inputs), torch.stack(rows).view_as(lidar), join, inputs)


def test_channel_weights_by_hand() -> None:
    join = ChannelWeightJoin(JoinConfig(), 1, 1, 1)
    with torch.no_grad():
        join.logits.copy_(torch.tensor([[math.log(3.0)], [0.0]]))  # shares 3/4 and 1/4
        camera, lidar, here = torch.full((1, 1, 1, 2), 8.0), torch.full((1, 1, 1, 2), 4.0), torch.tensor([True])
        joined = join(camera, here, torch.tensor([[[[1.0, 0.0]]]]), lidar, here)
    assert joined.flatten().tolist() == pytest.approx([7.0, 4.0])  # where no camera sees, the LiDAR keeps its full strength


def convolved(image: Tensor, layer: nn.Conv2d) -> Tensor:
    """A padded convolution, term by term."""
    half = layer.kernel_size[0] // 2
    channels, width, height = image.shape
    out = []
    for o, x, y in product(range(layer.out_channels), range(width), range(height)):
        total = torch.zeros(()) if layer.bias is None else layer.bias[o]
        for c, i, j in product(range(channels), range(-half, half + 1), range(-half, half + 1)):
            if 0 <= x + i < width and 0 <= y + j < height:
                total = total + layer.weight[o, c, i + half, j + half] * image[c, x + i, y + j]
        out.append(total)
    return torch.stack(out).view(layer.out_channels, width, height)


@pytest.mark.parametrize("kernel", [1, 3])
def test_gate_is_a_bottleneck_and_a_sigmoid_over_both_maps(kernel: int) -> None:
    join, inputs = made("ssma", 2, 1, 2, reduction=2, kernel=kernel), with_gradients(rig(2, 2, 1, (2, 3)))
    assert isinstance(join, GateJoin)
    first, _, second, _ = join.gate
    projection, norm = join.out
    rows = []
    for camera, camera_ok, seen, lidar, lidar_ok in zip(*inputs, strict=True):
        maps = torch.cat([camera if camera_ok else camera * 0, lidar if lidar_ok else lidar * 0])
        plane = torch.ones_like(seen)
        planes = torch.cat([plane * camera_ok, seen, plane * lidar_ok])
        gate = 1 / (1 + (-convolved(convolved(torch.cat([maps, planes]), first).clamp(min=0), second)).exp())
        value = convolved(maps * gate, projection)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        rows.append((value - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None])
    assert_equal_with_gradients(join(*inputs), torch.stack(rows), join, inputs)


def test_concatenation_is_the_fuser_of_the_baseline() -> None:
    fuser = ConcatFuser(ConcatConfig(channels=5), 3, 2).eval()
    join = build_join(JoinConfig(kind="concat"), 3, 2, 5).eval()
    join.load_state_dict(fuser.state_dict())
    camera, camera_ok, seen, lidar, lidar_ok = rig(0, 3, 2)
    parts = [torch.cat([c * ok, torch.full_like(s, float(ok)), s, x * here, torch.full_like(s, float(here))])
             for c, ok, s, x, here in zip(camera, camera_ok, seen, lidar, lidar_ok, strict=True)]
    assert torch.equal(join(camera, camera_ok, seen, lidar, lidar_ok), fuser.mix(torch.stack(parts)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("poison", [math.nan, math.inf, 1e30])
def test_what_absent_sensors_hold_changes_nothing(kind: str, poison: float) -> None:
    join, clean, dirty = made(kind), rig(), rig()
    for tensors, fill in ((clean, 0.0), (dirty, poison)):
        tensors[0][~tensors[1]], tensors[2][~tensors[1]], tensors[3][~tensors[4]] = fill, fill, fill
    outputs = [join(*with_gradients(tensors)) for tensors in (clean, dirty)]
    assert torch.equal(*outputs) and outputs[0].isfinite().all()
    found = [gradients(output, join, tensors) for output, tensors in zip(outputs, (clean, dirty), strict=True)]
    assert all(torch.equal(a, b) and a.isfinite().all() for a, b in zip(*found, strict=True))
    assert not found[1][0][~dirty[1]].any() and not found[1][1][~dirty[4]].any()


def test_channel_weights_leave_nothing_where_nothing_is_present() -> None:
    joined = made("cnw")(*rig())
    assert not joined[3].any()


@pytest.mark.parametrize("kind", KINDS)
def test_widths_may_differ_and_a_stream_may_be_missing_by_design(kind: str) -> None:
    camera, camera_ok, seen, lidar, lidar_ok = rig(0, 4, 2)
    assert made(kind, 4, 2, 6)(camera, camera_ok, seen, lidar, lidar_ok).shape == (4, 6, 4, 5)
    assert made(kind, 0, 2, 6)(None, None, None, lidar, lidar_ok).shape == (4, 6, 4, 5)
    assert made(kind, 4, 0, 6)(camera, camera_ok, seen, None, None).shape == (4, 6, 4, 5)
    with pytest.raises(ValueError, match=r"lidar: expected its BEV map and availability \(mark absent samples in `ok`\), got None"):
        made(kind, 4, 2, 6)(camera, camera_ok, seen, None, None)
    with pytest.raises(ValueError, match="expected at least one above 0"):
        build_join(JoinConfig(kind=kind), 0, 0, 6)  # type: ignore[arg-type]
    alone = made("cnw", 0, 3, 3)(None, None, None, camera[:, :3], lidar_ok)
    assert torch.equal(alone, camera[:, :3] * lidar_ok[:, None, None, None])


def test_a_gate_without_a_bottleneck_is_refused() -> None:
    with pytest.raises(ValueError, match="reduction: expected at least 1, got 0"):
        JoinConfig(kind="ssma", reduction=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_numbers_stay_finite_on_a_large_map(kind: str, dtype: torch.dtype) -> None:
    join = build_join(JoinConfig(kind=kind, kernel=1), 4, 4, 4).eval().to(dtype)  # type: ignore[arg-type]
    camera, camera_ok, seen, lidar, lidar_ok = rig(0, 4, 4, (256, 256))
    if isinstance(join, ChannelWeightJoin):
        nn.init.constant_(join.logits[0], 60.0)  # a modality that fp16's softmax rounds to a weight of 0
    joined = join(100 * camera.to(dtype), camera_ok, seen, 100 * lidar.to(dtype), lidar_ok)
    assert joined.dtype == dtype and joined.isfinite().all()
    assert joined[1].any()  # present alone, it counts in full


@pytest.mark.parametrize("kind", KINDS)
def test_graph_exports_without_data_dependent_operations(kind: str) -> None:
    inputs = rig()
    exported = torch.export.export(made(kind), inputs)
    names = {str(node.target) for node in exported.graph.nodes if node.op == "call_function"}
    assert not [name for name in names if any(word in name for word in ("nonzero", "scatter", "masked_select", "index_put", "linalg"))]
    torch.testing.assert_close(exported.module()(*inputs), made(kind)(*inputs))
