"""The player: what it sends, when, and as a node over DDS."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_drive import CAMERAS, IMAGE_SWEEPS, KEYFRAMES, SIZE_WH, STARTS_US, SWEEPS, VERSION, make_drive

from fusion.data import open_source as open_data
from fusion.data.readers import read_image, remove_close
from fusion.errors import UserError
from fusion.geometry.transforms import pose
from ros_nodes import conversion as c
from ros_nodes.player import Player
from ros_nodes.player_audience import Audience
from ros_nodes.player_codec import rosbags_codec, stamp_of
from ros_nodes.player_events import SCENE_GAP_NS, Event, RootSource, repeated
from ros_nodes.player_root import Recording
from ros_nodes.player_settings import PARAMETERS, messages, open_source, read_settings
from ros_nodes.player_topics import CAMERA_INFO, CLOUD, COMPRESSED, HEADER, IMAGE, STRING, TF

pytest.importorskip("rosbags", reason="rosbags is not installed")

CODEC = rosbags_codec()
MS = 1_000_000
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indices of data sets are cached for this test only."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A tiny data root."""
    return make_drive(tmp_path / "drive")


def source(root: Path, warnings: list[str] | None = None, transport: str = "compressed", **choice: Any) -> RootSource:
    return RootSource(Recording(root, VERSION, **choice), CODEC, transport=transport, warn=(warnings if warnings is not None else []).append)


# --- what is sent


def test_every_reading_comes_once_with_its_transform_before(drive: Path) -> None:
    events = list(source(drive, scenes=["scene-one"]).events())
    count = Counter(event.topic for event in events)
    sweeps = KEYFRAMES + (KEYFRAMES - 1) * SWEEPS
    assert count["/sensors/lidar_top/points"] == sweeps
    assert count["/sensors/cam_front/image/compressed"] == count["/sensors/cam_front/camera_info"] == KEYFRAMES
    assert count["/tf"] == sweeps + len(CAMERAS) * KEYFRAMES
    assert count["/dataset/sample"] == KEYFRAMES and count["/dataset/scene"] == count["/tf_static"] == 1
    assert [event.topic for event in events[:2]] == ["/dataset/scene", "/tf_static"]
    known: set[int] = set()
    for event in events:
        if event.topic == "/tf":
            known.add(c.stamp_ns(CODEC.decode(TF, event.data).transforms[0].header.stamp))
        elif event.topic.startswith("/sensors"):
            assert stamp_of(event.data) in known
            assert event.clock_ns == stamp_of(event.data)
    first = 1000 * (STARTS_US["scene-one"] + min(CAMERAS.values()))
    assert all(event.play_ns == event.clock_ns - first for event in events)


@pytest.mark.parametrize("transport", ["raw", "compressed"])
@pytest.mark.parametrize("sizes", [True, False])
def test_messages_say_what_the_data_set_says(tmp_path: Path, transport: str, sizes: bool) -> None:
    """The same pixels, points, calibration and poses as a `SceneSource` loads."""
    root = make_drive(tmp_path / "drive", image_sizes=sizes)
    data = open_data(root, VERSION)
    expected = {reading.stamp_ns: (name, reading) for token in data.tokens("scene-two")
                for name, reading in data.load(token).cameras.items() if reading}
    tokens = {1000 * (STARTS_US["scene-two"] + 500_000 * i): f"scene-two-{i}" for i in range(KEYFRAMES)}
    poses: dict[int, np.ndarray] = {}
    static: dict[str, np.ndarray] = {}
    seen = Counter[str]()
    for event in source(root, transport=transport, scenes=["scene-two"]).events():
        message = CODEC.decode(event.kind, event.data)
        if event.kind == TF:
            for transform in map(c.transform_from_msg, message.transforms):
                (static if event.topic == "/tf_static" else poses)[transform.child if event.topic == "/tf_static" else transform.stamp_ns] = (
                    transform.parent_T_child)
            continue
        if event.kind in (IMAGE, COMPRESSED):
            name, reading = expected[stamp_of(event.data)]
            image = c.image_from_msg(message) if transport == "raw" else c.image_from_compressed_msg(message)
            np.testing.assert_array_equal(image, reading.image)
            np.testing.assert_array_equal(static[name.lower()], reading.ego_T_cam)
            np.testing.assert_array_equal(poses[reading.stamp_ns], reading.global_T_ego)
            assert message.header.frame_id == name.lower()
        elif event.kind == CAMERA_INFO:
            model = c.camera_model_from_info(message)
            np.testing.assert_array_equal(model.intrinsics, expected[stamp_of(event.data)][1].intrinsics)
            assert (model.width, model.height) == SIZE_WH
        elif event.kind == CLOUD and stamp_of(event.data) in tokens:
            lidar = data.load(tokens[stamp_of(event.data)]).lidar
            assert lidar is not None
            np.testing.assert_array_equal(remove_close(c.points_from_cloud(message, intensity_max=255)), lidar.points)
        elif event.kind == HEADER:
            assert message.frame_id == tokens[stamp_of(event.data)]
        elif event.kind == STRING:
            assert message.data == "scene-two"
        seen[event.kind] += 1
    assert seen[CLOUD] == KEYFRAMES + (KEYFRAMES - 1) * SWEEPS and seen[CAMERA_INFO] == len(CAMERAS) * KEYFRAMES


def test_scenes_follow_each_other_at_once_with_their_own_time_and_calibration(drive: Path) -> None:
    events = list(source(drive).events())
    second = next(i for i, event in enumerate(events) if event.topic == "/dataset/scene" and i)
    assert events[second].play_ns == events[second - 1].play_ns + SCENE_GAP_NS
    assert events[second].clock_ns - events[second - 1].clock_ns > 500_000 * MS
    heights = [t.transform.translation.z for event in events if event.topic == "/tf_static"
               for t in CODEC.decode(TF, event.data).transforms if t.child_frame_id == "cam_front"]
    assert heights == [1.5, 2.5]


def test_only_keyframes_and_files_that_are_missing_or_damaged(drive: Path) -> None:
    paths = sorted((drive / "samples/CAM_FRONT").iterdir())
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-30])
    sweep = min((drive / "sweeps/LIDAR_TOP").iterdir())
    sweep.unlink()
    warnings: list[str] = []
    count = Counter(event.topic for event in source(drive, warnings, "raw", scenes=["scene-one"]).events())
    assert count["/sensors/cam_front/image"] == KEYFRAMES - 2
    assert count["/sensors/lidar_top/points"] == KEYFRAMES + (KEYFRAMES - 1) * SWEEPS - 1
    assert [warning.split(":")[0] for warning in warnings] == ["CAM_FRONT"] * 2 and "truncated" in warnings[1]
    count = Counter(event.topic for event in source(drive, scenes=["scene-one"], sweeps=False).events())
    assert count["/sensors/lidar_top/points"] == KEYFRAMES
    assert count["/sensors/cam_front/image/compressed"] == KEYFRAMES - 1  # the damaged one is sent: its reader shall refuse it


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_cameras_come_at_their_own_rate_where_their_sweeps_are(tmp_path: Path, transport: str) -> None:
    """12 Hz beside the LiDAR's 10, with calibration, size and the ego's pose of their own stamps; keyframes alone where that is asked for."""
    root = make_drive(tmp_path / "drive", image_sizes=False, image_sweeps=True)
    topic = "/sensors/cam_front/image" + ("/compressed" if transport == "compressed" else "")
    events = list(source(root, transport=transport, scenes=["scene-two"]).events())
    images, step_us = [event for event in events if event.topic == topic], 500_000 // (IMAGE_SWEEPS + 1)
    first_us, last_us = STARTS_US["scene-two"] + CAMERAS["CAM_FRONT"], STARTS_US["scene-two"] + CAMERAS["CAM_FRONT"] + 500_000 * (KEYFRAMES - 1)
    stamps_us = [stamp_of(image.data) // 1000 for image in images]
    assert len(stamps_us) == (KEYFRAMES - 1) * (IMAGE_SWEEPS + 1) + 1 and (stamps_us[0], stamps_us[-1]) == (first_us, last_us)
    assert all(0 <= later - earlier - step_us <= 2 for earlier, later in pairwise(stamps_us))
    assert [image.play_ns for image in images] == [1000 * (stamp - first_us) for stamp in stamps_us]
    infos = [CODEC.decode(CAMERA_INFO, event.data) for event in events if event.topic == "/sensors/cam_front/camera_info"]
    assert [c.stamp_ns(info.header.stamp) // 1000 for info in infos] == stamps_us
    assert all(np.array_equal(c.camera_model_from_info(info).intrinsics[:, 2], [31.5, 15.5, 1]) and info.width == SIZE_WH[0] for info in infos)
    stored = {int(path.name.split("__")[2].split(".")[0]): path for path in root.glob("s*/CAM_FRONT/scene-two*")}
    read = c.image_from_msg if transport == "raw" else c.image_from_compressed_msg
    for stamp, image in zip(stamps_us, images, strict=True):
        np.testing.assert_array_equal(read(CODEC.decode(image.kind, image.data)), read_image(stored[stamp]))
    poses = {t.stamp_ns: t.translation_m for event in events if event.topic == "/tf"
             for t in map(c.transform_from_msg, CODEC.decode(TF, event.data).transforms)}
    seconds = 1e-6 * (stamps_us[1] - STARTS_US["scene-two"])
    assert poses[1000 * stamps_us[1]] == pytest.approx((600 + 10 * seconds, 1600 + seconds**2, 0.1))
    assert Counter(event.topic for event in events)["/sensors/lidar_top/points"] == KEYFRAMES + (KEYFRAMES - 1) * SWEEPS
    stored[stamps_us[1]].unlink()  # one that is missing is not there
    again = Counter(event.topic for event in source(root, transport=transport, scenes=["scene-two"]).events())
    assert again[topic] == len(images) - 1
    assert Counter(event.topic for event in source(root, transport=transport, sweeps=False).events())[topic] == 2 * KEYFRAMES


def test_broken_tables_of_sweeps_are_named(tmp_path: Path) -> None:
    root = make_drive(tmp_path / "drive", image_sweeps=True)
    Recording(root, VERSION)  # its index is cached, as for any command
    table = root / VERSION / "sample_data.json"
    stat, text = table.stat(), table.read_text()
    table.write_text(text.replace('"is_key_frame"', '"is_key_fame_"'))
    os.utime(table, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(UserError, match=r"sample_data\.json: a record of it.*'is_key_frame'; extract the metadata archive"):
        Recording(root, VERSION)


def test_loops_go_on_in_play_and_back_in_time(drive: Path) -> None:
    once = list(source(drive, scenes=["scene-one"]).events())
    again = repeated(source(drive, scenes=["scene-one"]))
    twice = [next(again) for _ in range(2 * len(once))]
    assert [event.data for event in twice] == 2 * [event.data for event in once]
    assert [event.clock_ns for event in twice] == 2 * [event.clock_ns for event in once]
    assert twice[len(once)].play_ns == once[-1].play_ns + SCENE_GAP_NS


def test_settings(drive: Path, tmp_path: Path) -> None:
    values = {name: default for name, (default, _) in PARAMETERS.items()} | {"dataroot": str(drive), "version": VERSION}
    settings = read_settings({**values, "scenes": "scene-two, scene-one", "use_sim_time": False, "rate": 2})
    assert settings.scenes == ("scene-two", "scene-one") and settings.rate == 2.0
    assert read_settings({name: value for name, value in values.items() if name != "rate"} | {"loop": None}).rate == 1.0  # deleted ones
    names = [CODEC.decode(STRING, e.data).data for e in messages(settings, open_source(settings, CODEC, print), CODEC) if e.kind == STRING]
    assert names == ["scene-two", "scene-one"]
    for change, words in (({"rate": 0}, "rate: expected a number above 0"), ({"transport": "zip"}, "transport: expected raw or compressed"),
                          ({"scenes": 103}, "scenes: expected a text or a list of texts, got 103"),
                          ({"bag": "x"}, "expected exactly one"), ({"dataroot": ""}, "expected exactly one"), ({"loop": "yes"}, "loop"),
                          ({"wait_for_subscribers": -1}, "wait_for_subscribers"), ({"dataroott": "x"}, "did you mean 'dataroot'")):
        with pytest.raises(UserError, match=words):
            read_settings({**values, **change})
    for change, words in (({"scenes": ["scene-six"]}, "scene-six"), ({"dataroot": str(tmp_path / "no")}, "no such folder")):
        with pytest.raises(UserError, match=words):
            open_source(read_settings({**values, **change}), CODEC, print)
    with pytest.raises(UserError, match=r"no\.yaml: cannot be read"):
        messages(read_settings({**values, "faults": str(tmp_path / "no.yaml")}), open_source(settings, CODEC, print), CODEC)


# --- when


class Stage:
    """Takes what a player sends, with the times at which it did."""

    def __init__(self, events: Iterator[Event] | list[Event], **options: Any) -> None:
        self.sent: list[tuple[float, Event]] = []
        self.clock: list[tuple[float, int]] = []
        self.errors: list[BaseException | None] = []
        self.over = threading.Event()
        self.player = Player(iter(events), lambda event: self.sent.append((time.monotonic(), event)),
                             tick=lambda now: self.clock.append((time.monotonic(), now)), ended=self._end, **options)

    def _end(self, error: BaseException | None) -> None:
        self.errors.append(error)
        self.over.set()


def beats(count: int, step_ms: int, clock_ns: int = 10**18) -> list[Event]:
    return [Event(i * step_ms * MS, clock_ns + i * step_ms * MS, "/a", "", bytes([i])) for i in range(count)]


@pytest.mark.parametrize("rate", [1.0, 4.0])
def test_spacing_and_clock(rate: float) -> None:
    """Never early; the clock never runs ahead of a message and is told in between."""
    stage = Stage(beats(5, 100), rate=rate)
    assert not stage.sent
    start = time.monotonic()
    stage.player.resume()
    assert stage.over.wait(PATIENCE_S) and stage.errors == [None]
    for number, (when, event) in enumerate(stage.sent):
        assert event.data == bytes([number])
        assert when - start >= number * 0.1 / rate - 0.002
    told = [now for _, now in stage.clock]
    assert told == sorted(told) and {event.clock_ns for _, event in stage.sent} <= set(told)
    assert len(told) > 10 / rate
    stage.player.stop()


def test_pause_holds_messages_and_clock() -> None:
    stage = Stage(beats(40, 50))
    stage.player.resume()
    while not stage.sent:
        time.sleep(0.001)
    stage.player.pause()
    assert stage.player.paused
    time.sleep(0.2)
    sent, told = len(stage.sent), len(stage.clock)
    assert sent < 40
    time.sleep(0.1)
    assert (len(stage.sent), len(stage.clock)) == (sent, told)
    stage.player.resume()
    assert stage.over.wait(PATIENCE_S) and len(stage.sent) == 40
    stage.player.stop()


def test_a_stall_is_not_caught_up() -> None:
    """The second message is made 1.5 s late: those after it keep their distance to it."""
    def slow() -> Iterator[Event]:
        for number, event in enumerate(beats(4, 40)):
            if number == 1:
                time.sleep(1.5)
            yield event

    stage = Stage(slow())
    stage.player.resume()
    assert stage.over.wait(PATIENCE_S)
    times = [when for when, _ in stage.sent]
    assert stage.player.stalls >= 1 and times[3] - times[1] > 0.05
    stage.player.stop()


def test_errors_end_the_play_and_stop_ends_the_threads() -> None:
    def broken() -> Iterator[Event]:
        yield from beats(2, 1)
        raise UserError("bad bag")

    stage = Stage(broken())
    stage.player.resume()
    assert stage.over.wait(PATIENCE_S) and str(stage.errors[0]) == "bad bag" and len(stage.sent) == 2
    endless = Stage(event for _ in iter(int, 1) for event in beats(1, 1))
    endless.player.resume()
    endless.player.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("player")] and not endless.errors


@pytest.mark.parametrize("broken", [False, True])
def test_what_has_nothing_to_send_ends_when_it_is_played(broken: bool) -> None:
    """Not within the player's making, when nobody can ask it anything yet."""
    def nothing() -> Iterator[Event]:
        if broken:
            raise UserError("bad bag")
        yield from ()

    stage = Stage(nothing())
    assert not stage.over.wait(0.3)
    stage.player.resume()
    assert stage.over.wait(PATIENCE_S) and [str(error) for error in stage.errors] == ["bad bag" if broken else "None"]
    stage.player.stop()


def test_a_replay_waits_for_its_audience() -> None:
    """With every sensor heard it starts soon after the last newcomer, else when nobody has come for long; never for nobody at all."""
    audience = Audience(0.0)
    steps: list[tuple[float, list[int], int, bool]] = [
        (9.0, [0, 0], 0, False), (9.1, [1, 0], 0, False), (10.0, [1, 0], 1, False), (11.0, [1, 0], 1, False), (11.1, [1, 1], 1, False),
        (11.3, [1, 1], 2, False), (12.04, [1, 1], 2, False), (12.06, [1, 1], 2, True)]
    assert [audience.complete(sensors, others, now) for now, sensors, others, _ in steps] == [done for *_, done in steps]
    partly = Audience(0.0)
    assert [partly.complete([1, 0], 0, now) for now in (1.0, 2.4, 2.6)] == [False, False, True]
    assert [Audience(0.0).complete([], 0, now) for now in (0.7, 0.8)] == [False, True]  # a bag without sensors waits for nobody


# --- as a node


def bag_of_others(root: Path, out: Path) -> Path:
    """Scene one as another robot would record it: no topic below /sensors/."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store, connections = get_typestore(Stores.ROS2_JAZZY), {}
    with Writer(out, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        for event in source(root, scenes=["scene-one"]).events():
            topic = event.topic.replace("/sensors/", "/robot/")
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, event.kind, typestore=store)
            writer.write(connections[topic], event.clock_ns, event.data)
    return out


@pytest.mark.parametrize(("origin", "transport"), [("root", "raw"), ("root", "compressed"), ("bag", "compressed")])
def test_node_plays_over_dds(ros: Any, start_node: Any, lifecycle: Any, drive: Path, tmp_path: Path, origin: str, transport: str) -> None:
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

    eager = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)  # a starved process may not lose what is demanded of the player
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    top = "/robot" if origin == "bag" else "/sensors"
    image = f"{top}/cam_back/image" + ("/compressed" if transport == "compressed" else "")
    heard = {topic: ros.subscribe(topic, c.message_class(kind), qos) for topic, kind, qos in (
        (image, COMPRESSED if transport == "compressed" else IMAGE, eager), ("/tf", TF, 100),
        (f"{top}/lidar_top/points", CLOUD, eager), ("/clock", "rosgraph_msgs/msg/Clock", 100))}
    finished = ros.subscribe("/player_node/finished", c.message_class("std_msgs/msg/Bool"), latched)
    what: dict[str, object] = {"dataroot": drive, "version": VERSION, "scenes": "scene-one", "transport": transport}
    if origin == "bag":
        what = {"bag": bag_of_others(drive, tmp_path / "bag")}
    node = start_node("player_node", {**what, "rate": "2"})
    lifecycle.configure("player_node", PATIENCE_S)
    lifecycle.activate("player_node", PATIENCE_S)
    ros.spin_until(lambda: any(message.data for message in finished), "the end")
    ros.spin_until(lambda: len(heard[image]) == KEYFRAMES and len(heard[f"{top}/lidar_top/points"]) == KEYFRAMES + (KEYFRAMES - 1) * SWEEPS,
                   "every image and cloud")
    expected = open_data(drive, VERSION).load("scene-one-0").cameras["CAM_BACK"]
    assert expected is not None
    read = c.image_from_msg if transport == "raw" else c.image_from_compressed_msg
    np.testing.assert_array_equal(read(heard[image][0]), expected.image)
    assert c.stamp_ns(heard[image][0].header.stamp) == expected.stamp_ns
    clock = [c.stamp_ns(message.clock) for message in heard["/clock"]]
    assert clock == sorted(clock) and clock[-1] <= 1000 * STARTS_US["scene-one"] + 1_000 * MS
    static = ros.subscribe("/tf_static", c.message_class(TF), latched)  # comes late and still gets it
    ros.spin_until(lambda: static, "latched /tf_static")
    back = next(t for t in map(c.transform_from_msg, static[0].transforms) if t.child == "cam_back")
    np.testing.assert_array_equal(back.parent_T_child, pose([0.5, -0.5, -0.5, 0.5], [0, 0, 1.5]))
    assert "finished: " in node.output
    node.wait_for_line(f"playing without a subscriber to {top}/")  # the sensors that nobody listens to: it waited for them


def test_node_refuses_what_is_impossible_and_can_be_asked_again(ros: Any, start_node: Any, lifecycle: Any, drive: Path) -> None:
    from ros_nodes.lifecycle_client import TransitionFailed

    node = start_node("player_node", {"dataroot": drive, "version": VERSION, "scenes": "scene-nine", "start_paused": "true",
                                      "wait_for_subscribers": 0.0, "loop": "true"})
    with pytest.raises(TransitionFailed):
        lifecycle.configure("player_node", PATIENCE_S)
    node.wait_for_line("scene-nine")
    set_parameters = c.message_class("rcl_interfaces/srv/SetParameters")
    parameter = c.message_class("rcl_interfaces/msg/Parameter")(name="scenes")
    parameter.value.type, parameter.value.string_value = 4, "scene-two"
    request = set_parameters.Request(parameters=[parameter])
    assert ros.call("/player_node/set_parameters", set_parameters, request).results[0].successful
    lifecycle.configure("player_node", PATIENCE_S)
    lifecycle.activate("player_node", PATIENCE_S)
    clock = ros.subscribe("/clock", c.message_class("rosgraph_msgs/msg/Clock"), 10)
    ros.wait_for_publisher("/clock")
    trigger = c.message_class("std_srvs/srv/Trigger")
    assert ros.call("/player_node/resume", trigger).success
    ros.spin_until(lambda: len(clock) > 3, "the clock")
    assert ros.call("/player_node/pause", trigger).success
    ros.spin_for(0.2)  # what is under way arrives
    told = len(clock)
    ros.spin_for(0.3)
    assert len(clock) == told
    assert ros.call("/player_node/resume", trigger).success
    ros.spin_until(lambda: len(clock) > told and c.stamp_ns(clock[-1].clock) < c.stamp_ns(clock[-2].clock), "the loop's jump back")
    node.process.send(signal.SIGINT)  # amid the play
    assert node.process.wait(PATIENCE_S) and "Traceback" not in node.output and "playing ended" not in node.output
