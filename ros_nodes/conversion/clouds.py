"""Point clouds, to and from messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fusion.errors import BadSensorData
from fusion.types import POINT_FIELDS
from ros_nodes.conversion.factories import Make
from ros_nodes.conversion.frames import header_msg, stamp_ns

_DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}  # PointField.INT8 ... FLOAT64
_FLOAT32 = 7
_TIME_FIELDS = ("t", "time", "timestamp", "time_stamp", "offset_time")
MAX_AGE_S = 1.0
"""Longest time between a point and its cloud's stamp; a sweep takes a tenth of it."""

_INTENSITY_FIELDS = ("intensity", "i", "reflectivity")
CLOUD_FIELDS = ("x", "y", "z", "intensity", "ring")
"""Fields of the clouds that are written here, all float32, in this order: the columns of nuScenes' files."""


def cloud_columns(message: Any) -> dict[str, np.ndarray]:
    """Every field of a `sensor_msgs/PointCloud2` as `(P,)` in its own dtype, whatever the order, byte order and padding.

    Raises:
        BadSensorData: fields that are unknown, repeated or reach beyond a point; data that do not fit width, height and steps.
    """
    height, width, step, row_step = int(message.height), int(message.width), int(message.point_step), int(message.row_step)
    data = memoryview(message.data).cast("B")
    if row_step < width * step or len(data) != height * row_step or step < 1:
        raise BadSensorData(f"point cloud: {len(data)} bytes with row_step {row_step} for {height} rows of {width} points of {step} bytes; "
                            f"expected {height} rows of at least {width * step} bytes")
    order = ">" if message.is_bigendian else "<"
    columns: dict[str, np.ndarray] = {}
    for field in message.fields:
        kind = _DATATYPES.get(int(field.datatype))
        size = np.dtype(kind).itemsize if kind else 0
        if kind is None or field.offset + size > step or field.name in columns:
            raise BadSensorData(f"point cloud: field {field.name!r} with datatype {field.datatype} at byte {field.offset} of {step}; expected "
                                "datatypes 1 to 8 within a point, each name once")
        if not height * width:
            columns[field.name] = np.zeros(0, order + kind)
            continue
        grid: np.ndarray = np.ndarray((height, width), order + kind, data, int(field.offset), (row_step, step))
        columns[field.name] = grid.reshape(-1)
    return columns


def sweep_span_ns(message: Any) -> tuple[int, int]:
    """When the first and the last point of a `sensor_msgs/PointCloud2` were measured, nanoseconds after the header's stamp (before it:
    negative); 0, 0 without times, with a single one or those of another clock, and for damaged data, which `points_from_cloud` names."""
    try:
        columns = cloud_columns(message)
    except BadSensorData:
        return 0, 0
    times = _times(columns)
    if times is None or not len(times):
        return 0, 0
    ages_s = _age_s(times, stamp_ns(message.header.stamp))
    first_ns, last_ns = (1000 * round(-1e6 * float(age_s)) for age_s in (ages_s.max(), ages_s.min()))  # no finer than float32 is
    return (0, 0) if first_ns == last_ns else (first_ns, last_ns)


def points_from_cloud(message: Any, *, intensity_max: float) -> np.ndarray:
    """Points of a `sensor_msgs/PointCloud2` in the cloud's own frame. Nothing near the sensor is cut: see `fusion.data.readers.remove_close`.

    Args:
        message: the cloud; fields x y z of any numeric type. `intensity` (or `i`, `reflectivity`) is 0 where absent or not finite.
            `t`, `time`, `timestamp`, `time_stamp` or `offset_time` is the time of each point: integers are nanoseconds after the header's stamp,
            floats seconds after it or by its clock, since the epoch or a start (nanoseconds since the epoch where they are that large).
        intensity_max: the intensity that becomes 1.

    Returns:
        `(P, 5)` float32, columns `POINT_FIELDS`; rows whose position is not finite are left out. `age_s` counts back from the header's
        stamp: negative for points measured after it, as with drivers that stamp the start of a sweep; 0 without times, and where they are
        more than `MAX_AGE_S` away from it, as of another clock or in another unit: that says nothing of when a point was measured.

    Raises:
        BadSensorData: damaged data, or no x, y, z.
        ValueError: `intensity_max` is not positive.
    """
    if not intensity_max > 0:
        raise ValueError(f"intensity_max: expected a positive number, got {intensity_max}")
    columns = cloud_columns(message)
    if not {"x", "y", "z"} <= columns.keys():
        raise BadSensorData(f"point cloud: fields {sorted(columns)}; expected x, y and z among them")
    points = np.zeros((len(columns["x"]), len(POINT_FIELDS)), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # float64 fields may hold what float32 cannot: dropped below
        for index, name in enumerate("xyz"):
            points[:, index] = columns[name]
        intensity = intensity_of(columns)
        if intensity is not None:
            points[:, 3] = intensity
            points[:, 3] = np.clip(np.nan_to_num(points[:, 3] / np.float32(intensity_max), posinf=1, neginf=0), 0, 1)
    times = _times(columns)
    if times is not None:
        points[:, 4] = _age_s(times, stamp_ns(message.header.stamp))
    finite = np.isfinite(points[:, 0]) & np.isfinite(points[:, 1]) & np.isfinite(points[:, 2])  # by column: all(axis=1) takes 20 times as long
    return points if finite.all() else points.compress(finite, axis=0)


def intensity_of(columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """`(P,)` of the columns of a cloud, under whichever name it has; None where it has none."""
    return next((columns[name] for name in _INTENSITY_FIELDS if name in columns), None)


def _times(columns: dict[str, np.ndarray]) -> np.ndarray | None:
    return next((columns[name] for name in _TIME_FIELDS if name in columns), None)


def _age_s(times: np.ndarray, cloud_stamp_ns: int) -> np.ndarray:
    """`(P,)` float64 seconds from each point to the cloud's stamp; 0 where the time is not finite or of another clock, for all where most are."""
    seconds = times.astype(np.float64)
    finite = seconds[np.isfinite(seconds)]
    usual = float(np.median(finite)) if len(finite) else 0.0  # single points may hold anything
    if times.dtype.kind in "iu":
        seconds = 1e-9 * seconds
    elif usual > 1e15:
        seconds = 1e-9 * (seconds - cloud_stamp_ns)
    elif usual > 1e6 or abs(usual) > MAX_AGE_S >= abs(usual - 1e-9 * cloud_stamp_ns):
        seconds = seconds - 1e-9 * cloud_stamp_ns
    near = np.abs(seconds) <= MAX_AGE_S  # NaN is not
    return np.where(near, -seconds, 0.0) if 2 * np.count_nonzero(near) >= len(near) else np.zeros(len(near))


def cloud_msg(make: Make, points: np.ndarray, *, stamp_ns: int, frame_id: str, fields: Sequence[str] = CLOUD_FIELDS) -> Any:
    """`sensor_msgs/PointCloud2` of `(P, C)` points, one row, C float32 fields in the order of the columns.

    Args:
        make: see `Make`.
        points: `(P, C)`; written as float32 without any scaling.
        stamp_ns: nanoseconds.
        frame_id: the frame of the points.
        fields: names of the columns; more names than columns are left out.
    """
    rows = np.ascontiguousarray(points, "<f4")
    count, width = rows.shape
    named = [make("sensor_msgs/msg/PointField", {"name": name, "offset": 4 * index, "datatype": _FLOAT32, "count": 1})
             for index, name in enumerate(fields[:width])]
    return make("sensor_msgs/msg/PointCloud2", {
        "header": header_msg(make, stamp_ns, frame_id), "height": 1, "width": count, "fields": named, "is_bigendian": False,
        "point_step": 4 * width, "row_step": 4 * width * count, "data": rows.tobytes(), "is_dense": bool(np.isfinite(rows[:, :3]).all())})
