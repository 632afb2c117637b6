"""Messages to arrays and back. Needs no running ROS: plain objects, rosbags' classes, and rclpy's where they are installed."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from fusion.errors import BadSensorData, UserError
from fusion.types import Detections
from fusion.types.tracks import Tracks
from ros_nodes import conversion as c

typesys = pytest.importorskip("rosbags.typesys", reason="rosbags is not installed")
STORE = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
NS = 1_700_000_000_123_456_789


def plain(name: str, fields: Mapping[str, Any]) -> Any:
    """A message of any type, as far as its fields are given."""
    return SimpleNamespace(_type=name, **fields)


MAKES = [pytest.param(c.rosbags_make(STORE), id="rosbags"), pytest.param(c.rclpy_make, id="rclpy", marks=pytest.mark.skipif(
    importlib.util.find_spec("sensor_msgs") is None, reason="sensor_msgs is not installed"))]
both_makes = pytest.mark.parametrize("make", MAKES)


def image_bytes(encoding: str, height: int, width: int, data: np.ndarray, padding: int = 0) -> Any:
    rows = data.reshape(height, -1)
    step = rows.shape[1] + padding
    return SimpleNamespace(encoding=encoding, height=height, width=width, step=step,
                           data=np.pad(rows, ((0, 0), (0, padding)), constant_values=99).tobytes())


# --- images


@both_makes
def test_image_goes_and_comes_back(make: c.Make) -> None:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    message = c.image_msg(make, image, stamp_ns=NS, frame_id="cam")
    assert (message.encoding, message.step, message.header.frame_id, c.stamp_ns(message.header.stamp)) == ("rgb8", 9, "cam", NS)
    np.testing.assert_array_equal(c.image_from_msg(message), image)


RGB = np.array([[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [100, 110, 120]]], np.uint8)


@pytest.mark.parametrize(("encoding", "data"), [
    ("rgb8", RGB), ("bgr8", RGB[..., ::-1]), ("RGB8", RGB), ("rgba8", np.dstack([RGB, np.full((2, 2), 7, np.uint8)])),
    ("bgra8", np.dstack([RGB[..., ::-1], np.full((2, 2), 7, np.uint8)]))])
@pytest.mark.parametrize("padding", [0, 5])
def test_colour_orders_and_row_padding(encoding: str, data: np.ndarray, padding: int) -> None:
    np.testing.assert_array_equal(c.image_from_msg(image_bytes(encoding, 2, 2, np.ascontiguousarray(data), padding)), RGB)


def test_grey_is_repeated() -> None:
    assert c.image_from_msg(image_bytes("mono8", 1, 2, np.array([5, 9], np.uint8))).tolist() == [[[5] * 3, [9] * 3]]


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns(pattern: str) -> None:
    """A red surface: only the red places of the pattern are lit."""
    cell = np.array([255 if letter == "r" else 0 for letter in pattern], np.uint8).reshape(2, 2)
    inner = c.image_from_msg(image_bytes(f"bayer_{pattern}8", 8, 8, np.tile(cell, (4, 4))))[3:5, 3:5]
    assert (inner[..., 0] > 200).all() and (inner[..., 1:] == 0).all()


@pytest.mark.parametrize(("encoding", "order"), [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv")])
def test_yuv422(encoding: str, order: str) -> None:
    """A bright red pixel pair in ITU-R BT.601: Y 82, U 90, V 240."""
    values = {"u": 90, "v": 240, "y": 82}
    image = c.image_from_msg(image_bytes(encoding, 1, 2, np.array([values[letter] for letter in order], np.uint8)))
    assert image.shape == (1, 2, 3)
    assert np.abs(image.astype(int) - [255, 0, 0]).max() <= 2


@pytest.mark.parametrize(("change", "words"), [
    ({"encoding": "16UC1"}, "encoding '16UC1'"), ({"data": b"\0" * 11}, "11 bytes"), ({"step": 5}, "step 5"), ({"height": 0}, "2x0"),
    ({"encoding": "yuv422", "width": 3, "step": 6}, "even")])
def test_wrong_images_are_named(change: dict[str, Any], words: str) -> None:
    message = image_bytes("rgb8", 2, 2, RGB)
    for key, value in change.items():
        setattr(message, key, value)
    with pytest.raises(BadSensorData, match=words):
        c.image_from_msg(message)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
@both_makes
def test_compressed_bytes_are_untouched_and_decode(make: c.Make, kind: str) -> None:
    content = cv2.imencode(f".{kind}", np.full((8, 16, 3), (200, 100, 50), np.uint8))[1].tobytes()
    message = c.compressed_msg(make, content, stamp_ns=NS, frame_id="cam", image_format=kind)
    assert bytes(message.data) == content
    image = c.image_from_compressed_msg(message)
    assert image.shape == (8, 16, 3) and np.abs(image.astype(int) - [50, 100, 200]).max() <= 3


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_compressed_mosaics_get_their_colours(pattern: str, kind: str) -> None:
    cell = np.array([{"r": 200, "g": 100, "b": 50}[letter] for letter in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(cell, (16, 16))
    content = cv2.imencode("." + {"jpeg": "jpg"}.get(kind, kind), mosaic, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    for reduction in (1, 2, 4):
        message = SimpleNamespace(format=f"bayer_{pattern}8; {kind} compressed ", data=content)
        image = c.image_from_compressed_msg(message, reduction)
        assert image.shape == (32 // reduction, 32 // reduction, 3)
        inner = image[4:-4, 4:-4] if reduction == 1 else image[2:-2, 2:-2]
        assert np.abs(inner.astype(int) - [200, 100, 50]).max() <= 6
    coloured = c.image_from_compressed_msg(SimpleNamespace(format=f"bayer_{pattern}8; {kind} compressed bgr8", data=content))
    np.testing.assert_array_equal(coloured[..., 0], coloured[..., 1])  # was turned into colours before it was compressed
    with pytest.raises(BadSensorData, match=f"a mosaic in bayer_{pattern}16"):
        c.image_from_compressed_msg(SimpleNamespace(format=f"bayer_{pattern}16; {kind} compressed ", data=content))


def test_wrong_compressed_images_are_named() -> None:
    content = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8))[1].tobytes()
    assert c.image_from_compressed_msg(SimpleNamespace(format="rgb8; jpeg compressed bgr8", data=content)).shape == (32, 32, 3)
    for kind, data, words in (("h264", content, "format 'h264'"), ("jpeg", content[:-40], "truncated jpeg"), ("jpeg", b"", "neither"),
                              ("jpeg", b"\xff\xd8" + b"\0" * 50 + b"\xff\xd9", "cannot be decoded")):
        with pytest.raises(BadSensorData, match=words):
            c.image_from_compressed_msg(SimpleNamespace(format=kind, data=data))


# --- calibration


@both_makes
def test_camera_info_goes_and_comes_back(make: c.Make) -> None:
    matrix = np.array([[1266.4, 0, 816.3], [0, 1266.4, 491.5], [0, 0, 1.0]])
    message = c.camera_info_msg(make, matrix, (1600, 900), stamp_ns=NS, frame_id="cam_front")
    assert list(message.p) == [1266.4, 0, 816.3, 0, 0, 1266.4, 491.5, 0, 0, 0, 1, 0]
    model = c.camera_model_from_info(message)
    assert (model.width, model.height, model.distortion_model) == (1600, 900, "plumb_bob")
    np.testing.assert_array_equal(model.intrinsics, matrix)


def test_region_and_binning() -> None:
    """Cut 100, 20 from the corner, then 2x2 pixels become one: the centre of old pixels 0 and 1 is the new pixel 0."""
    make = c.rosbags_make(STORE)
    message = c.camera_info_msg(make, np.array([[100, 0, 200.5], [0, 80, 60.5], [0, 0, 1.0]]), (400, 200), stamp_ns=0, frame_id="")
    message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = 100, 20, 240, 160
    message.binning_x = message.binning_y = 2
    model = c.camera_model_from_info(message)
    assert (model.width, model.height) == (120, 80)
    np.testing.assert_allclose(model.intrinsics, [[50, 0, 50.0], [0, 40, 20.0], [0, 0, 1]])


@pytest.mark.parametrize(("lens", "count"), [("plumb_bob", 5), ("equidistant", 4), ("double_sphere", 2)])
def test_a_rectified_image_is_the_pinhole_of_its_projection(lens: str, count: int) -> None:
    """Whatever the lens before it: that of an unknown model, too."""
    message = c.camera_info_msg(c.rosbags_make(STORE), np.diag([100.0, 100.0, 1.0]), (400, 200), stamp_ns=0, frame_id="",
                                distortion=np.full(count, 0.1))
    message.distortion_model = lens
    message.p = np.array([[80.0, 0, 190, -9], [0, 82, 95, 0], [0, 0, 1, 0]]).reshape(-1)
    model = c.camera_model_from_info(message, rectified=True)
    np.testing.assert_array_equal(model.intrinsics, [[80, 0, 190], [0, 82, 95], [0, 0, 1]])
    assert model.is_pinhole
    message.p = np.zeros(12)
    with pytest.raises(BadSensorData, match="camera_info: p is"):
        c.camera_model_from_info(message, rectified=True)


def test_what_turns_a_pair_of_cameras_into_one_plane_has_to_be_a_rotation() -> None:
    message = c.camera_info_msg(c.rosbags_make(STORE), np.diag([100.0, 100.0, 1.0]), (400, 200), stamp_ns=0, frame_id="")
    np.testing.assert_array_equal(c.rectification_from_info(message), np.eye(4))
    message.r = np.array([0.0, -1, 0, 1, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(c.rectification_from_info(message), [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    message.r = np.zeros(9)  # as drivers leave it that never heard of it
    np.testing.assert_array_equal(c.rectification_from_info(message), np.eye(4))
    for wrong in (np.diag([1.0, 1, -1]), np.diag([2.0, 1, 1]), np.full((3, 3), np.nan)):
        message.r = wrong.reshape(-1)
        with pytest.raises(BadSensorData, match=r"camera_info: r is .*expected a rotation"):
            c.rectification_from_info(message)


@pytest.mark.parametrize("change", [{"k": np.zeros(9)}, {"distortion_model": "thin_prism"}, {"d": np.zeros(3)}, {"width": 0}])
def test_wrong_calibration(change: dict[str, Any]) -> None:
    message = c.camera_info_msg(c.rosbags_make(STORE), np.diag([100.0, 100.0, 1.0]), (40, 20), stamp_ns=0, frame_id="")
    for key, value in change.items():
        setattr(message, key, value)
    with pytest.raises(BadSensorData):
        c.camera_model_from_info(message)


@pytest.mark.parametrize("name", ["", "none"])
def test_without_a_distortion_model_coefficients_of_zero_are_a_pinholes_and_others_are_refused(name: str) -> None:
    message = c.camera_info_msg(c.rosbags_make(STORE), np.diag([100.0, 100.0, 1.0]), (40, 20), stamp_ns=0, frame_id="")
    message.distortion_model = name
    for count in (0, 4, 5, 8):
        message.d = np.zeros(count)
        assert c.camera_model_from_info(message).is_pinhole
    for wrong in ([-0.1, 0, 0, 0, 0], [np.nan]):
        message.d = np.array(wrong)
        with pytest.raises(BadSensorData, match=f"d is .* with distortion_model '{name}'; expected the model that they are of"):
            c.camera_model_from_info(message)


# --- clouds


def cloud(kinds: list[tuple[str, str, int]], rows: list[tuple[float, ...]], *, order: str = "<", step: int, padding: int = 0,
          height: int = 1) -> Any:
    """A cloud of the given fields (name, NumPy kind, offset); `padding` bytes follow each row."""
    codes = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}
    table = np.zeros(len(rows), np.dtype({"names": [k[0] for k in kinds], "formats": [order + k[1] for k in kinds],
                                          "offsets": [k[2] for k in kinds], "itemsize": step}))
    for index, row in enumerate(rows):
        table[index] = row
    data = b"".join(part.tobytes() + b"\xff" * padding for part in np.split(table, height))
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=NS // 10**9, nanosec=NS % 10**9)), height=height, width=len(rows) // height,
        fields=[SimpleNamespace(name=n, offset=o, datatype=codes[k], count=1) for n, k, o in kinds], is_bigendian=order == ">",
        point_step=step, row_step=step * len(rows) // height + padding, data=data)


@both_makes
def test_cloud_goes_and_comes_back(make: c.Make) -> None:
    points = np.array([[1, 2, 3, 51, 7], [-4, 5, 6, 255, 8]], np.float32)
    message = c.cloud_msg(make, points, stamp_ns=NS, frame_id="lidar_top")
    assert [field.name for field in message.fields] == ["x", "y", "z", "intensity", "ring"]
    assert bytes(message.data) == points.tobytes()
    np.testing.assert_array_equal(c.cloud_columns(message)["ring"], [7, 8])
    np.testing.assert_allclose(c.points_from_cloud(message, intensity_max=255), [[1, 2, 3, 0.2, 0], [-4, 5, 6, 1, 0]], rtol=1e-6)


def test_any_field_order_type_and_byte_order() -> None:
    kinds = [("ring", "u2", 0), ("z", "f8", 2), ("intensity", "u1", 10), ("y", "i2", 12), ("x", "f4", 16)]
    for order in "<>":
        message = cloud(kinds, [(1, 3.5, 100, -2, 1.25), (2, 4.5, 200, 7, 2.25)], order=order, step=24, padding=10, height=2)
        np.testing.assert_allclose(c.points_from_cloud(message, intensity_max=200), [[1.25, -2, 3.5, 0.5, 0], [2.25, 7, 4.5, 1, 0]])


XYZ = [("x", "f4", 0), ("y", "f4", 4), ("z", "f4", 8)]


def test_rows_that_are_not_finite_are_left_out_and_intensity_is_bounded() -> None:
    rows = [(1, 2, 3, 5), (math.nan, 0, 0, 1), (0, math.inf, 0, 1), (4, 5, 6, math.nan), (7, 8, 9, -3)]
    points = c.points_from_cloud(cloud([*XYZ, ("intensity", "f4", 12)], rows, step=16), intensity_max=1.0)
    np.testing.assert_array_equal(points, [[1, 2, 3, 1, 0], [4, 5, 6, 0, 0], [7, 8, 9, 0, 0]])


def test_no_intensity_and_no_points() -> None:
    np.testing.assert_array_equal(c.points_from_cloud(cloud(XYZ, [(1, 2, 3)], step=12), intensity_max=255), [[1, 2, 3, 0, 0]])
    assert c.points_from_cloud(cloud(XYZ, [], step=12), intensity_max=255).shape == (0, 5)


@pytest.mark.parametrize(("field", "kind", "value"), [
    ("t", "u4", 30_000_000), ("offset_time", "u4", 30_000_000), ("time_stamp", "u4", 30_000_000), ("time", "f4", 0.03),
    ("timestamp", "f8", 1e-9 * NS + 0.03), ("timestamp", "f8", float(NS + 30_000_000))])
def test_time_of_each_point(field: str, kind: str, value: float) -> None:
    """A point measured 30 ms after the header's stamp has age -0.03 s."""
    points = c.points_from_cloud(cloud([*XYZ, (field, kind, 12)], [(1, 2, 3, value)], step=20), intensity_max=1)
    assert points[0, 4] == pytest.approx(-0.03, abs=1e-5)


def test_times_of_a_clock_that_counts_from_its_start() -> None:
    """As in a simulator, or of a LiDAR without the time of day: the header's stamp and the points' are of the same clock."""
    message = cloud([*XYZ, ("timestamp", "f8", 12)], [(1, 2, 3, 1234.53)] * 2, step=20)
    message.header.stamp = SimpleNamespace(sec=1234, nanosec=500_000_000)
    assert c.points_from_cloud(message, intensity_max=1)[:, 4] == pytest.approx(-0.03, abs=1e-5)


@pytest.mark.parametrize(("kind", "value"), [
    ("f8", 1e-9 * NS - 8.4e8), ("f8", 1e-9 * NS + 3.0), ("f8", 9e5 + 1e6), ("f8", 1e16), ("u4", 4_200_000_000)])
def test_times_of_another_clock_say_nothing(kind: str, value: float) -> None:
    """A LiDAR that no clock has reached counts from its start or from the year 2000: no age of years, nor of seconds."""
    points = c.points_from_cloud(cloud([*XYZ, ("timestamp", kind, 12)], [(1, 2, 3, value)] * 2, step=20), intensity_max=1)
    assert points[:, 4].tolist() == [0, 0]


@pytest.mark.parametrize(("times_s", "span_ms"), [
    ([0.0, 0.1, 0.05], (0, 100)), ([-0.1, 0.0], (-100, 0)), ([-0.02, 0.03, math.nan], (-20, 30)), ([0.4, 0.4], (0, 0)), ([], (0, 0)),
    ([0.5, 4e3, 8e4], (0, 0)), ([7e8, 0.02, 0.04], (0, 40))])  # microseconds; one point that was never measured
def test_from_when_to_when_a_sweep_was_measured(times_s: list[float], span_ms: tuple[int, int]) -> None:
    message = cloud([*XYZ, ("time", "f4", 12)], [(1, 2, 3, time) for time in times_s], step=16)
    assert [round(1e-6 * span) for span in c.sweep_span_ns(message)] == list(span_ms)
    ages = c.points_from_cloud(message, intensity_max=1)[:, 4] if times_s else np.zeros(1)
    assert (span_ms[0] != span_ms[1]) == (len(set(ages.tolist())) > 1)
    assert c.sweep_span_ns(cloud(XYZ, [(1, 2, 3)], step=12)) == (0, 0)
    message.data = b"1"
    assert c.sweep_span_ns(message) == (0, 0)


@pytest.mark.parametrize(("change", "words"), [
    ({"data": b"\0" * 13}, "13 bytes"), ({"point_step": 8}, "'z'"), ({"width": 9}, "9 points"),
    ({"fields": [SimpleNamespace(name="a", offset=0, datatype=7, count=1)]}, "expected x, y and z"),
    ({"fields": [SimpleNamespace(name="x", offset=0, datatype=11, count=1)]}, "datatype 11")])
def test_wrong_clouds_are_named(change: dict[str, Any], words: str) -> None:
    message = cloud(XYZ, [(1, 2, 3)], step=12)
    for key, value in change.items():
        setattr(message, key, value)
    with pytest.raises(BadSensorData, match=words):
        c.points_from_cloud(message, intensity_max=1)


# --- frames


@both_makes
def test_transforms_and_clock(make: c.Make) -> None:
    turned = c.Transform(parent="odom", child="base_link", stamp_ns=NS, rotation_wxyz=(math.sqrt(0.5), 0, 0, math.sqrt(0.5)),
                         translation_m=(600.5, -2, 3))
    message = c.tf_msg(make, [turned])
    assert c.transform_from_msg(message.transforms[0]) == turned
    np.testing.assert_allclose(turned.parent_T_child @ [1, 0, 0, 1], [600.5, -1, 3, 1], atol=1e-12)
    assert c.stamp_ns(c.clock_msg(make, NS).clock) == NS
    message.transforms[0].transform.rotation.w = message.transforms[0].transform.rotation.z = 0.0
    with pytest.raises(BadSensorData, match="odom <- base_link"):
        _ = c.transform_from_msg(message.transforms[0]).parent_T_child


# --- boxes


def detections() -> Detections:
    boxes = np.array([[10, 0, 1, 4, 2, 1.5, 3.0, 2, 1], [5, 5, 0, 0.6, 0.5, 1.7, -3.1, 0, 0]], np.float32)
    return Detections(boxes=boxes, scores=np.array([0.9, 0.35], np.float32), labels=np.array([0, 5]), attributes=("", ""), stamp_ns=NS,
                      sensors_used=())


def tracks() -> Tracks:
    boxes = np.array([[10, 0, 1, 4, 2, 1.5, 3.0, 2, 1]])
    return Tracks(boxes=boxes, ids=np.array([17]), scores=np.array([0.9], np.float32), labels=np.array([0]), age_s=np.zeros(1), unseen_s=np.zeros(1),
                  hits=np.ones(1, np.int64), stamp_ns=NS)


BOX_MAKES = [pytest.param(plain, id="plain"), pytest.param(c.rclpy_make, id="rclpy", marks=pytest.mark.skipif(
    not c.message_available(c.DETECTION_TYPE), reason="vision_msgs is not installed"))]


@pytest.mark.parametrize("make", BOX_MAKES)
def test_detections_go_and_come_back(make: c.Make) -> None:
    message = c.detections_msg(make, detections(), frame_id="base_link")
    first = message.detections[0]
    assert (first.bbox.size.x, first.bbox.size.y, first.bbox.size.z) == (4, 2, 1.5)
    assert (first.header.frame_id, first.results[0].hypothesis.class_id) == ("base_link", "car")
    back = c.detections_from_msg(message)
    np.testing.assert_allclose(back.boxes[:, :7], detections().boxes[:, :7], atol=1e-6)
    assert (back.boxes[:, 7:] == 0).all() and back.stamp_ns == NS and back.labels.tolist() == [0, 5]
    np.testing.assert_array_equal(back.scores, detections().scores)


def test_strange_detections_are_named() -> None:
    message = c.detections_msg(plain, detections(), frame_id="base_link")
    message.detections[1].results[0].hypothesis.class_id = "tram"
    with pytest.raises(BadSensorData, match="class 'tram'"):
        c.detections_from_msg(message)
    message = c.detections_msg(plain, detections(), frame_id="base_link")
    message.detections[0].bbox.size.x = 0.0
    with pytest.raises(BadSensorData, match="positive length"):
        c.detections_from_msg(message)


@pytest.mark.parametrize("make", BOX_MAKES)
def test_tracks_carry_their_ids(make: c.Make) -> None:
    message = c.tracks_msg(make, tracks(), frame_id="odom")
    assert c.ids_from_msg(message) == ("17",)


@both_makes
def test_markers_show_what_is_there_and_delete_what_is_gone(make: c.Make) -> None:
    message = c.markers_msg(make, detections(), frame_id="base_link", shown=(1, 2))
    deleted = [(marker.ns, marker.id) for marker in message.markers if marker.action == 2]
    assert deleted == [("box", 2), ("heading", 2), ("label", 2)]
    shown = [(marker.ns, marker.id, marker.type) for marker in message.markers if marker.action == 0]
    assert shown == [(name, number, kind) for number in (0, 1) for name, kind in (("box", 1), ("heading", 0), ("label", 9))]
    assert message.markers[-1].text == "pedestrian 0.35"
    assert c.markers_msg(make, tracks(), frame_id="odom").markers[-1].text == "car #17"
    assert c.marker_ids(tracks()) == (17,) and c.marker_ids(detections()) == (0, 1)


# --- status


@both_makes
def test_diagnostics(make: c.Make) -> None:
    reports = {name: SimpleNamespace(state=SimpleNamespace(value=state), reason=reason, rate_hz=12.0, age_s=None, skew_s=-0.02, latency_ms=12.5,
                                     latency_worst_ms=None, received=5, dropped=1)
               for name, state, reason in (("CAM_FRONT", "ok", ""), ("CAM_BACK", "frozen", "same pixels for 3 images"))}
    message = c.diagnostics_msg(make, reports, stamp_ns=NS, node="fusion_node")
    front, back = message.status
    assert [ord(s.level) if isinstance(s.level, bytes) else s.level for s in (front, back)] == [0, 2]
    assert (front.name, back.message) == ("fusion_node: CAM_FRONT", "frozen: same pixels for 3 images")
    assert {value.key: value.value for value in front.values} == {"state": "ok", "rate_hz": "12", "age_s": "unknown", "skew_s": "-0.02",
                                                                  "latency_ms": "12.5", "latency_worst_ms": "unknown",
                                                                  "received": "5", "dropped": "1"}


@both_makes
def test_sensors_used_go_and_come_back(make: c.Make) -> None:
    message = c.sensors_used_msg(make, stamp_ns=NS, used=("CAM_FRONT", "LIDAR_TOP"), missing={"CAM_BACK": "frozen"},
                                 skew_ns={"CAM_FRONT": -20_000_000}, stages_ms={"network": 12.5}, node="fusion_node")
    assert c.sensors_used_from_msg(message) == ("CAM_FRONT", "LIDAR_TOP")
    assert c.stamp_ns(message.header.stamp) == NS


def test_factories_refuse_what_is_not_there() -> None:
    with pytest.raises(UserError, match="not importable"):
        c.message_class("no_such_msgs/msg/Thing")
    with pytest.raises(AttributeError, match="no field 'hight'"):
        c.rosbags_make(STORE)("sensor_msgs/msg/Image", {"hight": 1})
