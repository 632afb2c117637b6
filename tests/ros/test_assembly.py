"""From messages to a SensorSet: the same bits as from files, and every reading that cannot be used named with its reason."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from small_rig import MS, PARAMETERS, K, cloud, image, info, make, picture, points, reading, tree

from fusion.data.nuscenes import NuScenesSource
from fusion.data.readers import read_bytes, read_image, read_points_bin
from fusion.geometry.transforms import invert, transform_points
from fusion.sensors.health import SensorState
from fusion.sensors.sync import Bundle
from ros_nodes.assembly import Assembled, Assembler
from ros_nodes.conversion import camera_info_msg, cloud_msg, compressed_msg, image_msg, sweep_span_ns
from ros_nodes.parameters import read_config
from ros_nodes.placing import Calibrations, Frames, Instant, Reading, place
from ros_nodes.transforms import TransformTree

FRAMES = Frames(base="base_link", fixed="odom")
T = 1000 * MS  # stamp of the reference


def bundle(*readings: Reading, missing: tuple[str, ...] = (), reference: str = "TOP", stamp_ns: int = T) -> Bundle[Reading]:
    return Bundle(stamp_ns=stamp_ns, reference=reference, items={each.name: each for each in readings}, missing=missing,
                  skew_ns={each.name: each.stamp_ns - stamp_ns for each in readings})


def calibrated(message: Any = None) -> Calibrations:
    calibrations = Calibrations()
    calibrations.insert("FRONT", info() if message is None else message)
    return calibrations


def placed(*readings: Reading, frames: TransformTree | None = None, calibrations: Calibrations | None = None, wait: bool = False,
           sweeps: tuple[Reading, ...] = (), names: Frames = FRAMES) -> Instant | None:
    return place(bundle(*readings), sweeps, frames or tree(T - 100 * MS, T), calibrations or calibrated(), names, wait=wait)


def assembled(instant: Instant | None, num_sweeps: int = 0, **parameters: Any) -> Assembled:
    assert instant is not None
    return Assembler(read_config(PARAMETERS | parameters), num_sweeps=num_sweeps).assemble(instant)


def both(camera_ns: int = T - 40 * MS) -> tuple[Reading, Reading]:
    return reading("FRONT", image(camera_ns), camera_ns), reading("TOP", cloud(T), T)


def test_a_whole_instant() -> None:
    got = assembled(placed(*both()))
    front, top = got.sensor_set.cameras["FRONT"], got.sensor_set.lidar
    assert front is not None and top is not None and not got.rejected
    assert np.array_equal(front.image, picture()) and front.stamp_ns == T - 40 * MS
    assert front.global_T_ego is not None and got.sensor_set.global_T_ego is not None
    assert front.global_T_ego[0, 3] == pytest.approx(9.6) and got.sensor_set.global_T_ego[0, 3] == 10
    assert transform_points(front.ego_T_cam, np.array([0.0, 0, 5])) == pytest.approx([6, 0, 1.5])
    sent = points()
    assert np.array_equal(top.points[:, :3], sent[:, :3]) and np.array_equal(top.points[:, 3], sent[:, 3] / 255)
    assert not top.points[:, 4].any() and top.ego_T_lidar[2, 3] == 1.8
    assert got.sensor_set.sensors_present == ("FRONT", "TOP") and got.sensors(("FRONT", "TOP")) == ("FRONT", "TOP")


def test_a_late_pose_is_waited_for_and_then_done_without() -> None:
    frames = tree(T - 100 * MS, T - 20 * MS)
    assert placed(*both(), frames=frames, wait=True) is None
    instant = placed(*both(), frames=frames, wait=False)
    assert instant is not None and instant.global_T_ego is None and "20.0 ms older than the reading" in instant.motion
    assert assembled(instant).sensor_set.sensors_present == ("FRONT", "TOP")  # taken as simultaneous
    frames.insert("odom", "base_link", T, translation_m=(10, 0, 0), rotation_wxyz=(1, 0, 0, 0))
    instant = placed(*both(), frames=frames, wait=True)
    assert instant is not None and instant.global_T_ego is not None and instant.motion == ""


def test_a_frame_that_nobody_publishes_is_not_waited_for() -> None:
    instant = placed(*both(), frames=tree(), wait=True)
    assert instant is not None and instant.global_T_ego is None and "'odom' is not on /tf" in instant.motion
    still = placed(*both(), frames=tree(), wait=True, names=Frames(base="base_link"))
    assert still is not None and still.motion == ""  # nobody asked for the ego's motion


@pytest.mark.parametrize(("message", "calibration", "state", "words"), [
    (image(T, frame=""), info(), SensorState.UNCALIBRATED, "names no frame"),
    (image(T, frame="back"), info(), SensorState.UNCALIBRATED, "'back' is not on /tf or /tf_static"),
    (image(T), info(intrinsics=np.zeros((3, 3))), SensorState.UNCALIBRATED, "positive focal lengths"),
    (image(T), info(size_wh=(320, 180)), SensorState.INVALID, "image is 160x90 pixels, its calibration is for 320x180"),
    (make("Image", vars(image(T)) | {"encoding": "32FC1"}), info(), SensorState.INVALID, "encoding '32FC1'"),
    (make("Image", vars(image(T)) | {"data": b"123"}), info(), SensorState.INVALID, "3 bytes"),
])
def test_a_camera_that_cannot_be_used(message: Any, calibration: Any, state: SensorState, words: str) -> None:
    got = assembled(placed(reading("FRONT", message, T), reading("TOP", cloud(T), T), calibrations=calibrated(calibration)))
    assert got.sensor_set.cameras == {"FRONT": None} and got.sensor_set.sensors_present == ("TOP",)
    assert got.rejected["FRONT"].state is state and words in got.rejected["FRONT"].reason
    assert "FRONT: " in got.sensor_set.warnings[0]


def test_a_camera_in_a_frame_of_its_body_is_not_believed_and_may_be_given_another() -> None:
    frames = tree(T - 100 * MS, T + 100 * MS)
    frames.insert("base_link", "front_link", 0, translation_m=(1, 0, 1.5), rotation_wxyz=(1, 0, 0, 0), static=True)
    readings = reading("FRONT", image(T, frame="front_link"), T), reading("TOP", cloud(T), T)
    got = assembled(placed(*readings, frames=frames))
    assert got.rejected["FRONT"].state is SensorState.UNCALIBRATED and "looks straight up: expected an optical frame" in got.rejected["FRONT"].reason
    told = assembled(placed(*readings, frames=frames, names=Frames(base="base_link", fixed="odom", sensors={"FRONT": "front"})))
    assert not told.rejected and told.sensor_set.sensors_present == ("FRONT", "TOP")


def test_a_rectified_image_is_left_as_it_is() -> None:
    lens = info(distortion=np.array([-0.3, 0.1, 0, 0, 0]))
    config = read_config(PARAMETERS | {"sensors.FRONT.rectified": True})
    instant = placed(*both(), calibrations=calibrated(lens))
    assert instant is not None
    front = Assembler(config).assemble(instant).sensor_set.cameras["FRONT"]
    assert front is not None and np.array_equal(front.image, picture())
    bent = Assembler(read_config(PARAMETERS)).assemble(instant).sensor_set.cameras["FRONT"]
    assert bent is not None and not np.array_equal(bent.image, picture())


def test_both_images_of_a_stereo_pair_put_a_point_where_their_lens_did() -> None:
    """Raw by K and D alone; rectified by P, in a frame that R has turned. OpenCV says where the pixel of a point goes."""
    lens = np.array([-0.2, 0.05, 1e-3, -1e-3, 0])
    turn, _ = cv2.Rodrigues(np.array([0.02, -0.05, 0.01]))
    calibration = info(distortion=lens)
    calibration.r, calibration.p = turn.reshape(-1), np.array([[90.0, 0, 82, 0], [0, 90, 44, 0], [0, 0, 1, 0]]).reshape(-1)
    instant = placed(*both(), calibrations=calibrated(calibration))
    assert instant is not None
    point = np.array([9.0, 0.8, 1.2])  # in the ego frame; the camera looks ahead from (1, 0, 1.5)
    in_camera = np.array([[-point[1], 1.5 - point[2], point[0] - 1]])
    pixel, _ = cv2.projectPoints(in_camera, np.zeros(3), np.zeros(3), K, lens)
    for rectified, how in ((False, {"P": K}), (True, {"R": turn, "P": calibration.p.reshape(3, 4)})):
        front = Assembler(read_config(PARAMETERS | {"sensors.FRONT.rectified": rectified})).assemble(instant).sensor_set.cameras["FRONT"]
        assert front is not None
        ours = front.intrinsics @ transform_points(invert(front.ego_T_cam), point)
        theirs = cv2.undistortPointsIter(pixel, K, lens, how.get("R", np.eye(3)), how["P"], (cv2.TERM_CRITERIA_COUNT, 100, 0))
        np.testing.assert_allclose(ours[:2] / ours[2], theirs.reshape(2), atol=1e-9)
    calibration.r = 2 * calibration.r
    wrong = Assembler(read_config(PARAMETERS | {"sensors.FRONT.rectified": True})).assemble(instant)
    assert wrong.rejected["FRONT"].state is SensorState.UNCALIBRATED and "expected a rotation" in wrong.rejected["FRONT"].reason


def test_a_camera_without_calibration_waits_for_it() -> None:
    calibrations = Calibrations()
    got = assembled(placed(*both(), calibrations=calibrations))
    assert got.rejected["FRONT"].state is SensorState.UNCALIBRATED and "/sensors/front/camera_info" in got.rejected["FRONT"].reason
    calibrations.insert("FRONT", info())
    assert not assembled(placed(*both(), calibrations=calibrations)).rejected


def test_the_calibration_of_an_image_is_the_one_with_its_stamp() -> None:
    calibrations = Calibrations(kept=2)
    for stamp, width in ((1, 100), (2, 200), (3, 300)):
        calibrations.insert("FRONT", info(stamp, size_wh=(width, 90)))
    assert [calibrations.of("FRONT", stamp).width for stamp in (1, 2, 3, 4)] == [300, 200, 300, 300]
    assert calibrations.of("BACK", 1) is None


def test_a_distorted_image_is_straightened_and_a_pinhole_image_untouched() -> None:
    message = image(T)
    straight = assembled(placed(reading("FRONT", message, T))).sensor_set.cameras["FRONT"]
    bent = assembled(placed(reading("FRONT", message, T), calibrations=calibrated(info(distortion=np.array([-0.2, 0, 0, 0, 0])))))
    assert straight is not None and np.shares_memory(straight.image, np.frombuffer(message.data, np.uint8))
    front = bent.sensor_set.cameras["FRONT"]
    assert front is not None and not np.array_equal(front.image, straight.image)


def jpeg(stamp_ns: int, size_wh: tuple[int, int] = (160, 88)) -> Any:
    smooth = cv2.resize(picture()[:8, :8], size_wh, interpolation=cv2.INTER_CUBIC)
    return compressed_msg(make, cv2.imencode(".jpg", smooth)[1].tobytes(), stamp_ns=stamp_ns, frame_id="front")


def front(message: Any, calibration: Any, image_width: int | None, pool: ThreadPoolExecutor | None = None, **parameters: Any) -> Any:
    """The camera's reading, for a model with images of that width, or why there is none."""
    instant = placed(reading("FRONT", message, T), calibrations=calibrated(calibration))
    assert instant is not None
    got = Assembler(read_config(PARAMETERS | parameters), image_width=image_width, pool=pool).assemble(instant)
    return got.rejected["FRONT"].reason if got.rejected else got.sensor_set.cameras["FRONT"]


def test_a_much_larger_image_is_decoded_smaller_where_that_is_wanted() -> None:
    calibration = info(size_wh=(160, 88))
    whole = front(jpeg(T), calibration, 26, transport="compressed")
    assert whole.image.shape == (88, 160, 3)  # the same bits as `bevduet perceive` reads
    small = front(jpeg(T), calibration, 26, transport="compressed", reduced_decoding=True)
    assert small.image.shape == (22, 40, 3)  # 40 >= 1.5 * 26 > 20
    mean = cv2.resize(whole.image, (40, 22), interpolation=cv2.INTER_AREA)
    assert np.abs(mean.astype(int) - small.image).mean() < 2
    ray = np.array([3.0, 1.0, 10.0])
    for reading_, factor in ((whole, 1), (small, 4)):
        u, v = (reading_.intrinsics @ ray)[:2] / 10
        wanted = (whole.intrinsics @ ray)[:2] / 10
        assert (u + 0.5, v + 0.5) == pytest.approx((wanted + 0.5) / factor)
    refused = front(jpeg(T), info(size_wh=(320, 176)), 26, transport="compressed", reduced_decoding=True)
    assert "image is 160x88 pixels, its calibration is for 320x176" in refused
    assert front(jpeg(T), calibration, 120, transport="compressed", reduced_decoding=True).image.shape == (88, 160, 3)


def test_what_the_pool_computes_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(message: Any, factor: int = 1) -> np.ndarray:
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass
        return np.zeros((90, 160, 3), np.uint8)

    monkeypatch.setattr("ros_nodes.assembly.image_from_compressed_msg", slow)
    instant = placed(reading("FRONT", jpeg(T), T))
    assert instant is not None
    with ThreadPoolExecutor(1) as pool:
        got = Assembler(read_config(PARAMETERS | {"transport": "compressed"}), pool=pool).assemble(instant)
    assert not got.rejected and 0.05 <= got.effort.cpu_s < 0.1


def test_a_distorted_image_is_straightened_at_the_size_that_is_needed() -> None:
    bent = info(distortion=np.array([-0.2, 0, 0, 0, 0]))
    whole = front(image(T), bent, None)
    with ThreadPoolExecutor(2) as pool:
        small = front(image(T), bent, 50, pool)
    assert whole.image.shape == (90, 160, 3) and small.image.shape == (45, 80, 3)
    assert small.intrinsics[0, 0] == pytest.approx(whole.intrinsics[0, 0] / 2)
    assert front(image(T), info(), 50).image.shape == (90, 160, 3)  # nothing to straighten: scaled once, by the model


@pytest.mark.parametrize(("message", "words"), [
    (cloud(T, count=0), "no points"), (cloud(T, frame="roof"), "'roof' is not on /tf"),
    (make("PointCloud2", vars(cloud(T)) | {"data": b"1"}), "1 bytes")])
def test_a_cloud_that_cannot_be_used(message: Any, words: str) -> None:
    got = assembled(placed(reading("FRONT", image(T), T), reading("TOP", message, T)))
    assert got.sensor_set.lidar is None and words in got.rejected["TOP"].reason and got.sensor_set.sensors_present == ("FRONT",)


def test_points_of_the_vehicle_are_removed() -> None:
    near = np.array([[0.5, -0.5, 0, 9, 0], [0.5, 3, 0, 9, 0]], np.float32)
    message = cloud_msg(make, near, stamp_ns=T, frame_id="top")
    one = assembled(placed(reading("TOP", message, T))).sensor_set.lidar
    all_of_it = assembled(placed(reading("TOP", message, T)), **{"sensors.TOP.near_m": 0.0}).sensor_set.lidar
    assert one is not None and one.points[:, 1].tolist() == [3] and all_of_it is not None and len(all_of_it.points) == 2


def test_clouds_of_several_lidars_are_one_and_keep_their_names() -> None:
    frames = tree(T - 100 * MS, T)
    frames.insert("base_link", "rear", 0, translation_m=(-2, 0, 0), rotation_wxyz=(1, 0, 0, 0), static=True)
    earlier = T - 50 * MS
    instant = placed(reading("TOP", cloud(T), T), reading("REAR", cloud(earlier, seed=1, frame="rear"), earlier), frames=frames)
    got = assembled(instant, lidars=["TOP", "REAR"])
    merged = got.sensor_set.lidar
    assert merged is not None and len(merged.points) == 1000 and got.sensors(got.sensor_set.sensors_present) == ("TOP", "REAR")
    assert merged.points[0, 2] == pytest.approx(points()[0, 2] + 1.8)
    assert merged.points[500, 0] == pytest.approx(points(1)[0, 0] - 2 - 0.5)  # the ego drove half a metre on
    assert merged.points[500, 4] == pytest.approx(0.05) and merged.points[0, 4] == 0


WALL_M = 20.0


def swept(times_s: np.ndarray, stamp_ns: int = T) -> Reading:
    """A wall that stands 20 m ahead of an ego of 10 m/s at T, each point in the sensor's frame at its own time; and when that was."""
    offsets = times_s + (stamp_ns - T) * 1e-9
    table = np.column_stack([WALL_M - 10 * offsets, np.zeros(len(offsets)), np.ones(len(offsets)), np.full(len(offsets), 51), times_s])
    message = cloud_msg(make, table, stamp_ns=stamp_ns, frame_id="top", fields=("x", "y", "z", "intensity", "time"))
    span = round(1e9 * times_s.min()), round(1e9 * times_s.max())
    assert sweep_span_ns(message) == span
    return replace(reading("TOP", message, stamp_ns), span_ns=span)


@pytest.mark.parametrize("stamped_s", [0.0, -0.1, -0.04], ids=["at the start", "at the end", "amid it"])
def test_a_sweep_is_as_of_its_stamp_whatever_part_of_it_that_is(stamped_s: float) -> None:
    sweep = swept(np.linspace(stamped_s, stamped_s + 0.1, 51))
    frames = tree(T - 100 * MS, T, T + 100 * MS)
    instant = placed(sweep, frames=frames)
    got = assembled(instant).sensor_set.lidar
    assert instant is not None and got is not None and len(instant.readings["TOP"].path) == 6 and instant.motion == ""
    np.testing.assert_allclose(got.points, np.tile([WALL_M, 0, 1, 0.2, 0], (51, 1)), atol=1e-5)
    driver_did = assembled(placed(replace(sweep, span_ns=(0, 0)), frames=frames)).sensor_set.lidar
    assert driver_did is not None and np.ptp(driver_did.points[:, 0]) == pytest.approx(1.0) and not driver_did.points[:, 4].any()


def test_sweeps_stamped_at_their_start_are_one_cloud_with_the_newest_as_of_its_stamp() -> None:
    times = np.linspace(0, 0.1, 11)
    frames = tree(T - 100 * MS, T, T + 100 * MS)
    got = assembled(placed(swept(times), sweeps=(swept(times, T - 100 * MS),), frames=frames), num_sweeps=1).sensor_set.lidar
    assert got is not None and len(got.points) == 22
    np.testing.assert_allclose(got.points[:, 0], WALL_M, atol=1e-5)
    assert got.points[:, 4].tolist() == pytest.approx([0] * 11 + [0.1] * 11)  # as recorded sweeps have it


def test_the_way_of_a_sweep_is_waited_for_as_its_pose_is() -> None:
    sweep = swept(np.linspace(0, 0.1, 11))
    frames = tree(T - 100 * MS, T)
    assert placed(sweep, frames=frames, wait=True) is None
    instant = placed(sweep, frames=frames)
    assert instant is not None and "20.0 ms older than the reading" in instant.motion
    got = assembled(instant).sensor_set.lidar
    assert got is not None and np.ptp(got.points[:, 0]) == pytest.approx(1.0) and not got.points[:, 4].any()  # as they came
    still = placed(sweep, frames=frames, wait=True, names=Frames(base="base_link"))
    assert still is not None and still.readings["TOP"].path == ()  # nobody asked for the ego's motion


def test_sweeps_are_accumulated_where_the_motion_is_known() -> None:
    earlier = T - 50 * MS
    sweeps = (reading("TOP", cloud(earlier, seed=1), earlier),)
    got = assembled(placed(reading("TOP", cloud(T), T), sweeps=sweeps), num_sweeps=1).sensor_set.lidar
    assert got is not None and len(got.points) == 1000 and got.points[500, 4] == pytest.approx(0.05)
    assert got.points[500, 0] == pytest.approx(points(1)[0, 0] - 0.5)
    alone = assembled(placed(reading("TOP", cloud(T), T), sweeps=sweeps, frames=tree()), num_sweeps=1).sensor_set.lidar
    assert alone is not None and len(alone.points) == 500


def test_whatever_a_sensor_sends_costs_that_reading_alone() -> None:
    strange = make("Image", {"header": image(T).header})  # an object without any of the fields that are read
    got = assembled(placed(reading("FRONT", strange, T), reading("TOP", cloud(T), T)))
    assert got.rejected["FRONT"].reason.startswith("AttributeError") and got.sensor_set.sensors_present == ("TOP",)


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_a_real_keyframe_comes_out_as_from_its_files(scene0523: Path, transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = NuScenesSource(scene0523, "v1.0-mini")
    wanted = source.load(source.tokens("scene-0523")[3])
    frames, calibrations, readings = TransformTree(), Calibrations(), []
    index, row = source._index, 3
    for column, name in enumerate(source.sensors()):
        slot = int(index.sample_reading[row, column])
        stamp = int(index.reading_stamp_us[slot]) * 1000
        for parent, child, stored in (("odom", "base_link", index.reading_pose[slot]),
                                      ("base_link", name.lower(), index.calibration_pose[index.reading_calibration[slot]])):
            frames.insert(parent, child, stamp, translation_m=stored[4:], rotation_wxyz=stored[:4], static=parent == "base_link")
        path = source.dataroot / index.reading_file[slot].decode()
        message: Any
        if name == "LIDAR_TOP":
            message = cloud_msg(make, read_points_bin(path, 5), stamp_ns=stamp, frame_id=name.lower())
        elif transport == "raw":
            message = image_msg(make, read_image(path), stamp_ns=stamp, frame_id=name.lower())
        else:
            message = compressed_msg(make, read_bytes(path), stamp_ns=stamp, frame_id=name.lower())
        if name != "LIDAR_TOP":
            matrix = index.calibration_intrinsics[index.reading_calibration[slot]]
            calibrations.insert(name, camera_info_msg(make, matrix, (1600, 900), stamp_ns=stamp, frame_id=name.lower()))
        readings.append(reading(name, message, stamp))
    instant = place(bundle(*readings, reference="LIDAR_TOP", stamp_ns=wanted.stamp_ns), (), frames, calibrations, FRAMES, wait=True)
    assert instant is not None
    with ThreadPoolExecutor(2) as pool:
        got = Assembler(read_config({"transport": transport}), pool=pool).assemble(instant).sensor_set
    assert tuple(got.cameras) == tuple(wanted.cameras) and got.stamp_ns == wanted.stamp_ns
    assert np.array_equal(got.global_T_ego, wanted.global_T_ego)  # type: ignore[arg-type]
    for name, camera in wanted.cameras.items():
        other = got.cameras[name]
        assert camera is not None and other is not None and other.stamp_ns == camera.stamp_ns
        for field in ("image", "intrinsics", "ego_T_cam", "global_T_ego"):
            assert np.array_equal(getattr(other, field), getattr(camera, field)), (name, field)
    assert got.lidar is not None and wanted.lidar is not None and got.lidar_name == wanted.lidar_name
    for field in ("points", "ego_T_lidar", "global_T_ego"):
        assert np.array_equal(getattr(got.lidar, field), getattr(wanted.lidar, field)), field
