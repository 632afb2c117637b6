"""A rig described in YAML, checked so that an impossible one is refused with one clear line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusion.config import from_mapping, load_yaml
from fusion.errors import UserError
from fusion.simulate.rig import CameraMount, LidarMount, Rig

LIDAR_CHANNEL = "LIDAR_TOP"
Numbers = tuple[float, ...]

_DEFAULT = LidarMount()


@dataclass(frozen=True, kw_only=True)
class CameraEntry:
    """One camera; exactly one of `focal_px`, `hfov_deg`, `intrinsics` says how wide it looks.

    Attributes:
        name: channel, such as "CAM_FRONT".
        size_wh: pixels.
        position_m: in the ego frame: on the ground below the rear axle, x forward, y left, z up.
        yaw_deg, pitch_deg, roll_deg: from straight ahead, left and down positive.
        focal_px: focal length.
        hfov_deg: horizontal field of view.
        centre_px: principal point; the image's centre by default.
        intrinsics: 3x3 matrix of square pixels, instead of focal length and principal point.
    """

    name: str
    position_m: tuple[float, float, float]
    size_wh: tuple[int, int] = (1600, 900)
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    focal_px: float | None = None
    hfov_deg: float | None = None
    centre_px: tuple[float, float] | None = None
    intrinsics: tuple[Numbers, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class LidarEntry:
    """The LiDAR; see `LidarMount`. `elevations_deg` lists every beam, lowest first."""

    name: str = LIDAR_CHANNEL
    position_m: tuple[float, float, float] = _DEFAULT.position_m
    yaw_deg: float = _DEFAULT.yaw_deg
    pitch_deg: float = _DEFAULT.pitch_deg
    roll_deg: float = _DEFAULT.roll_deg
    elevations_deg: Numbers = tuple(_DEFAULT.elevations_deg)
    azimuth_steps: int = _DEFAULT.azimuth_steps
    rate_hz: float = _DEFAULT.rate_hz
    start_deg: float = _DEFAULT.start_deg
    range_m: tuple[float, float] = _DEFAULT.range_m


@dataclass(frozen=True, kw_only=True)
class RigEntry:
    """The whole file."""

    cameras: tuple[CameraEntry, ...] = ()
    lidar: LidarEntry | None = None


def load_rig(path: Path) -> Rig:
    """Read a rig; raises UserError naming the file, the sensor, the value and what would be right."""
    mapping = load_yaml(path)
    try:
        return _rig(from_mapping(RigEntry, mapping))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _rig(entry: RigEntry) -> Rig:
    if not entry.cameras and entry.lidar is None:
        raise UserError("no sensors; expected `cameras`, `lidar` or both")
    names = [camera.name for camera in entry.cameras] + ([entry.lidar.name] if entry.lidar else [])
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise UserError(f"name {name!r}: expected letters, digits, - and _, as it becomes a folder")
        if names.count(name) > 1:
            raise UserError(f"name {name!r}: {names.count(name)} sensors have it; give each its own")
    return Rig(cameras=tuple(map(_camera, entry.cameras)), lidar=_lidar(entry.lidar) if entry.lidar else None)


def _camera(entry: CameraEntry) -> CameraMount:
    width, height = entry.size_wh
    _check(entry.name, "size_wh", entry.size_wh, "two sides of 8 to 8192 pixels", all(8 <= side <= 8192 for side in entry.size_wh))
    _check_finite(entry.name, "position_m", entry.position_m)
    _check_finite(entry.name, "yaw_deg, pitch_deg, roll_deg", (entry.yaw_deg, entry.pitch_deg, entry.roll_deg))
    given = [name for name in ("focal_px", "hfov_deg", "intrinsics") if getattr(entry, name) is not None]
    if len(given) != 1:
        raise UserError(f"{entry.name}: expected one of focal_px, hfov_deg, intrinsics, got {' and '.join(given) or 'none'}")
    centre = entry.centre_px or ((width - 1) / 2, (height - 1) / 2)
    if entry.intrinsics is not None:
        focal, centre = _from_matrix(entry.name, entry.intrinsics, entry.centre_px)
    elif entry.hfov_deg is not None:
        _check(entry.name, "hfov_deg", entry.hfov_deg, "more than 0 and less than 180 degrees", 0 < entry.hfov_deg < 180)
        focal = width / 2 / float(np.tan(np.radians(entry.hfov_deg) / 2))
    else:
        focal = float(entry.focal_px or 0.0)
        _check(entry.name, "focal_px", focal, "a finite number of pixels above 0", 0 < focal < np.inf)
    _check(entry.name, "field of view", f"{np.degrees(2 * np.arctan(width / 2 / focal)):.3g} degrees", "0.5 to 175 degrees of a pinhole camera",
           0.5 <= np.degrees(2 * np.arctan(width / 2 / focal)) <= 175)
    _check(entry.name, "centre_px", list(centre), f"a point of the {width}x{height} image", 0 <= centre[0] < width and 0 <= centre[1] < height)
    return CameraMount(name=entry.name, size_wh=entry.size_wh, focal_px=focal, centre_px=centre, position_m=entry.position_m,
                       yaw_deg=entry.yaw_deg, pitch_deg=entry.pitch_deg, roll_deg=entry.roll_deg)


def _from_matrix(name: str, rows: tuple[Numbers, ...], centre_px: tuple[float, float] | None) -> tuple[float, tuple[float, float]]:
    if [len(row) for row in rows] != [3, 3, 3]:
        raise UserError(f"{name}: intrinsics: expected 3 rows of 3 numbers, got rows of {[len(row) for row in rows]}")
    matrix = np.array(rows)
    shown = f"{matrix.tolist()}"
    _check(name, "intrinsics", shown, "finite numbers", bool(np.isfinite(matrix).all()))
    _check(name, "intrinsics", shown, "a matrix that can be inverted; this one is singular", abs(np.linalg.det(matrix)) > 1e-9)
    _check(name, "intrinsics", shown, "[[f, 0, u], [0, f, v], [0, 0, 1]] with f > 0: square pixels, no skew",
           bool(matrix[0, 0] > 0 and abs(matrix[0, 0] - matrix[1, 1]) < 0.01 * matrix[0, 0] and not np.any(matrix[[0, 1, 2, 2], [1, 0, 0, 1]])
                and matrix[2, 2] == 1))
    if centre_px is not None:
        raise UserError(f"{name}: centre_px: the intrinsics hold it already; give one of both")
    return float(matrix[0, 0] + matrix[1, 1]) / 2, (float(matrix[0, 2]), float(matrix[1, 2]))


def _lidar(entry: LidarEntry) -> LidarMount:
    name, beams = entry.name, entry.elevations_deg
    _check("lidar", "name", name, f"{LIDAR_CHANNEL}: the channel that the devkit and every reader of the format look for", name == LIDAR_CHANNEL)
    _check_finite(name, "position_m", entry.position_m)
    _check_finite(name, "yaw_deg, pitch_deg, roll_deg, start_deg", (entry.yaw_deg, entry.pitch_deg, entry.roll_deg, entry.start_deg))
    _check(name, "elevations_deg", list(beams), "1 to 256 angles between -90 and 90, lowest first",
           1 <= len(beams) <= 256 and all(-90 < b < 90 for b in beams) and all(np.diff(beams) > 0))
    _check(name, "azimuth_steps", entry.azimuth_steps, "8 to 16384", 8 <= entry.azimuth_steps <= 16384)
    _check(name, "rate_hz", entry.rate_hz, "2 to 100 turns a second", 2 <= entry.rate_hz <= 100)
    _check(name, "range_m", list(entry.range_m), "nearest and farthest return, 0 <= nearest < farthest <= 1000",
           0 <= entry.range_m[0] < entry.range_m[1] <= 1000)
    return LidarMount(name=name, position_m=entry.position_m, yaw_deg=entry.yaw_deg, pitch_deg=entry.pitch_deg, roll_deg=entry.roll_deg,
                      elevations_deg=beams, azimuth_steps=entry.azimuth_steps, rate_hz=entry.rate_hz, start_deg=entry.start_deg,
                      range_m=entry.range_m)


def _check(sensor: str, key: str, value: object, right: str, ok: bool) -> None:
    if not ok:
        raise UserError(f"{sensor}: {key}: expected {right}, got {value}")


def _check_finite(sensor: str, key: str, values: Sequence[float]) -> None:
    _check(sensor, key, list(values), "finite numbers", bool(np.isfinite(values).all()))
