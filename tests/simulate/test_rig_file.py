"""Rigs from YAML: the shipped ones load, the impossible ones are refused with one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fusion.errors import UserError
from fusion.simulate.rig import nuscenes_rig
from fusion.simulate.rig_file import load_rig

RIGS = Path(__file__).resolve().parents[2] / "configs" / "rigs"
CAMERA = "name: CAM_A, position_m: [1, 0, 1.5]"


def load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "rig.yaml"
    path.write_text(text)
    return load_rig(path)


def test_the_shipped_nuscenes_file_is_the_default_rig() -> None:
    loaded, default = load_rig(RIGS / "nuscenes.yaml"), nuscenes_rig()
    assert loaded.cameras == default.cameras
    assert loaded.lidar == default.lidar


def test_fields_of_view_become_focal_lengths() -> None:
    robot = load_rig(RIGS / "robot.yaml")
    assert [camera.name for camera in robot.cameras] == ["CAM_FRONT", "CAM_RIGHT", "CAM_BACK", "CAM_LEFT"]
    assert robot.cameras[0].focal_px == pytest.approx(320 / np.tan(np.radians(50)))
    assert robot.cameras[0].centre_px == (319.5, 239.5)
    assert robot.lidar is not None
    assert len(robot.lidar.elevations_deg) == 16


def test_a_lidar_is_level_unless_told_otherwise(tmp_path: Path) -> None:
    level, tilted = (load(tmp_path, f"lidar: {{{tilt}}}").lidar for tilt in ("", "pitch_deg: 12, roll_deg: -3, yaw_deg: 90"))  # type: ignore[attr-defined]
    np.testing.assert_allclose(level.ego_T_body[:3, :3], np.eye(3), atol=1e-12)
    assert (tilted.yaw_deg, tilted.pitch_deg, tilted.roll_deg) == (90, 12, -3)
    np.testing.assert_allclose(tilted.ego_T_lidar[:3, 1], [0, np.cos(np.radians(12)), -np.sin(np.radians(12))], atol=1e-12)  # nose down, to the left


def test_intrinsics_instead_of_a_focal_length(tmp_path: Path) -> None:
    rig = load(tmp_path, f"cameras: [{{{CAMERA}, intrinsics: [[1000, 0, 700], [0, 1000, 400], [0, 0, 1]]}}]")
    assert rig.lidar is None  # type: ignore[attr-defined]
    assert rig.cameras[0].intrinsics.tolist() == [[1000, 0, 700], [0, 1000, 400], [0, 0, 1]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("text", "says"), [
    ("", "no sensors"),
    (f"cameras: [{{{CAMERA}, hfov_deg: 180}}]", "CAM_A: hfov_deg: expected more than 0 and less than 180 degrees, got 180"),
    (f"cameras: [{{{CAMERA}, hfov_deg: 0}}]", "less than 180 degrees, got 0"),
    (f"cameras: [{{{CAMERA}, hfov_deg: .nan}}]", "got nan"),
    (f"cameras: [{{{CAMERA}, hfov_deg: 179.9}}]", "field of view"),
    (f"cameras: [{{{CAMERA}, focal_px: -1}}]", "focal_px"),
    (f"cameras: [{{{CAMERA}, focal_px: .inf}}]", "focal_px"),
    (f"cameras: [{{{CAMERA}}}]", "one of focal_px, hfov_deg, intrinsics, got none"),
    (f"cameras: [{{{CAMERA}, focal_px: 1000, hfov_deg: 60}}]", "got focal_px and hfov_deg"),
    (f"cameras: [{{{CAMERA}, focal_px: 1000}}, {{{CAMERA}, focal_px: 900}}]", "name 'CAM_A': 2 sensors have it"),
    ("cameras: [{name: LIDAR_TOP, position_m: [0, 0, 1], focal_px: 900}]\nlidar: {}", "2 sensors have it"),
    ("cameras: [{name: ../a, position_m: [0, 0, 1], focal_px: 900}]", "becomes a folder"),
    (f"cameras: [{{{CAMERA}, focl_px: 1000}}]", "cameras[0].focl_px: unknown key; did you mean 'focal_px'?"),
    (f"cameras: [{{{CAMERA}, focal_px: 1000, size_wh: [0, 900]}}]", "size_wh"),
    (f"cameras: [{{{CAMERA}, focal_px: 1000, centre_px: [1700, 400]}}]", "centre_px"),
    (f"cameras: [{{{CAMERA}, focal_px: 1000, yaw_deg: .nan}}]", "finite"),
    ("cameras: [{name: CAM_A, position_m: [1, .inf, 1.5], focal_px: 1000}]", "position_m: expected finite numbers"),
    (f"cameras: [{{{CAMERA}, intrinsics: [[1000, 0, 700], [0, 0, 400], [0, 0, 1]]}}]", "singular"),
    (f"cameras: [{{{CAMERA}, intrinsics: [[1000, 0, .nan], [0, 1000, 400], [0, 0, 1]]}}]", "finite numbers"),
    (f"cameras: [{{{CAMERA}, intrinsics: [[1000, 0, 700], [0, 500, 400], [0, 0, 1]]}}]", "square pixels"),
    (f"cameras: [{{{CAMERA}, intrinsics: [[1000, 0], [0, 500]]}}]", "3 rows of 3"),
    ("lidar: {name: LIDAR_ROOF}", "LIDAR_TOP"),
    ("lidar: {pitch_deg: .nan}", "pitch_deg, roll_deg, start_deg: expected finite numbers"),
    ("lidar: {range_m: [5, 5]}", "range_m"),
    ("lidar: {elevations_deg: [10, -10]}", "lowest first"),
    ("lidar: {elevations_deg: []}", "elevations_deg"),
    ("lidar: {rate_hz: 0}", "rate_hz"),
    ("lidar: {azimuth_steps: 0}", "azimuth_steps"),
    ("- 3", "expected a YAML mapping"),
])
def test_an_impossible_rig_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, text)
    assert says in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "rig.yaml"))
    assert "\n" not in str(error.value)
