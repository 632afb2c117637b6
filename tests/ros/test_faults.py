"""The fault script: what it refuses, and what it does to a stream of messages."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fusion.errors import BadSensorData, UserError
from ros_nodes import conversion as c
from ros_nodes.faults import FAULTS, Fault, load_faults, parse_fault
from ros_nodes.player_codec import Codec, rclpy_codec, restamped, rosbags_codec, stamp_of
from ros_nodes.player_damage import damaged
from ros_nodes.player_events import Event
from ros_nodes.player_script import FaultScript
from ros_nodes.player_sensors import PlayedSensor
from ros_nodes.player_topics import CAMERA_INFO, CLOUD, COMPRESSED, IMAGE, TF

pytest.importorskip("rosbags", reason="rosbags is not installed")

def camera(name: str) -> PlayedSensor:
    """A camera with raw and compressed images, as a bag may hold both."""
    at = f"/sensors/{name}/"
    return PlayedSensor(topics={at + "image": IMAGE, at + "image/compressed": COMPRESSED, at + "camera_info": CAMERA_INFO}, frame=name)


SENSORS = {"CAM_FRONT": camera("cam_front"), "CAM_BACK": camera("cam_back"),
           "LIDAR_TOP": PlayedSensor(topics={"/sensors/lidar_top/points": CLOUD}, frame="lidar_top")}
CODEC = rosbags_codec()
MS, S = 1_000_000, 1_000_000_000
START = 1_600_000_000 * S
STEP = 100 * MS
IMAGE_PX = cv2.resize(np.random.default_rng(0).integers(100, 156, (8, 16, 3), np.uint8), (64, 32))
JPEG = cv2.imencode(".jpg", IMAGE_PX)[1].tobytes()


# --- scripts


def test_a_script_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("- {sensor: CAM_FRONT, fault: delay, ms: 150, from_s: 2, to_s: 6}\n- {sensor: all, fault: no_info}\n"
                    "- {sensor: [lidar_top, CAM_BACK], fault: drop}\n- {fault: clock_back, seconds: 3, from_s: 1}\n")
    late, blind, dead, back = load_faults(path, SENSORS)
    assert late == Fault(fault="delay", sensors=("CAM_FRONT",), ms=150.0, from_s=2.0, to_s=6.0)
    assert blind.sensors == ("CAM_FRONT", "CAM_BACK")  # a LiDAR has no camera_info
    assert (dead.sensors, dead.from_s, dead.to_s) == (("LIDAR_TOP", "CAM_BACK"), 0.0, math.inf)
    assert (back.sensors, back.seconds) == ((), 3.0)
    assert [late.active(round(s * 1e9)) for s in (1.9, 2, 5.9, 6)] == [False, True, True, False]


@pytest.mark.parametrize(("record", "words"), [
    ({"fault": "dorp", "sensor": "CAM_FRONT"}, "'dorp': unknown; did you mean 'drop'"),
    ({"fault": "drop", "sensor": "CAM_FRONTT"}, "did you mean 'cam_front'"),
    ({"fault": "drop"}, "sensor is missing"),
    ({"fault": "delay", "sensor": "CAM_FRONT"}, "ms is missing"),
    ({"fault": "delay", "sensor": "CAM_FRONT", "ms": -5}, "ms -5; expected a positive number"),
    ({"fault": "drop", "sensor": "CAM_FRONT", "ms": 5}, "key 'ms': unknown"),
    ({"fault": "drop", "sensor": "CAM_FRONT", "from_s": 4, "to_s": 3}, "expected from_s before to_s"),
    ({"fault": "no_info", "sensor": "LIDAR_TOP"}, "expected one of cam_front, cam_back"),
    ({"fault": "nan_points", "sensor": "CAM_BACK"}, "'cam_back': unknown; expected one of lidar_top"),
    ({"fault": "intrinsics", "sensor": "CAM_BACK"}, "factor is missing"),
    ({"fault": "intrinsics", "sensor": "CAM_BACK", "factor": 0}, "factor 0; expected a positive number"),
    ({"fault": "drop", "sensor": "/sensors/cam_front/imag"}, "'/sensors/cam_front/imag': unknown; expected one of"),
    ({"fault": "clock_back", "sensor": "CAM_FRONT", "seconds": 1}, "key 'sensor': unknown"),
    ({"fault": "flood", "sensor": "CAM_FRONT", "times": 2.5}, "times 2.5; expected a whole number"),
    ({"fault": "corrupt", "sensor": "CAM_FRONT", "mode": "nois"}, "did you mean 'noise'"),
    ({"sensor": "CAM_FRONT"}, "expected a mapping with `fault`"), ("drop", "expected a mapping")])
def test_mistakes_are_named(record: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_fault(record, SENSORS, "f.yaml: fault 1")


@pytest.mark.parametrize("content", ["drop: CAM_FRONT", "[", "\xff"])
def test_unreadable_scripts(tmp_path: Path, content: str) -> None:
    path = tmp_path / "faults.yaml"
    path.write_bytes(content.encode("latin1"))
    with pytest.raises(UserError, match="faults.yaml"):
        load_faults(path, SENSORS)
    with pytest.raises(UserError, match="cannot be read"):
        load_faults(tmp_path / "none.yaml", SENSORS)


def test_the_description_is_that_of_the_code(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "ros_nodes/faults.md").read_text()
    rows = [line.strip("| ").split(" | ")[:2] for line in text.splitlines() if line.startswith("| `")]
    assert {name.strip("`"): what.removesuffix(" |") for name, what in rows} == FAULTS
    (tmp_path / "faults.yaml").write_text(text.split("```")[1].removeprefix("yaml"))
    assert [fault.fault for fault in load_faults(tmp_path / "faults.yaml", SENSORS)] == ["drop", "delay", "corrupt", "clock_back"]


# --- what they do


def stream(kind: str = COMPRESSED, count: int = 4) -> list[Event]:
    """A drive of `count` steps of 0.1 s: static transforms, then /tf, camera_info, an image and a cloud each."""
    make = CODEC.make
    events: list[Event] = []

    def add(step: int, topic: str, name: str, message: Any) -> None:
        events.append(Event(step * STEP, START + step * STEP, topic, name, CODEC.encode(name, message)))

    static = [c.Transform(parent="base_link", child=name, stamp_ns=START, rotation_wxyz=(1, 0, 0, 0), translation_m=(1, 2, 3))
              for name in ("cam_front", "lidar_top")]
    add(0, "/tf_static", TF, c.tf_msg(make, static))
    for step in range(count):
        stamp = START + step * STEP
        pose = c.Transform(parent="odom", child="base_link", stamp_ns=stamp, rotation_wxyz=(1, 0, 0, 0), translation_m=(step, 0, 0))
        add(step, "/tf", TF, c.tf_msg(make, [pose]))
        add(step, "/sensors/cam_front/camera_info", CAMERA_INFO,
            c.camera_info_msg(make, np.diag([50.0, 50, 1]), (64, 32), stamp_ns=stamp, frame_id="cam_front"))
        if kind == COMPRESSED:
            content = JPEG[:-2] + bytes([step]) + JPEG[-2:]  # one odd byte before the end, so that no two are the same
            add(step, "/sensors/cam_front/image/compressed", kind, c.compressed_msg(make, content, stamp_ns=stamp, frame_id=""))
        else:
            add(step, "/sensors/cam_front/image", kind, c.image_msg(make, IMAGE_PX + step, stamp_ns=stamp, frame_id=""))
        add(step, "/sensors/lidar_top/points", CLOUD, c.cloud_msg(make, np.full((3, 5), 1.0 + step), stamp_ns=stamp, frame_id="lidar_top"))
    return events


def run(faults: Iterable[dict[str, Any]], events: list[Event], codec: Codec = CODEC) -> list[Event]:
    """Events after a script, always in order."""
    script = FaultScript([parse_fault(record, SENSORS, "test") for record in faults], codec, SENSORS)
    result = list(script.apply(events))
    assert all(before.play_ns <= after.play_ns for before, after in pairwise(result))
    return result


def times(events: Iterable[Event], part: str) -> list[tuple[int, int]]:
    """(play time, stamp since the start), in ms, of the stamped messages whose topic contains `part`."""
    return [(e.play_ns // MS, (stamp_of(e.data) - START) // MS) for e in events if part in e.topic]


def test_no_faults_leave_the_stream_as_it_is() -> None:
    assert run([], stream())[1:] == stream()[1:]


def test_other_sensors_are_left_alone() -> None:
    for name in FAULTS:
        needs = {"delay": {"ms": 5}, "decalibrate": {"yaw_deg": 5}, "intrinsics": {"factor": 2}}.get(name, {})
        if name in ("tf_delay", "clock_back", "flood", "nan_points"):
            continue
        result = run([{"fault": name, "sensor": "CAM_BACK", **needs}], stream())
        assert result[1:] == stream()[1:], name


def test_drop() -> None:
    result = run([{"fault": "drop", "sensor": "CAM_FRONT", "from_s": 0.1, "to_s": 0.3}], stream())
    assert times(result, "image") == times(result, "camera_info") == [(0, 0), (300, 300)]
    assert len(times(result, "points")) == 4


def test_no_info() -> None:
    result = run([{"fault": "no_info", "sensor": "CAM_FRONT", "to_s": 0.2}], stream())
    assert times(result, "camera_info") == [(200, 200), (300, 300)]
    assert len(times(result, "image")) == 4


@pytest.mark.parametrize(("kind", "part", "sensor"), [(COMPRESSED, "image", "CAM_FRONT"), (IMAGE, "image", "CAM_FRONT"),
                                                      (IMAGE, "points", "LIDAR_TOP")])
def test_freeze_repeats_the_content_with_new_stamps(kind: str, part: str, sensor: str) -> None:
    events = stream(kind)
    result = run([{"fault": "freeze", "sensor": sensor, "from_s": 0.2, "to_s": 0.3}], events)
    sound = [e for e in events if part in e.topic]
    frozen = [e for e in result if part in e.topic]
    assert times(result, part) == times(events, part)
    assert frozen[2].data == restamped(sound[1].data, START + 200 * MS)
    assert [frozen[i] for i in (0, 1, 3)] == [sound[i] for i in (0, 1, 3)]


def test_delay_keeps_stamps_and_order() -> None:
    result = run([{"fault": "delay", "sensor": "CAM_FRONT", "ms": 150, "to_s": 0.2}], stream())
    assert times(result, "image") == [(150, 0), (200, 200), (250, 100), (300, 300)]
    assert times(result, "camera_info") == times(result, "image")
    assert all(e.clock_ns == START + e.play_ns for e in result)


@pytest.mark.parametrize("kind", [COMPRESSED, IMAGE])
@pytest.mark.parametrize("fault", ["corrupt", "wrong_encoding"])
def test_damaged_images_are_refused_by_their_reader(kind: str, fault: str) -> None:
    for mode in ([{}] if fault == "wrong_encoding" or kind == IMAGE else [{}, {"mode": "noise"}]):
        image = next(e for e in run([{"fault": fault, "sensor": "CAM_FRONT", **mode}], stream(kind)) if "image" in e.topic)
        with pytest.raises(BadSensorData):
            (c.image_from_msg if kind == IMAGE else c.image_from_compressed_msg)(CODEC.decode(kind, image.data))


def test_noise_in_raw_pixels_is_an_image_of_noise() -> None:
    image = next(e for e in run([{"fault": "corrupt", "mode": "noise", "sensor": "CAM_FRONT"}], stream(IMAGE)) if "image" in e.topic)
    assert (c.image_from_msg(CODEC.decode(IMAGE, image.data))[:8] != IMAGE_PX[:8]).mean() > 0.9


@pytest.mark.parametrize("kind", [COMPRESSED, IMAGE])
def test_wrong_size(kind: str) -> None:
    image = next(e for e in run([{"fault": "wrong_size", "sensor": "CAM_FRONT"}], stream(kind)) if "image" in e.topic)
    assert (c.image_from_msg if kind == IMAGE else c.image_from_compressed_msg)(CODEC.decode(kind, image.data)).shape == (16, 32, 3)


@pytest.mark.parametrize("fault", ["corrupt", "wrong_size", "wrong_encoding", "wrong_step"])
def test_damaged_clouds_are_refused_by_their_reader(fault: str) -> None:
    cloud = next(e for e in run([{"fault": fault, "sensor": "LIDAR_TOP"}], stream()) if "points" in e.topic)
    with pytest.raises(BadSensorData):
        c.points_from_cloud(CODEC.decode(CLOUD, cloud.data), intensity_max=255)


def test_a_step_that_does_not_fit_is_refused_and_compressed_images_have_none() -> None:
    image = next(e for e in run([{"fault": "wrong_step", "sensor": "CAM_FRONT"}], stream(IMAGE)) if "image" in e.topic)
    with pytest.raises(BadSensorData, match="with step 384 for 64x32 rgb8"):
        c.image_from_msg(CODEC.decode(IMAGE, image.data))
    assert run([{"fault": "wrong_step", "sensor": "CAM_FRONT"}], stream())[1:] == stream()[1:]
    compressed = {"CAM_FRONT": PlayedSensor(topics={"/c": COMPRESSED}, frame="")}
    with pytest.raises(UserError, match="no sensor that it could concern"):
        parse_fault({"fault": "wrong_step", "sensor": "all"}, compressed, "test")


@pytest.mark.parametrize("big", [False, True])
def test_points_without_a_position_are_dropped_by_their_reader(big: bool) -> None:
    event = next(e for e in stream() if "points" in e.topic)
    message = CODEC.decode(CLOUD, event.data)
    if big:
        message.is_bigendian, message.data = True, np.frombuffer(bytes(message.data), "<f4").astype(">f4").view(np.uint8)
    fault = parse_fault({"fault": "nan_points", "sensor": "LIDAR_TOP"}, SENSORS, "test")
    cloud = CODEC.decode(CLOUD, damaged(fault, CLOUD, CODEC.encode(CLOUD, message), CODEC))
    columns = c.cloud_columns(cloud)
    assert all(np.isnan(columns[name]).all() for name in "xyz") and (columns["intensity"] == 1).all() and len(columns["x"]) == 3
    assert len(c.points_from_cloud(cloud, intensity_max=255)) == 0


def test_other_intrinsics_for_a_while() -> None:
    result = run([{"fault": "intrinsics", "sensor": "CAM_FRONT", "factor": 1.2, "from_s": 0.1, "to_s": 0.3}], stream())
    infos = [CODEC.decode(CAMERA_INFO, e.data) for e in result if "camera_info" in e.topic]
    assert [c.camera_model_from_info(info).intrinsics.diagonal().tolist() for info in infos] == [[f, f, 1] for f in (50, 60, 60, 50)]
    assert [c.camera_model_from_info(info, rectified=True).intrinsics[1, 1] for info in infos] == [50, 60, 60, 50]


def statics(events: Iterable[Event]) -> list[tuple[int, dict[str, float]]]:
    """(play time in ms, child -> yaw in degrees) of each message on /tf_static."""
    return [(e.play_ns // MS, {t.child: math.degrees(math.atan2(t.parent_T_child[1, 0], t.parent_T_child[0, 0]))
                               for t in map(c.transform_from_msg, CODEC.decode(TF, e.data).transforms)}) for e in events if e.topic == "/tf_static"]


def test_decalibrate_and_back() -> None:
    result = statics(run([{"fault": "decalibrate", "sensor": "CAM_FRONT", "yaw_deg": 5, "from_s": 0.1, "to_s": 0.25}], stream()))
    assert [when for when, _ in result] == [0, 100, 250]
    assert [yaws["cam_front"] for _, yaws in result] == pytest.approx([0, 5, 0], abs=1e-9)
    assert [yaws["lidar_top"] for _, yaws in result] == [0, 0, 0]


def test_times_that_no_float_holds_begin_and_end_a_fault_all_the_same() -> None:
    """/tf_static is told at the very nanosecond of the change: it must be in force by then, or nobody ever hears of it."""
    for from_s, to_s in ((9 * 1e-3, 0.2), (0.05, 1_009 * 1e-3)):
        assert round(from_s * 1e9) != from_s * 1e9 or round(to_s * 1e9) != to_s * 1e9
        turn = {"fault": "decalibrate", "sensor": "CAM_FRONT", "yaw_deg": 5, "from_s": from_s, "to_s": to_s}
        result = statics(run([turn], stream(count=12)))
        assert [yaws["cam_front"] for _, yaws in result] == pytest.approx([0, 5, 0], abs=1e-9)


def test_missing_transforms() -> None:
    assert [list(children) for _, children in statics(run([{"fault": "tf_missing", "sensor": "CAM_FRONT", "to_s": 0.2}], stream()))] == [
        ["lidar_top"], ["cam_front", "lidar_top"]]
    result = run([{"fault": "tf_missing", "from_s": 0.1, "to_s": 0.3}], stream())
    assert [e.play_ns // MS for e in result if e.topic == "/tf"] == [0, 300]


def moving(events: Iterable[Event]) -> list[tuple[int, int, float]]:
    """(play time, stamp since the start in ms, x) of each message on /tf."""
    found = [(e.play_ns // MS, c.transform_from_msg(CODEC.decode(TF, e.data).transforms[0])) for e in events if e.topic == "/tf"]
    return [(when, (t.stamp_ns - START) // MS, t.translation_m[0]) for when, t in found]


def test_late_transforms() -> None:
    assert moving(run([{"fault": "tf_delay", "ms": 30}], stream(count=2))) == [(30, 0, 0.0), (130, 100, 1.0)]


def test_the_clock_jumps_back_and_forward_again() -> None:
    result = run([{"fault": "clock_back", "seconds": 2, "from_s": 0.1, "to_s": 0.3}], stream())
    assert times(result, "image") == [(0, 0), (100, -1900), (200, -1800), (300, 300)]
    assert [stamp for _, stamp, _ in moving(result)] == [0, -1900, -1800, 300]
    assert [(e.clock_ns - START) // MS for e in result if "points" in e.topic] == [0, -1900, -1800, 300]


@pytest.mark.parametrize("kind", [COMPRESSED, IMAGE])
def test_flood(kind: str) -> None:
    """Three times as many, each with a later stamp, its transform, and pixels of its own."""
    events = stream(kind, count=2)
    result = run([{"fault": "flood", "sensor": "CAM_FRONT", "spacing_ms": 20, "to_s": 0.1}], events)
    assert times(result, "image") == times(result, "camera_info") == [(0, 0), (20, 20), (40, 40), (100, 100)]
    assert [stamp for _, stamp, _ in moving(result)] == [0, 20, 40, 100]
    read = c.image_from_msg if kind == IMAGE else c.image_from_compressed_msg
    images = [read(CODEC.decode(kind, e.data)) for e in result if "image" in e.topic][:3]
    for other in images[1:]:
        assert (other != images[0]).any(axis=(1, 2)).mean() > 0.9  # in nearly every row
        assert np.abs(other.astype(int) - images[0]).mean() < 6
    assert (images[1] != images[2]).any()


def test_a_flood_of_clouds_is_not_frozen_either() -> None:
    result = run([{"fault": "flood", "sensor": "LIDAR_TOP", "spacing_ms": 20}], stream(count=1))
    clouds = [c.points_from_cloud(CODEC.decode(CLOUD, e.data), intensity_max=255) for e in result if "points" in e.topic]
    assert len({cloud.tobytes() for cloud in clouds}) == 3
    for cloud in clouds:
        np.testing.assert_allclose(cloud[:, :3], 1, atol=1e-5)


def test_stamps_are_changed_in_place() -> None:
    data = stream()[3].data
    assert CODEC.decode(COMPRESSED, restamped(data, 7 * S + 9)).header.stamp.nanosec == 9
    assert stamp_of(restamped(data, -5)) == -5
    assert restamped(restamped(data, 1), stamp_of(data)) == data


EVERY_FAULT: list[dict[str, Any]] = [
    {"fault": "corrupt"}, {"fault": "corrupt", "mode": "noise"}, {"fault": "wrong_size"}, {"fault": "wrong_encoding"}, {"fault": "flood"},
    {"fault": "freeze"}, {"fault": "drop"}, {"fault": "no_info"}, {"fault": "delay", "ms": 30}, {"fault": "decalibrate", "yaw_deg": 3},
    {"fault": "wrong_step"}, {"fault": "nan_points"}, {"fault": "intrinsics", "factor": 1.1},
    {"fault": "tf_missing", "sensor": "CAM_FRONT"}, {"fault": "tf_delay", "ms": 30}, {"fault": "clock_back", "seconds": 2}]


@pytest.mark.parametrize("kind", [COMPRESSED, IMAGE])
def test_rclpy_writes_the_same_messages(kind: str) -> None:
    """What is tested here with rosbags holds for the node, which uses rclpy's own messages."""
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    assert {fault["fault"] for fault in EVERY_FAULT} == set(FAULTS)
    events = stream(kind, count=2)
    for fault in EVERY_FAULT:
        record = {**({} if fault["fault"] in ("tf_delay", "clock_back") else {"sensor": "all"}), **fault}
        by_rclpy, by_rosbags = ([replace(e, data=CODEC.encode(e.kind, CODEC.decode(e.kind, e.data))) for e in run([record], events, codec)]
                                for codec in (rclpy_codec(), CODEC))  # written anew, as padding may hold anything
        assert by_rclpy == by_rosbags, fault
