"""Data roots to bags and back, and bags as a source of the player. Needs no running ROS."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_drive import CAMERAS, IMAGE_SWEEPS, KEYFRAMES, SWEEPS, VERSION, make_drive

from fusion.data import open_source as open_data
from fusion.errors import UserError
from fusion.types import CameraReading
from ros_nodes import conversion as c
from ros_nodes.bag import add_parser
from ros_nodes.bag_keyframes import find_scenes
from ros_nodes.bag_reader import BagSource
from ros_nodes.bag_root import write_root
from ros_nodes.bag_scan import BagContents, BagReading, BagSensor, scan_bag
from ros_nodes.bag_writer import write_bag
from ros_nodes.faults import Fault, parse_fault
from ros_nodes.player_codec import rosbags_codec, stamp_of
from ros_nodes.player_events import RootSource
from ros_nodes.player_root import Recording
from ros_nodes.player_script import FaultScript
from ros_nodes.player_topics import CAMERA_INFO, CLOUD, COMPRESSED, IMAGE, TF

pytest.importorskip("rosbags", reason="rosbags is not installed")

CODEC = rosbags_codec()
S, MS = 1_000_000_000, 1_000_000


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indices of data sets are cached for this test only."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A tiny data root of two scenes."""
    return make_drive(tmp_path / "drive")


@pytest.fixture
def bag(drive: Path, tmp_path: Path) -> Path:
    """Both scenes as a bag."""
    write_bag(drive, VERSION, None, tmp_path / "bag")
    return tmp_path / "bag"


def assert_same_drive(root: Path, version: str, back: Path, back_version: str) -> None:
    """Two roots hold the same files, calibrations, poses, stamps, scenes and keyframes."""
    before, after = open_data(root, version), open_data(back, back_version)
    assert after.scenes() == before.scenes() and after.sensors() == before.sensors()
    for scene in before.scenes():
        assert after.tokens(scene) == before.tokens(scene)
    ours = [list(Recording(folder, name).scenes()) for folder, name in ((root, version), (back, back_version))]
    for one, two in zip(*ours, strict=True):
        assert two.samples == one.samples
        assert [(r.sensor, r.stamp_ns) for r in two.readings] == [(r.sensor, r.stamp_ns) for r in one.readings]
        for a, b in zip(one.readings, two.readings, strict=True):
            assert b.path.read_bytes() == a.path.read_bytes()
            assert b.path.parent.parent.name == a.path.parent.parent.name  # samples or sweeps
            np.testing.assert_allclose(b.translation_m, a.translation_m, rtol=0, atol=1e-9)
            np.testing.assert_allclose(b.mount.translation_m, a.mount.translation_m, rtol=0, atol=1e-9)
            for p, q in ((a.rotation_wxyz, b.rotation_wxyz), (a.mount.rotation_wxyz, b.mount.rotation_wxyz)):
                assert abs(np.dot(p, q)) == pytest.approx(np.linalg.norm(p), abs=1e-12)
            assert b.size_wh == a.size_wh
            if a.mount.intrinsics is not None:
                np.testing.assert_array_equal(b.mount.intrinsics, a.mount.intrinsics)


def test_a_drive_comes_back_from_a_bag(drive: Path, bag: Path, tmp_path: Path) -> None:
    written = write_root(bag, tmp_path / "back", "v1.0-bag")
    assert written == {"CAM_BACK": 2 * KEYFRAMES, "CAM_FRONT": 2 * KEYFRAMES, "LIDAR_TOP": 2 * (KEYFRAMES + (KEYFRAMES - 1) * SWEEPS)}
    assert_same_drive(drive, VERSION, tmp_path / "back", "v1.0-bag")


def test_images_between_keyframes_come_back_too(tmp_path: Path) -> None:
    drive = make_drive(tmp_path / "drive", image_sweeps=True)
    write_bag(drive, VERSION, None, tmp_path / "bag")
    assert write_root(tmp_path / "bag", tmp_path / "back", "v1.0-bag")["CAM_FRONT"] == 2 * (KEYFRAMES + (KEYFRAMES - 1) * IMAGE_SWEEPS)
    assert_same_drive(drive, VERSION, tmp_path / "back", "v1.0-bag")


def test_the_devkit_reads_what_came_back(bag: Path, tmp_path: Path) -> None:
    devkit = pytest.importorskip("nuscenes")
    write_root(bag, tmp_path / "back", "v1.0-bag")
    nusc = devkit.NuScenes(version="v1.0-bag", dataroot=str(tmp_path / "back"), verbose=False)
    sample = nusc.get("sample", nusc.scene[0]["first_sample_token"])
    count = 1
    while sample["next"]:
        sample, count = nusc.get("sample", sample["next"]), count + 1
    assert count == KEYFRAMES and set(sample["data"]) == {*CAMERAS, "LIDAR_TOP"}
    lidar = nusc.get("sample_data", sample["data"]["LIDAR_TOP"])
    steps = 0
    while lidar["prev"]:
        lidar, steps = nusc.get("sample_data", lidar["prev"]), steps + 1
    assert steps == (KEYFRAMES - 1) * (SWEEPS + 1)
    assert nusc.get_sample_data(sample["data"]["CAM_BACK"])[2].tolist() == [[50, 0, 31], [0, 50, 15], [0, 0, 1]]


def test_raw_images_come_back_as_the_same_pixels(drive: Path, tmp_path: Path) -> None:
    write_bag(drive, VERSION, ["scene-two"], tmp_path / "raw", transport="raw", sweeps=False)
    assert write_root(tmp_path / "raw", tmp_path / "back", "v")["LIDAR_TOP"] == KEYFRAMES
    before, after = open_data(drive, VERSION), open_data(tmp_path / "back", "v")
    for token in after.tokens("scene-two"):
        for name, reading in after.load(token).cameras.items():
            expected = before.load(token).cameras[name]
            assert reading is not None and expected is not None
            np.testing.assert_array_equal(reading.image, expected.image)


def test_real_scene(scene0523: Path, tmp_path: Path) -> None:
    write_bag(scene0523, "v1.0-mini", None, tmp_path / "bag")
    write_root(tmp_path / "bag", tmp_path / "back", "v1.0-bag")
    assert_same_drive(scene0523, "v1.0-mini", tmp_path / "back", "v1.0-bag")


def test_the_player_plays_a_bag_as_the_drive_it_was_made_of(drive: Path, bag: Path) -> None:
    source = BagSource(bag)
    root = RootSource(Recording(drive, VERSION), CODEC, transport="compressed", warn=print)
    assert {name.upper(): sensor for name, sensor in source.sensors.items()} == root.sensors
    assert {(topic.name, topic.kind, topic.latched) for topic in source.topics} == {(topic.name, topic.kind, topic.latched) for topic in root.topics}
    assert list(source.events()) == list(root.events())
    assert list(BagSource(next(bag.glob("*.mcap"))).events()) == list(root.events())
    late = list(FaultScript([Fault(fault="delay", sensors=("cam_back",), ms=30)], CODEC, source.sensors).apply(source.events()))
    assert all((event.clock_ns - stamp_of(event.data)) // MS == (30 if "cam_back" in event.topic else 0)
               for event in late if event.kind == COMPRESSED)


# --- bags of others


def make_bag(path: Path, messages: Iterable[tuple[int, str, str, Any]]) -> Path:
    """A bag of (time in ns, topic, type, message)."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}
        for time_ns, topic, kind, message in sorted(messages, key=lambda entry: entry[0]):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], time_ns, CODEC.encode(kind, message))
    return path


def robot(spoil: Callable[[str, Any], Any] = lambda kind, message: message) -> list[tuple[int, str, str, Any]]:
    """A robot with its own topics and frames: LiDAR at 10 Hz with other fields, a camera with a lens at 5 Hz, poses at 20 Hz."""
    make, start = CODEC.make, 1_700_000_000 * S
    found: list[tuple[int, str, str, Any]] = []
    still = (1.0, 0.0, 0.0, 0.0)
    static = [c.Transform(parent="chassis", child=name, stamp_ns=0, rotation_wxyz=still, translation_m=(0, 0, 2)) for name in ("velodyne", "eye")]
    found.append((start + 500 * MS, "/tf_static", TF, c.tf_msg(make, static)))  # late
    for step in range(32):
        moved = c.Transform(parent="map", child="chassis", stamp_ns=start + step * 50 * MS, rotation_wxyz=still, translation_m=(0.5 * step, 0, 0))
        found.append((start + step * 50 * MS + 3 * MS, "/tf", TF, c.tf_msg(make, [moved])))
    for step in range(15):
        stamp = start + step * 100 * MS + 25 * MS  # between two poses
        cloud = c.cloud_msg(make, np.array([[1, 0.5, 2, 3], [9, 1.0, 8, 7]], np.float32), stamp_ns=stamp, frame_id="velodyne",
                            fields=("y", "intensity", "x", "z"))
        found.append((stamp + 5 * MS, "/velodyne_points", CLOUD, spoil(CLOUD, cloud)))
        if step % 2 == 0:
            image = np.full((20, 40, 3), 10 * step, np.uint8)
            found.append((stamp + 9 * MS, "/eye/image_raw", IMAGE, spoil(IMAGE, c.image_msg(make, image, stamp_ns=stamp, frame_id="eye"))))
            info = c.camera_info_msg(make, np.array([[30.0, 0, 20], [0, 30, 10], [0, 0, 1]]), (40, 20), stamp_ns=stamp, frame_id="eye",
                                     distortion=np.array([-0.1, 0.01, 0, 0, 0]))
            found.append((stamp + 10 * MS, "/eye/camera_info", CAMERA_INFO, info))
    return found


def test_sensors_of_a_bag_with_names_of_its_own(tmp_path: Path) -> None:
    """A fault script speaks of them by topic; calibration and transforms of a camera are found whatever they are called."""
    make = CODEC.make
    seen = c.image_msg(make, np.zeros((2, 2, 3), np.uint8), stamp_ns=1_700_000_000 * S, frame_id="rear_optical")
    squeezed = c.compressed_msg(make, b"...", stamp_ns=1_700_000_000 * S, frame_id="eye")
    info = c.camera_info_msg(make, np.eye(3), (2, 2), stamp_ns=1_700_000_000 * S, frame_id="rear_optical")
    bag = make_bag(tmp_path / "robot", [*robot(), (1_700_000_001 * S, "/rear/pixels/image", IMAGE, seen),
                                        (1_700_000_001 * S, "/eye/image_raw/compressed", COMPRESSED, squeezed),
                                        (1_700_000_001 * S, "/rear/info", CAMERA_INFO, info)])
    source = BagSource(bag)
    assert {name: (set(sensor.topics), sensor.frame, sensor.modality) for name, sensor in source.sensors.items()} == {
        "/velodyne_points": ({"/velodyne_points"}, "velodyne", "lidar"),
        "/eye/image_raw": ({"/eye/image_raw", "/eye/image_raw/compressed", "/eye/camera_info"}, "eye", "camera"),
        "/rear/pixels/image": ({"/rear/pixels/image", "/rear/info"}, "rear_optical", "camera")}

    def played(record: dict[str, Any]) -> list[Any]:
        return list(FaultScript([parse_fault(record, source.sensors, "test")], CODEC, source.sensors).apply(source.events()))

    sound = list(source.events())
    for word in ("/eye/image_raw", "/eye/camera_info", "/eye/image_raw/compressed"):
        lost = played({"fault": "drop", "sensor": word})
        assert [e.topic for e in lost] == [e.topic for e in sound if not e.topic.startswith("/eye")], word
    blind = played({"fault": "no_info", "sensor": "/rear/pixels/image"})
    assert {e.topic for e in sound} - {e.topic for e in blind} == {"/rear/info"} and len(blind) == len(sound) - 1
    static = [CODEC.decode(TF, e.data) for e in played({"fault": "tf_missing", "sensor": "/velodyne_points"}) if e.topic == "/tf_static"]
    assert [t.child_frame_id for t in static[0].transforms] == ["eye"]
    with pytest.raises(UserError, match="did you mean '/velodyne_points'"):
        parse_fault({"fault": "drop", "sensor": "/velodyne_point"}, source.sensors, "test")


def test_static_transforms_in_a_namespace_are_those_of_it_alone(tmp_path: Path) -> None:
    messages = [(time, topic.replace("/tf", "/robot/tf"), kind, message) for time, topic, kind, message in robot()]
    source = BagSource(make_bag(tmp_path / "robot", messages))
    assert [topic.name for topic in source.topics if topic.latched] == ["/robot/tf_static"]
    turned = [parse_fault({"fault": "decalibrate", "sensor": "/eye/image_raw", "yaw_deg": 90, "from_s": 1}, source.sensors, "test")]
    events = [e for e in FaultScript(turned, CODEC, source.sensors).apply(source.events()) if e.topic == "/robot/tf_static"]
    turns = [{t.child: round(t.parent_T_child[1, 0], 6) for t in map(c.transform_from_msg, CODEC.decode(TF, e.data).transforms)} for e in events]
    assert turns == [{"velodyne": 0, "eye": 0}, {"velodyne": 0, "eye": 1}]


ROBOT_SENSORS = {"CAM_EYE": "/eye/image_raw", "LIDAR_TOP": "/velodyne_points"}


def test_a_robots_own_bag(tmp_path: Path) -> None:
    bag = make_bag(tmp_path / "robot", robot())
    notes: list[str] = []
    written = write_root(bag, tmp_path / "out", "v1.0-bag", sensors=ROBOT_SENSORS, base_frame="chassis", fixed_frame="map", intensity_max=1.0,
                         warn=notes.append)
    assert written == {"CAM_EYE": 8, "LIDAR_TOP": 15} and not notes
    data = open_data(tmp_path / "out", "v1.0-bag")
    assert data.scenes() == ["robot"] and len(data.tokens("robot")) == 3  # every 0.5 s
    second = data.load(data.tokens("robot")[1])
    assert second.lidar is not None and second.global_T_ego is not None
    np.testing.assert_allclose(second.lidar.points, [[2, 1, 3, 0.5, 0], [8, 9, 7, 1, 0]], rtol=1e-6)
    assert second.global_T_ego[0, 3] == pytest.approx(10 * 0.525)
    assert second.lidar.ego_T_lidar[2, 3] == 2
    eye = second.cameras["CAM_EYE"]
    assert eye is not None and abs(eye.stamp_ns - second.stamp_ns) == 100 * MS
    assert eye.image[10, 20].tolist() in ([40] * 3, [60] * 3)  # the centre stays where it is


def test_rectified_images_stay_as_they_are_and_their_frame_is_turned(tmp_path: Path) -> None:
    """Intrinsics of P and a frame turned by R; taken for raw ones, K and D, and the camera's own frame."""
    turn = cv2.Rodrigues(np.array([0.1, -0.2, 0.3]))[0]
    projection = np.array([[25.0, 0, 19, -3], [0, 26, 9, 0], [0, 0, 1, 0]])
    stripes = np.zeros((20, 40, 3), np.uint8)
    stripes[:, ::2] = 255

    def replaced(at: int, topic: str, kind: str, message: Any) -> tuple[int, str, str, Any]:
        if kind == IMAGE:
            return at, "/eye/image_rect_color", IMAGE, c.image_msg(CODEC.make, stripes, stamp_ns=c.stamp_ns(message.header.stamp), frame_id="eye")
        if kind == CAMERA_INFO:
            message.p, message.r = projection.reshape(-1), turn.reshape(-1)
        return at, topic, kind, message

    bag = make_bag(tmp_path / "robot", [replaced(*each) for each in robot()])
    sensors, notes = {**ROBOT_SENSORS, "CAM_EYE": "/eye/image_rect_color"}, list[str]()

    def eye_of(out: str, rectified: Sequence[str]) -> CameraReading:
        write_root(bag, tmp_path / out, "v", sensors=sensors, rectified=rectified, base_frame="chassis", fixed_frame="map", warn=notes.append)
        data = open_data(tmp_path / out, "v")
        eye = data.load(data.tokens("robot")[1]).cameras["CAM_EYE"]
        assert eye is not None
        return eye

    eye = eye_of("rectified", ["CAM_EYE"])
    np.testing.assert_array_equal(eye.image, stripes)
    np.testing.assert_array_equal(eye.intrinsics, projection[:, :3])
    np.testing.assert_allclose(eye.ego_T_cam[:3, :3], turn.T, atol=1e-9)
    assert eye.ego_T_cam[:3, 3].tolist() == [0, 0, 2] and not notes
    raw = eye_of("raw", [])
    assert raw.intrinsics[0, 0] == 30 and (raw.image != stripes).any()
    np.testing.assert_allclose(raw.ego_T_cam[:3, :3], np.eye(3), atol=1e-9)
    assert notes == ["CAM_EYE: the images on /eye/image_rect_color are taken for raw ones and undistorted; are they rectified already (--rectified)?"]
    with pytest.raises(UserError, match="CAM_I, LIDAR_TOP in the cameras with rectified images: expected some of CAM_EYE"):
        eye_of("wrong", ["CAM_I", "LIDAR_TOP"])


def test_a_calibration_elsewhere_is_found_by_its_frame_or_missed_by_name(tmp_path: Path) -> None:
    def under(topic: str) -> list[tuple[int, str, str, Any]]:
        return [(at, topic if kind == CAMERA_INFO else name, kind, message) for at, name, kind, message in robot()]

    bag = make_bag(tmp_path / "elsewhere", under("/calibrations/eye"))
    contents = scan_bag(bag, CODEC, {**ROBOT_SENSORS, "CAM_SAME": "/eye/image_raw"})
    assert contents.sensors["CAM_EYE"].info_topic == "/calibrations/eye"
    assert len(contents.calibrations["CAM_EYE"]) == len(contents.calibrations["CAM_SAME"]) == 8
    bare = make_bag(tmp_path / "bare", [each for each in robot() if each[2] != CAMERA_INFO])
    with pytest.raises(UserError, match="no calibrations for CAM_EYE: none on /eye/camera_info, and of the images' frame 'eye' none"):
        scan_bag(bare, CODEC, ROBOT_SENSORS)
    twice = make_bag(tmp_path / "twice", [*under("/calibrations/eye"), *under("/calibrations/other")])
    with pytest.raises(UserError, match="2 calibrations for CAM_EYE: .*/calibrations/eye and /calibrations/other"):
        scan_bag(twice, CODEC, ROBOT_SENSORS)


def test_a_reading_belongs_to_the_keyframe_nearest_to_it_and_not_to_the_first_in_reach() -> None:
    sensors = {name: BagSensor(name=name, topic=f"/{name}", kind=kind) for name, kind in (("LIDAR_TOP", CLOUD), ("CAM_FRONT", IMAGE))}
    clouds, image = [reading("LIDAR_TOP", at) for at in range(0, 1000, 100)], reading("CAM_FRONT", 240)
    scene = find_scenes(BagContents(sensors=sensors, readings=[*clouds, image]), "drive", 90 * MS)[0]
    assert [sample.stamp_ns // MS for sample in scene.samples if "CAM_FRONT" in sample.readings] == [200]
    sample, keyframe = scene.sample_of(image)
    assert (sample.stamp_ns // MS, keyframe) == (200, True)


def reading(name: str, at_ms: int) -> BagReading:
    return BagReading(sensor=name, stamp_ns=at_ms * MS, frame=name, logged_ns=at_ms * MS)


def test_a_sensor_whose_clock_is_ahead_costs_the_others_nothing(tmp_path: Path) -> None:
    """Transforms are followed along the bag: its stamps must not lead away from those of the others."""
    make, start, messages = CODEC.make, 1_700_000_000 * S, list[tuple[int, str, str, Any]]()
    seen = c.Transform(parent="base_link", child="lidar", stamp_ns=start, rotation_wxyz=(1.0, 0.0, 0.0, 0.0), translation_m=(0, 0, 2))
    messages.append((start, "/tf_static", TF, c.tf_msg(make, [seen, replace(seen, child="ahead")])))
    for at in range(start, start + 40 * S, S // 2):
        moved = replace(seen, parent="odom", child="base_link", stamp_ns=at)
        messages.append((at, "/tf", TF, c.tf_msg(make, [moved])))
        for frame, stamp in (("lidar", at), ("ahead", at + 30 * S)):
            points = np.ones((1, 5), np.float32)
            messages.append((at + MS, f"/sensors/{frame}/points", CLOUD, c.cloud_msg(make, points, stamp_ns=stamp, frame_id=frame)))
    bag = make_bag(tmp_path / "bag", messages)
    written = write_root(bag, tmp_path / "out", "v", warn=lambda line: None)
    assert written == {"LIDAR": 80, "AHEAD": 20}


def test_what_is_damaged_is_left_out_and_named(tmp_path: Path) -> None:
    def spoil(kind: str, message: Any) -> Any:
        if kind == IMAGE and message.data[0] == 40:
            message.encoding = "16UC1"
        return message

    bag = make_bag(tmp_path / "robot", robot(spoil))
    notes: list[str] = []
    assert write_root(bag, tmp_path / "out", "v", sensors=ROBOT_SENSORS, base_frame="chassis", fixed_frame="map", warn=notes.append)["CAM_EYE"] == 7
    assert len(notes) == 1 and notes[0].startswith("CAM_EYE: image: encoding '16UC1'") and notes[0].endswith("(1 readings left out)")


def test_what_the_node_reads_is_not_lost_on_the_way(tmp_path: Path) -> None:
    """Intensity under another name or without a number, colours that were compressed as a mosaic, and no image of another size."""
    make, stamps = CODEC.make, iter(range(100))
    colours = np.zeros((20, 40), np.uint8)
    colours[::2, ::2] = 200  # red alone
    small = cv2.imencode(".png", colours[:10])[1].tobytes()

    def replaced(at: int, topic: str, kind: str, message: Any) -> tuple[int, str, str, Any]:
        if kind == CLOUD:
            stamp = c.stamp_ns(message.header.stamp)
            points = np.array([[1, math.nan, 2, 3], [9, 0.5, 8, 7]], np.float32)
            return at, topic, kind, c.cloud_msg(make, points, stamp_ns=stamp, frame_id="velodyne", fields=("y", "reflectivity", "x", "z"))
        if kind == IMAGE:
            content = small if next(stamps) == 0 else cv2.imencode(".png", colours)[1].tobytes()
            return at, topic, COMPRESSED, c.compressed_msg(make, content, stamp_ns=c.stamp_ns(message.header.stamp), frame_id="eye",
                                                           image_format="bayer_rggb8; png compressed ")
        if kind == CAMERA_INFO:
            message.d = np.zeros(5)
        return at, topic, kind, message

    bag, notes = make_bag(tmp_path / "robot", [replaced(*each) for each in robot()]), list[str]()
    written = write_root(bag, tmp_path / "out", "v1.0-bag", sensors=ROBOT_SENSORS, base_frame="chassis", fixed_frame="map", intensity_max=1.0,
                         warn=notes.append)
    assert written == {"CAM_EYE": 7, "LIDAR_TOP": 15} and len(notes) == 1 and "image is 40x10 pixels" in notes[0]
    data = open_data(tmp_path / "out", "v1.0-bag")
    second = data.load(data.tokens("robot")[1])
    assert second.lidar is not None and second.lidar.points[:, 3].tolist() == [0, 0.5]
    eye = second.cameras["CAM_EYE"]
    assert eye is not None and eye.image[10, 20].tolist() == [200, 0, 0]


def test_errors_leave_nothing_behind(drive: Path, bag: Path, tmp_path: Path) -> None:
    robots = make_bag(tmp_path / "robot", robot())
    broken = tmp_path / "broken.mcap"
    broken.write_bytes(next(bag.glob("*.mcap")).read_bytes()[:5000])
    before = sorted(path.name for path in tmp_path.iterdir())
    for source, options, words in (
            (robots, {}, "no images or clouds below /sensors/"), (robots, {"sensors": {"A": "/tf"}}, "is tf2_msgs/msg/TFMessage"),
            (robots, {"sensors": {"A": "/b"}}, "not in the bag"), (robots, {"sensors": ROBOT_SENSORS}, "are odom and base_link on /tf"),
            (broken, {}, "not readable"), (tmp_path / "none", {}, "no such bag")):
        with pytest.raises(UserError, match=words):
            write_root(source, tmp_path / "new", "v", warn=lambda line: None, **options)
    with pytest.raises(UserError, match="exists already"):
        write_root(bag, drive, "v")
    with pytest.raises(UserError, match="exists already"):
        write_bag(drive, VERSION, None, bag)
    with pytest.raises(UserError, match="scene-six"):
        write_bag(drive, VERSION, ["scene-six"], tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_scenes_are_written_in_time_and_must_not_overlap(drive: Path, tmp_path: Path) -> None:
    write_bag(drive, VERSION, ["scene-two", "scene-one"], tmp_path / "bag")
    stamps = [event.clock_ns for event in BagSource(tmp_path / "bag").events()]
    assert stamps == sorted(stamps)
    path = drive / VERSION / "sample_data.json"
    rows = json.loads(path.read_text())
    for row in rows:
        row["timestamp"] -= 600_000_000 * row["filename"].count("scene-two")
    path.write_text(json.dumps(rows))
    with pytest.raises(UserError, match="overlap in time"):
        write_bag(drive, VERSION, None, tmp_path / "other")


def test_command_line(drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())

    def run(*words: object) -> int:
        args = parser.parse_args(["bag", *map(str, words)])
        return int(args.run(args))

    (drive / "samples/CAM_BACK").joinpath(next((drive / "samples/CAM_BACK").iterdir()).name).write_bytes(b"no image")
    assert run("to-mcap", "--dataroot", drive, "--version", VERSION, "--scenes", "scene-one", "--out", tmp_path / "b") == 0
    assert run("from-mcap", "--bag", tmp_path / "b", "--out", tmp_path / "r") == 0
    said = capsys.readouterr()
    assert f"--dataroot {tmp_path / 'r'} --version v1.0-bag" in said.out
    with pytest.raises(UserError, match="--sensor 'CAM=x'"):
        run("from-mcap", "--bag", tmp_path / "b", "--out", tmp_path / "s", "--sensor", "CAM=x")
    with pytest.raises(UserError, match="--sensor 'CAM_B=/x': .* each name and topic once"):
        run("from-mcap", "--bag", tmp_path / "b", "--out", tmp_path / "s", "--sensor", "CAM_A=/x", "--sensor", "CAM_B=/x")
    with pytest.raises(UserError, match="expected positive"):
        run("from-mcap", "--bag", tmp_path / "b", "--out", tmp_path / "s", "--keyframe-every", "0")
    image = cv2.imread(str(next((tmp_path / "r/samples/CAM_FRONT").iterdir())))
    assert image.shape == (32, 64, 3)
