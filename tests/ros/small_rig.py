"""A small rig for tests without ROS: one camera and one LiDAR that look at nothing in particular, as plain objects with messages' fields."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from ros_nodes.conversion import Make, camera_info_msg, cloud_msg, image_msg
from ros_nodes.placing import Reading
from ros_nodes.transforms import TransformTree

K = np.array([[100.0, 0, 80], [0, 100, 45], [0, 0, 1]])
FORWARD = (0.5, -0.5, 0.5, -0.5)  # a camera that looks ahead: its z is the ego's x
MS = 1_000_000
PARAMETERS = {"cameras": ["FRONT"], "lidars": ["TOP"]}
_REGION = SimpleNamespace(width=0, height=0, x_offset=0, y_offset=0)


def make(name: str, fields: Mapping[str, Any]) -> Any:
    """A plain object with the fields of a message."""
    defaults = {"roi": _REGION, "binning_x": 0, "binning_y": 0} if name.endswith("CameraInfo") else {}
    return SimpleNamespace(**defaults, **fields)


def picture(seed: int = 0) -> np.ndarray:
    """`(90, 160, 3)` uint8."""
    return np.random.default_rng(seed).integers(0, 256, (90, 160, 3), dtype=np.uint8)


def image(stamp_ns: int, seed: int = 0, frame: str = "front", build: Make = make) -> Any:
    """A camera's image."""
    return image_msg(build, picture(seed), stamp_ns=stamp_ns, frame_id=frame)


def info(stamp_ns: int = 0, *, intrinsics: np.ndarray = K, size_wh: tuple[int, int] = (160, 90), build: Make = make, **changes: Any) -> Any:
    """Its calibration."""
    return camera_info_msg(build, intrinsics, size_wh, stamp_ns=stamp_ns, frame_id="front", **changes)


def points(seed: int = 0, count: int = 500) -> np.ndarray:
    """`(count, 5)` float32 x y z intensity ring, all farther than 1 m."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(2, 20, (count, 3)) * rng.choice([-1, 1], (count, 3))
    return np.column_stack([xyz, rng.integers(0, 256, count), rng.integers(0, 32, count)]).astype(np.float32)


def cloud(stamp_ns: int, seed: int = 0, frame: str = "top", count: int = 500, build: Make = make) -> Any:
    """A LiDAR's cloud."""
    return cloud_msg(build, points(seed, count), stamp_ns=stamp_ns, frame_id=frame)


def reading(name: str, message: Any, stamp_ns: int, arrived_ns: int = 0) -> Reading:
    """A message as it arrived."""
    return Reading(name=name, stamp_ns=stamp_ns, arrived_ns=arrived_ns, arrived_s=0.0, message=message)


def tree(*moments_ns: int, speed: float = 10.0) -> TransformTree:
    """Extrinsics of both sensors, and an ego that drives ahead at `speed` m/s, known at the given moments."""
    frames = TransformTree()
    frames.insert("base_link", "front", 0, translation_m=(1, 0, 1.5), rotation_wxyz=FORWARD, static=True)
    frames.insert("base_link", "top", 0, translation_m=(0, 0, 1.8), rotation_wxyz=(1, 0, 0, 0), static=True)
    for moment in moments_ns:
        frames.insert("odom", "base_link", moment, translation_m=(speed * moment * 1e-9, 0, 0), rotation_wxyz=(1, 0, 0, 0))
    return frames
