"""Where the pixels of a batch's cameras look, in its ego frame; `cam_T_ego` may scale and mirror, as augmentation does."""

from __future__ import annotations

import torch
from torch import Tensor


def camera_centres_m(cam_T_ego: Tensor) -> Tensor:
    """`(B, N, 4, 4)` -> `(B, N, 3)` centres of the cameras."""
    centres: Tensor = -torch.linalg.solve(cam_T_ego[:, :, :3, :3], cam_T_ego[:, :, :3, 3])
    return centres


def pixel_rays(intrinsics: Tensor, cam_T_ego: Tensor, image_hw: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """`(B, N, h, w, 3)`: the ego vector that one metre of depth is worth, for every pixel of maps of `size` (h, w) over the images.

    Args:
        intrinsics: `(B, N, 3, 3)` of images of `image_hw` pixels.
        cam_T_ego: `(B, N, 4, 4)`.
    """
    (height, width), (h, w) = image_hw, size
    u = (torch.arange(w).to(intrinsics) + 0.5) * (width / w) - 0.5
    v = (torch.arange(h).to(intrinsics) + 0.5) * (height / h) - 0.5
    pixels = torch.stack([u.expand(h, w), v[:, None].expand(h, w), torch.ones(h, w).to(u)], -1)
    ego_T_pixel = torch.linalg.inv(intrinsics @ cam_T_ego[:, :, :3, :3])
    return torch.einsum("bnij,hwj->bnhwi", ego_T_pixel, pixels)
