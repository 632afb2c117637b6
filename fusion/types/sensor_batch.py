"""What the network eats: padded tensors with availability masks, all geometry in the ego frame at the reference stamp."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from fusion.types.checks import check_dtype, check_shape


def whole_px(image_hw: tuple[int, int]) -> Tensor:
    """`(4,)` `SensorBatch.valid_px` of an image without padding."""
    return torch.tensor([-0.5, -0.5, image_hw[1] - 0.5, image_hw[0] - 0.5])


@dataclass(frozen=True, kw_only=True)
class SensorBatch:
    """A batch of instants. Ego frame: x forward, y left, z up, metres. N = 0 (no camera slot) and P = 0 are valid.

    Attributes:
        images: `(B, N, 3, H, W)` float32, normalised; zeros where `camera_ok` is False.
        intrinsics: `(B, N, 3, 3)` float32, pixels of the H x W image; identity where absent.
        cam_T_ego: `(B, N, 4, 4)` float32, ego at reference stamp -> camera at its shutter time; identity where absent.
        valid_px: `(B, N, 4)` float32, left, top, right and bottom edge of the part of the H x W image that the camera took: pixels with
            left <= u < right and top <= v < bottom. All else is padding. An image without padding has (-0.5, -0.5, W - 0.5, H - 0.5);
            zeros where absent.
        camera_ok: `(B, N)` bool, the availability of each camera.
        points: `(B, P, 5)` float32, ego frame, columns x y z intensity age_s; zero rows where `points_ok` is False.
        points_ok: `(B, P)` bool, padding mask.
        lidar_ok: `(B,)` bool, the availability of the LiDAR (a LiDAR that saw nothing is available with no points).
    """

    images: Tensor
    intrinsics: Tensor
    cam_T_ego: Tensor
    valid_px: Tensor
    camera_ok: Tensor
    points: Tensor
    points_ok: Tensor
    lidar_ok: Tensor

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        check_shape("images", self.images, ("B", "N", 3, "H", "W"), dims)
        check_shape("intrinsics", self.intrinsics, ("B", "N", 3, 3), dims)
        check_shape("cam_T_ego", self.cam_T_ego, ("B", "N", 4, 4), dims)
        check_shape("valid_px", self.valid_px, ("B", "N", 4), dims)
        check_shape("camera_ok", self.camera_ok, ("B", "N"), dims)
        check_shape("points", self.points, ("B", "P", 5), dims)
        check_shape("points_ok", self.points_ok, ("B", "P"), dims)
        check_shape("lidar_ok", self.lidar_ok, ("B",), dims)
        for name in ("camera_ok", "points_ok", "lidar_ok"):
            check_dtype(name, getattr(self, name), torch.bool)

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width of the images, padding included, pixels."""
        return int(self.images.shape[-2]), int(self.images.shape[-1])

    @property
    def batch_size(self) -> int:
        """B."""
        return int(self.images.shape[0])

    def to(self, device: torch.device | str) -> SensorBatch:
        """The same batch on another device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def pin_memory(self) -> SensorBatch:
        """The same batch in pinned memory (called by the data loader)."""
        return replace(self, **{f.name: getattr(self, f.name).pin_memory() for f in fields(self)})

    def drop(self, *, cameras: Tensor | None = None, lidar: Tensor | None = None) -> SensorBatch:
        """The same batch with sensors absent: their data are zeroed and their mask is cleared.

        Args:
            cameras: `(B, N)` bool, True = drop.
            lidar: `(B,)` bool, True = drop.
        """
        changes: dict[str, Tensor] = {}
        if cameras is not None:
            keep = self.camera_ok & ~cameras
            eye3, eye4 = torch.eye(3).to(self.intrinsics), torch.eye(4).to(self.cam_T_ego)
            changes = {
                "camera_ok": keep,
                "images": torch.where(keep[:, :, None, None, None], self.images, 0.0),
                "intrinsics": torch.where(keep[:, :, None, None], self.intrinsics, eye3),
                "cam_T_ego": torch.where(keep[:, :, None, None], self.cam_T_ego, eye4),
                "valid_px": torch.where(keep[:, :, None], self.valid_px, 0.0),
            }
        if lidar is not None:
            keep_lidar = self.lidar_ok & ~lidar
            keep_points = self.points_ok & keep_lidar[:, None]
            changes |= {
                "lidar_ok": keep_lidar,
                "points_ok": keep_points,
                "points": torch.where(keep_points[:, :, None], self.points, 0.0),
            }
        return replace(self, **changes)

    @classmethod
    def example(cls, batch: int = 1, cameras: int = 2, points: int = 256, size_hw: tuple[int, int] = (64, 128), seed: int = 0) -> SensorBatch:
        """A valid random batch: cameras around the ego, points within 20 m."""
        generator = torch.Generator().manual_seed(seed)
        height, width = size_hw
        cam_T_ego = torch.zeros(batch, cameras, 4, 4)
        for index in range(cameras):
            yaw = torch.tensor(2 * torch.pi * index / max(cameras, 1))
            forward = torch.stack([yaw.cos(), yaw.sin(), torch.tensor(0.0)])
            right = torch.stack([yaw.sin(), -yaw.cos(), torch.tensor(0.0)])
            rotation = torch.stack([right, torch.tensor([0.0, 0.0, -1.0]), forward])
            cam_T_ego[:, index, :3, :3] = rotation
            cam_T_ego[:, index, :3, 3] = -rotation @ (forward + torch.tensor([0, 0, 1.5]))
            cam_T_ego[:, index, 3, 3] = 1
        intrinsics = torch.tensor([[0.8 * width, 0, width / 2], [0, 0.8 * width, height / 2], [0, 0, 1]])
        cloud = torch.rand(batch, points, 5, generator=generator)
        cloud[..., :2] = cloud[..., :2] * 40 - 20
        cloud[..., 2] = cloud[..., 2] * 3
        cloud[..., 4] = 0
        return cls(
            images=torch.randn(batch, cameras, 3, height, width, generator=generator),
            intrinsics=intrinsics.expand(batch, cameras, 3, 3).clone(),
            cam_T_ego=cam_T_ego,
            valid_px=whole_px(size_hw).expand(batch, cameras, 4).clone(),
            camera_ok=torch.ones(batch, cameras, dtype=torch.bool),
            points=cloud,
            points_ok=torch.ones(batch, points, dtype=torch.bool),
            lidar_ok=torch.ones(batch, dtype=torch.bool),
        )
