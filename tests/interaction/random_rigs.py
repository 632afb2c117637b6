"""Small random rigs: cameras that look anywhere, stand metres apart, roll a little, some mirrored, with lenses of their own; some
absent, some in a world that augmentation has scaled, some with images of other sizes that were brought to one."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from fusion.geometry.grid import BevGrid
from fusion.geometry.valid import map_pixels_ok, moved_px
from fusion.sensors.preprocess import fit_image
from fusion.types import SensorBatch, whole_px

GRID = BevGrid(x_range_m=(-8, 8), y_range_m=(-6, 6), cell_m=2.0)
IMAGE_HW = (30, 44)  # no multiple of a stride
FEATURE_HW = (4, 6)
TAKEN_HW = ((30, 44), (22, 66), (60, 50), (90, 160))
"""What uneven cameras take: one as it is, then with rows added below, cut from the top, and added again (and moved, see below)."""


def rotation(yaw: float, pitch: float, roll: float) -> Tensor:
    """`(3, 3)` ego -> camera (x right, y down, z forward) of a camera that looks along `yaw`."""
    level = torch.tensor([[math.sin(yaw), -math.cos(yaw), 0], [0, 0, -1], [math.cos(yaw), math.sin(yaw), 0]], dtype=torch.float64)
    tilt = torch.tensor([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]], dtype=torch.float64)
    turn = torch.tensor([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]], dtype=torch.float64)
    return turn @ tilt @ level


def random_batch(cameras: int, *, batch: int = 2, seed: int = 0, absent: bool = True, points: int = 60, roll: float = 0.1,
                 uneven: bool = False) -> SensorBatch:
    """float64 rigs. Absent cameras hold NaN, which must reach nothing. Of the first sample, everything is present."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    intrinsics = torch.eye(3, dtype=torch.float64).repeat(batch, cameras, 1, 1)
    cam_T_ego = torch.eye(4, dtype=torch.float64).repeat(batch, cameras, 1, 1)
    valid_px = torch.zeros(batch, cameras, 4, dtype=torch.float64)
    for b in range(batch):
        for n in range(cameras):
            taken = TAKEN_HW[n % len(TAKEN_HW)] if uneven else IMAGE_HW
            height, width = taken
            focal = width * uniform(0.45, 0.9)
            mirror = -1 if n % 4 == 2 else 1
            intrinsics[b, n] = torch.tensor(
                [[mirror * focal, 0, width * uniform(0.4, 0.6)], [0, focal * uniform(0.9, 1.1), height * uniform(0.4, 0.6)], [0, 0, 1]],
                dtype=torch.float64)
            new_T_old = fit_image(np.zeros((*taken, 3), np.uint8), IMAGE_HW)[1]
            if uneven and n == 3:  # and as augmentation may do
                new_T_old = np.array([[1.0, 0, 8.5], [0, 1, 4.25], [0, 0, 1]]) @ new_T_old
            intrinsics[b, n] = torch.from_numpy(new_T_old) @ intrinsics[b, n]
            valid_px[b, n] = torch.from_numpy(moved_px(whole_px(taken).numpy(), new_T_old, IMAGE_HW))
            turned = rotation(uniform(-math.pi, math.pi), uniform(-0.1, 0.1), uniform(-roll, roll))
            centre = torch.tensor([uniform(-3, 3), uniform(-2, 2), uniform(1, 2)], dtype=torch.float64)
            size = 1.0 if b == 0 else uniform(0.8, 1.25)  # augmentation scales what is around the vehicle
            cam_T_ego[b, n, :3, :3], cam_T_ego[b, n, :3, 3] = turned / size, -turned @ centre
    camera_ok = torch.ones(batch, cameras, dtype=torch.bool)
    if absent and batch > 1:
        camera_ok[1:] = torch.rand(batch - 1, cameras, generator=generator) > 0.3
        camera_ok[1, 0] = False
        intrinsics[~camera_ok], cam_T_ego[~camera_ok], valid_px[~camera_ok] = math.nan, math.nan, math.nan
    cloud = torch.rand(batch, points, 5, generator=generator).double() * torch.tensor([16, 12, 3, 1, 0]) - torch.tensor([8, 6, 0, 0, 0])
    return SensorBatch(
        images=torch.zeros(batch, cameras, 3, *IMAGE_HW), intrinsics=intrinsics, cam_T_ego=cam_T_ego, valid_px=valid_px, camera_ok=camera_ok,
        points=cloud, points_ok=torch.rand(batch, points, generator=generator) > 0.2, lidar_ok=torch.ones(batch, dtype=torch.bool),
    )


def streams(batch: SensorBatch, channels: int, *, seed: int = 1, bins: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Random perspective features (zero where absent and in padding), BEV map and depth logits, float64 and asking for gradients."""
    generator = torch.Generator().manual_seed(seed)
    many, cameras = batch.camera_ok.shape
    perspective = torch.randn(many, cameras, channels, *FEATURE_HW, generator=generator).double()
    image = map_pixels_ok(batch.valid_px, batch.camera_ok, IMAGE_HW, FEATURE_HW)
    perspective = torch.where(image[:, :, None], perspective, 0.0)
    bev = torch.randn(many, channels, *GRID.shape, generator=generator).double()
    logits = 2 * torch.randn(many, cameras, bins, *FEATURE_HW, generator=generator).double()
    return perspective.requires_grad_(), bev.requires_grad_(), logits.requires_grad_()


def stirred(module: nn.Module, seed: int = 2) -> nn.Module:
    """The module in float64 with every parameter random, so that none of them hides behind its first value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter + 0.4 * torch.randn(parameter.shape, generator=generator))
    return module.double().eval()


def assert_equal_with_gradients(fast: Tensor, slow: Tensor, inputs: list[Tensor], module: nn.Module, tolerance: float = 1e-7,
                                unused: tuple[str, ...] = ()) -> None:
    """Values, and gradients to inputs and to every parameter but the unused, of two computations of the same thing."""
    torch.testing.assert_close(fast, slow, atol=tolerance, rtol=tolerance)
    assert fast.detach().abs().max() > 0.1
    weight = torch.randn(fast.shape, generator=torch.Generator().manual_seed(9)).double()
    names, parameters = zip(*module.named_parameters(), strict=True)
    wanted = [*inputs, *parameters]
    gradients = [torch.autograd.grad((x * weight).sum(), wanted, allow_unused=True) for x in (fast, slow)]
    for name, first, second in zip([f"input {i}" for i in range(len(inputs))] + list(names), *gradients, strict=True):
        if name in unused:
            assert first is None and second is None, name
            continue
        assert first is not None and second is not None, name
        torch.testing.assert_close(first, second, atol=tolerance * 10, rtol=tolerance * 10, msg=lambda text, name=name: f"{name}: {text}")
