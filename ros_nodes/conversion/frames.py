"""Stamps, headers, transforms and the clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusion.errors import BadSensorData
from fusion.geometry.transforms import pose
from ros_nodes.conversion.factories import Make

_S = 1_000_000_000


def stamp_ns(stamp: Any) -> int:
    """Nanoseconds of a `builtin_interfaces/Time`, such as `stamp_ns(msg.header.stamp)`."""
    return int(stamp.sec) * _S + int(stamp.nanosec)


def time_msg(make: Make, time_ns: int) -> Any:
    """`builtin_interfaces/Time`; times before the epoch have negative seconds and nanoseconds counted forward."""
    sec, nanosec = divmod(int(time_ns), _S)
    return make("builtin_interfaces/msg/Time", {"sec": sec, "nanosec": nanosec})


def header_msg(make: Make, time_ns: int, frame_id: str) -> Any:
    """`std_msgs/Header`."""
    return make("std_msgs/msg/Header", {"stamp": time_msg(make, time_ns), "frame_id": frame_id})


def clock_msg(make: Make, time_ns: int) -> Any:
    """`rosgraph_msgs/Clock`."""
    return make("rosgraph_msgs/msg/Clock", {"clock": time_msg(make, time_ns)})


@dataclass(frozen=True, kw_only=True)
class Transform:
    """One `TransformStamped`: coordinates of `child` to coordinates of `parent` at `stamp_ns`.

    Attributes:
        parent: frame name (`header.frame_id`).
        child: frame name (`child_frame_id`).
        stamp_ns: nanoseconds.
        rotation_wxyz: quaternion, scalar first; as in the message, not normalised.
        translation_m: metres.
    """

    parent: str
    child: str
    stamp_ns: int
    rotation_wxyz: tuple[float, float, float, float]
    translation_m: tuple[float, float, float]

    @property
    def parent_T_child(self) -> np.ndarray:
        """`(4, 4)` float64; BadSensorData where the numbers are no pose."""
        try:
            return pose(self.rotation_wxyz, self.translation_m)
        except ValueError as error:
            raise BadSensorData(f"transform {self.parent} <- {self.child}: {error}") from None


def transform_from_msg(message: Any) -> Transform:
    """A `geometry_msgs/TransformStamped`; leading slashes of frame names, a habit of ROS 1, are left out."""
    rotation, translation = message.transform.rotation, message.transform.translation
    return Transform(
        parent=message.header.frame_id.lstrip("/"), child=message.child_frame_id.lstrip("/"), stamp_ns=stamp_ns(message.header.stamp),
        rotation_wxyz=(float(rotation.w), float(rotation.x), float(rotation.y), float(rotation.z)),
        translation_m=(float(translation.x), float(translation.y), float(translation.z)),
    )


def tf_msg(make: Make, transforms: Sequence[Transform]) -> Any:
    """`tf2_msgs/TFMessage`, for `/tf` and `/tf_static`."""
    return make("tf2_msgs/msg/TFMessage", {"transforms": [transform_msg(make, transform) for transform in transforms]})


def transform_msg(make: Make, transform: Transform) -> Any:
    """`geometry_msgs/TransformStamped`."""
    return make("geometry_msgs/msg/TransformStamped", {
        "header": header_msg(make, transform.stamp_ns, transform.parent), "child_frame_id": transform.child,
        "transform": make("geometry_msgs/msg/Transform", {
            "translation": vector_msg(make, transform.translation_m), "rotation": quaternion_msg(make, transform.rotation_wxyz)})})


def vector_msg(make: Make, xyz: Iterable[float]) -> Any:
    """`geometry_msgs/Vector3`."""
    x, y, z = (float(value) for value in xyz)
    return make("geometry_msgs/msg/Vector3", {"x": x, "y": y, "z": z})


def quaternion_msg(make: Make, rotation_wxyz: Iterable[float]) -> Any:
    """`geometry_msgs/Quaternion`."""
    w, x, y, z = (float(value) for value in rotation_wxyz)
    return make("geometry_msgs/msg/Quaternion", {"x": x, "y": y, "z": z, "w": w})


def pose_msg(make: Make, xyz: Iterable[float], yaw_rad: float) -> Any:
    """`geometry_msgs/Pose` of something upright that is turned by `yaw_rad` about +z."""
    x, y, z = (float(value) for value in xyz)
    half = 0.5 * float(yaw_rad)
    return make("geometry_msgs/msg/Pose", {"position": make("geometry_msgs/msg/Point", {"x": x, "y": y, "z": z}),
                                           "orientation": quaternion_msg(make, (np.cos(half), 0.0, 0.0, np.sin(half)))})


def yaw_from_quaternion(rotation: Any) -> float:
    """Heading (rad, about +z from +x) of the x axis turned by a `geometry_msgs/Quaternion`, seen from above."""
    w, x, y, z = rotation.w, rotation.x, rotation.y, rotation.z
    return float(np.arctan2(2 * (x * y + w * z), w * w + x * x - y * y - z * z))
