"""A DGP scene: the frames are right where the annotated boxes hold the annotated number of points."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fusion.data.dgp import DgpSource, _stamp_ns
from fusion.data.open import open_source
from fusion.errors import UserError
from fusion.geometry.boxes import points_in_boxes
from fusion.geometry.transforms import transform_points


@pytest.fixture(scope="module")
def dgp(shared_data: Path) -> DgpSource:
    return DgpSource(shared_data / "dgp_tri/test_scene/scene_01")


def test_rig(dgp: DgpSource) -> None:
    assert dgp.scenes() == ["scene_01"]
    assert dgp.tokens("scene_01") == ["scene_01/000000", "scene_01/000001", "scene_01/000002"]
    assert dgp.sensors() == ("CAMERA_01", "CAMERA_05", "CAMERA_06", "LIDAR")
    readings = dgp.load("scene_01/000000")
    assert readings.sensors_present == dgp.sensors()
    assert readings.warnings == ()
    camera = readings.cameras["CAMERA_05"]
    assert camera is not None
    assert camera.image.shape == (1216, 1936, 3)
    assert camera.stamp_ns - readings.stamp_ns == 211_478_000  # 58.415230 s - 58.203752 s


def test_every_sensor_gives_the_same_vehicle_pose(dgp: DgpSource) -> None:
    readings = dgp.load("scene_01/000001")  # the vehicle stands still
    for name, camera in readings.cameras.items():
        assert camera is not None
        assert camera.global_T_ego is not None
        np.testing.assert_allclose(camera.global_T_ego, readings.global_T_ego, atol=5e-3, err_msg=name)


def _counts(dgp: DgpSource, token: str, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """Points inside each box, turned by `turn` radians, and the annotated numbers."""
    truth, cloud = dgp.ground_truth(token), dgp.load(token, cameras=False).lidar
    assert truth is not None
    assert cloud is not None
    assert len(truth) > 50
    boxes = truth.boxes + np.array([0, 0, 0, 0, 0, 0, turn, 0, 0], np.float32)
    points = transform_points(cloud.ego_T_lidar, cloud.points[:, :3])
    return points_in_boxes(points, boxes).sum(axis=1), truth.num_lidar_pts


def test_boxes_hold_points_as_annotated(dgp: DgpSource) -> None:
    for token in dgp.tokens("scene_01"):
        inside, annotated = _counts(dgp, token, 0.0)
        many = annotated >= 100
        # The published clouds are thinned to about a fifth of those that were annotated, evenly.
        share = inside[many] / annotated[many]
        assert many.sum() >= 30
        assert 0.15 < np.median(share) < 0.2
        assert share.min() > 0.05
        assert np.corrcoef(inside, annotated)[0, 1] > 0.98
        assert _counts(dgp, token, np.pi / 2)[0].sum() < 0.8 * inside.sum()  # boxes across their objects would hold fewer


def test_faults(dgp: DgpSource, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found 0 files named scene_"):
        DgpSource(tmp_path)
    with pytest.raises(UserError, match=r"token 'x'"):
        dgp.load("x")
    (tmp_path / "scene_1.json").write_text("{}")
    with pytest.raises(UserError, match=r"scene_1.json: a record lacks or garbles 'data'"):
        DgpSource(tmp_path)


@pytest.mark.parametrize(("text", "nanoseconds"), [
    ("1970-01-01T00:00:01Z", 1_000_000_000), ("1970-01-02T00:00:00.5Z", 86_400_500_000_000), ("1970-01-01T00:00:00.000001Z", 1000),
    ("1970-01-01T00:00:00.123456789Z", 123_456_789)])
def test_times_have_up_to_nine_decimals(text: str, nanoseconds: int) -> None:
    assert _stamp_ns(text) == nanoseconds


@pytest.mark.parametrize("text", ["1970-01-01T00:00:01", "1970-01-01T00:00:01+01:00", "1970-01-01T00:00:01.1234567890Z", "yesterdayZ"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time "):
        _stamp_ns(text)


@pytest.mark.parametrize(("terms", "told"), [
    ({"k1": -0.3, "k2": 0.0, "p1": 0.001}, "k1 -0.3, p1 0.001"), ({"fisheye": 1}, "fisheye 1"), ({"alpha": 0.6, "beta": 1.1}, "alpha 0.6"),
    ({"s4": 0.1, "tauy": 0.2}, "s4 0.1, tauy 0.2"), ({"w": 0.9}, "w 0.9"), ({"xi": -0.2}, "xi -0.2"), ({"equirectangular": 1}, "equirectangular 1")])
def test_a_distorted_camera_is_absent_and_named(dgp: DgpSource, tmp_path: Path, terms: dict[str, float], told: str) -> None:
    scene = tmp_path / "scene_01"
    scene.mkdir()
    for path in dgp.folder.iterdir():
        if path.name != "calibration":
            (scene / path.name).symlink_to(path)
    (source,) = (dgp.folder / "calibration").iterdir()
    rig = json.loads(source.read_text())
    rig["intrinsics"][rig["names"].index("CAMERA_05")] |= terms
    (scene / "calibration").mkdir()
    rig["intrinsics"][rig["names"].index("CAMERA_06")] |= {"fov": 1.2, "beta": 1.0, "k1": 0.0, "fisheye": 0}
    (scene / "calibration" / source.name).write_text(json.dumps(rig))
    readings = DgpSource(scene).load("scene_01/000000")
    assert readings.sensors_present == ("CAMERA_01", "CAMERA_06", "LIDAR")
    assert readings.warnings == (
        f"CAMERA_05: distorted images ({told}), expected those of a pinhole camera; straighten them; taken as absent",)


def test_open_source_picks_the_format(dgp: DgpSource, scene0523: Path, shared_data: Path, tmp_path: Path) -> None:
    assert open_source(scene0523, "v1.0-mini", ["scene-0523"]).scenes() == ["scene-0523"]
    assert open_source(dgp.folder, "dgp").scenes() == ["scene_01"]
    assert open_source(shared_data / "kitti_object_3frames", "kitti").tokens("training") == ["000000", "000001", "000002"]
    with pytest.raises(UserError, match=r"scene 'x'"):
        open_source(dgp.folder, "dgp", ["x"])
    with pytest.raises(UserError, match=r"no such folder"):
        open_source(tmp_path / "none", "v1.0-mini")
