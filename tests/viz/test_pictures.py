"""Pictures: boxes where they belong, any rig, absent sensors, videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fusion.types import Detections, GroundTruth, SensorSet
from fusion.viz import video
from fusion.viz.bev_picture import BevView, draw_bev
from fusion.viz.camera_mosaic import camera_grid, draw_camera, draw_instant, sensors_text
from fusion.viz.draw_boxes import clip_segment, draw_boxes_on_image, draw_line

K = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
CAM_T_EGO = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])


def test_bev_pixels_forward_is_up_and_left_is_left() -> None:
    view = BevView(size_px=100, range_m=50)
    np.testing.assert_allclose(view.pixels(np.array([[0, 0], [10, 0], [0, 10.0]])), [[49.5, 49.5], [49.5, 39.5], [39.5, 49.5]])


def test_segments_are_cut_at_the_near_plane() -> None:
    cut = clip_segment(np.array([0.0, 0, -1]), np.array([2.0, 0, 1]), near_m=0.5)
    assert cut is not None
    np.testing.assert_allclose(cut, [[1.5, 0, 0.5], [2, 0, 1]])
    assert clip_segment(np.array([0.0, 0, -1]), np.array([0.0, 0, 0])) is None


def test_box_ahead_covers_its_projection() -> None:
    image = np.zeros((80, 100, 3), np.uint8)
    draw_boxes_on_image(image, np.array([[10.5, 0, 0, 1, 2, 2, 0]]), [(255, 0, 0)], CAM_T_EGO, K, thickness=1)
    rows, columns = np.nonzero(image[:, :, 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((30, 50, 40, 60), abs=1)


@pytest.mark.parametrize("x", [-10.0, 0.0, 0.3, 1e6])
def test_boxes_behind_around_and_far_away_do_no_harm(x: float) -> None:
    image = np.zeros((80, 100, 3), np.uint8)
    draw_boxes_on_image(image, np.array([[x, 0.2, 0, 4, 2, 2, 0.3]]), [(255, 0, 0)], CAM_T_EGO, K, fill=0.3)
    assert x != -10.0 or not image.any()


def test_lines_far_outside_are_cut_not_wrapped() -> None:
    image = np.zeros((50, 50, 3), np.uint8)
    draw_line(image, np.array([-1e7, 25.0]), np.array([1e7, 25.0]), (255, 255, 255))
    assert image[25].all()
    assert not image[:20].any()


def test_bev_shows_points_and_says_when_there_are_none() -> None:
    readings = SensorSet.example(cameras=0)
    full, empty = draw_bev(readings, None, None), draw_bev(readings.without("LIDAR_TOP"), None, None)
    assert (full != empty).any()


def test_nuscenes_cameras_look_around_and_others_keep_their_order() -> None:
    rig = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT")
    assert camera_grid(rig)[0] == ["CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT"]
    assert camera_grid(("a", "b", "c", "d")) == [["a", "b", "c"], ["d"]]
    assert camera_grid(()) == []


@pytest.mark.parametrize("cameras", [0, 1, 3, 5])
def test_any_number_of_cameras(cameras: int) -> None:
    readings = SensorSet.example(cameras=cameras)
    picture = draw_instant(readings, Detections.example(), GroundTruth.example(), title="scene")
    assert picture.dtype == np.uint8
    assert picture.shape[0] % 2 == picture.shape[1] % 2 == 0
    absent = readings.without(*readings.cameras, "LIDAR_TOP") if cameras else readings
    assert draw_instant(absent, Detections.empty(stamp_ns=0)).shape[2] == 3


def test_an_absent_camera_is_a_dark_tile() -> None:
    tile = draw_camera(SensorSet.example().without("CAM_0"), "CAM_0", (90, 300), None, None)
    assert np.median(tile) < 40


def test_what_the_answer_rests_on() -> None:
    assert sensors_text(Detections.example()) == "LIDAR_TOP"
    assert sensors_text(Detections.empty(stamp_ns=0)) == "no sensor"


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.jpg" for i in range(3)]
    for index, path in enumerate(paths):
        video.write_jpeg(path, np.full((48 + 16 * index, 64, 3), 80 * index, np.uint8))
    return paths


def test_video_has_every_picture(pictures: list[Path], tmp_path: Path) -> None:
    path = video.write_video(pictures, tmp_path / "scene.mp4")
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    assert (path.suffix, count) == (".mp4", 3)


def test_gif_where_mp4_cannot_be_written(pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    class Closed:
        fourcc = staticmethod(lambda *_: 0)

        def __init__(self, *_: object) -> None: ...

        def isOpened(self) -> bool:
            return False

        def release(self) -> None: ...

    monkeypatch.setattr(video.cv2, "VideoWriter", Closed)
    path = video.write_video(pictures, tmp_path / "scene.mp4")
    assert path.suffix == ".gif"
    assert Image.open(path).n_frames == 3
    assert not list(tmp_path.glob("*.mp4"))
