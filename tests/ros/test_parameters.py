"""The fusion node's parameters: what is given, what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from fusion.errors import UserError
from ros_nodes.parameters import NUSCENES_CAMERAS, read_config

TWO = {"cameras": ["FRONT", "BACK"], "lidars": ["TOP"]}


def test_defaults_are_the_nuscenes_rig() -> None:
    config = read_config({"use_sim_time": True, "qos_overrides./tf.subscription.depth": 1})
    assert tuple(config.cameras) == NUSCENES_CAMERAS and tuple(config.lidars) == ("LIDAR_TOP",)
    assert config.cameras["CAM_BACK_LEFT"].topic == "/sensors/cam_back_left/image"
    assert config.cameras["CAM_BACK_LEFT"].info_topic == "/sensors/cam_back_left/camera_info"
    assert config.lidars["LIDAR_TOP"].topic == "/sensors/lidar_top/points"
    assert config.lidars["LIDAR_TOP"].intensity_max == 255 and config.lidars["LIDAR_TOP"].near_m == 1
    assert config.lidars["LIDAR_TOP"].deskew
    assert config.reference_sensor == "LIDAR_TOP"
    assert (config.deadline_ns, config.max_age_ns, config.takeover_ns) == (60_000_000, 100_000_000, 300_000_000)
    assert (config.base_frame, config.fixed_frame, config.model, config.config, config.overrides) == ("base_link", "odom", "nano", "", ())


def test_values_given_are_taken() -> None:
    config = read_config(TWO | {
        "transport": "compressed", "sensors.BACK.transport": "raw", "sensors.FRONT.time_offset_ms": -12.5, "sensors.TOP.intensity_max": 1,
        "sensors.TOP.deskew": False, "sensors.TOP.topic": "lidar", "deadline_ms": 40, "reference_sensor": "BACK", "fixed_frame": "",
        "base_frame": "/ego",
        "overrides": ["model.num_sweeps=2", ""]})
    assert config.cameras["FRONT"].topic == "/sensors/front/image/compressed"
    assert config.cameras["BACK"].topic == "/sensors/back/image"
    assert config.lidars["TOP"].topic == "lidar" and config.lidars["TOP"].intensity_max == 1.0
    assert not config.lidars["TOP"].deskew
    assert config.reference_sensor == "BACK" and config.deadline_ns == 40_000_000
    assert config.base_frame == "ego" and config.fixed_frame == "" and config.overrides == ("model.num_sweeps=2",)
    sync = config.sync()
    assert sync.sensors == ("FRONT", "BACK", "TOP") and sync.offsets_ns == {"FRONT": -12_500_000, "BACK": 0, "TOP": 0}


def test_calibration_is_looked_for_beside_the_image() -> None:
    config = read_config(TWO | {"sensors.FRONT.topic": "/front/image_raw", "sensors.FRONT.rectified": True, "sensors.FRONT.frame": "/eye",
                                "sensors.BACK.transport": "compressed", "sensors.BACK.topic": "back/image_rect/compressed", "frozen_after": 0,
                                "sensors.TOP.frame": "os_sensor"})
    front, back = config.cameras["FRONT"], config.cameras["BACK"]
    assert (front.info_topic, back.info_topic) == ("/front/camera_info", "back/camera_info")
    assert (front.rectified, back.rectified, front.frame, config.lidars["TOP"].frame, config.frozen_after) == (True, False, "eye", "os_sensor", 0)
    assert config.notes == ("BACK: the images on back/image_rect/compressed are taken for raw ones and undistorted; are they rectified already"
                            " (sensors.BACK.rectified)?",)
    assert read_config(TWO | {"sensors.FRONT.topic": "/front/image_rect", "sensors.FRONT.rectified": True}).notes == ()
    assert read_config(TWO | {"sensors.FRONT.topic": "image"}).cameras["FRONT"].info_topic == "camera_info"


def test_a_rig_without_lidar_follows_its_first_camera() -> None:
    assert read_config({"cameras": ["FRONT"], "lidars": [""]}).reference_sensor == "FRONT"
    assert read_config({"cameras": [], "lidars": ["TOP"]}).sensors == ("TOP",)
    assert read_config({"cameras": None, "lidars": ["TOP"]}).sensors == ("TOP",)  # how ROS hands on `cameras:=[]`


@pytest.mark.parametrize(("change", "words"), [
    ({"deadlin_ms": 10.0}, ["deadlin_ms", "did you mean 'deadline_ms'"]),
    ({"cameras": [], "lidars": []}, ["no sensor is named"]),
    ({"cameras": ["FRONT", "FRONT"]}, ["'FRONT'", "named twice"]),
    ({"cameras": ["FRONT", "front"]}, ["'front'", "named twice"]),
    ({"lidars": ["FRONT"]}, ["'FRONT'", "named twice"]),
    ({"cameras": ["CAM-1"]}, ["'CAM-1'", "not a sensor's name"]),
    ({"cameras": "FRONT"}, ["cameras", "list of texts"]),
    ({"reference_sensor": "TOPP"}, ["reference_sensor", "unknown sensor 'TOPP'", "did you mean 'TOP'"]),
    ({"sensors.FORNT.topic": "/x"}, ["unknown sensor 'FORNT'", "did you mean 'FRONT'"]),
    ({"sensors.FRONT.topik": "/x"}, ["sensors.FRONT.topik", "did you mean 'topic'"]),
    ({"sensors.TOP.info_topic": "/x"}, ["sensors.TOP.info_topic", "LiDAR"]),
    ({"sensors.FRONT": "/x"}, ["sensors.NAME.KEY"]),
    ({"sensors.FRONT.topic": ["/a", "/b"]}, ["sensors.FRONT.topic", "2 topics", "a sensor has one topic"]),
    ({"sensors.FRONT.topic": "/sensors/back/image"}, ["sensors.BACK.topic", "sensors.FRONT.topic", "cannot share"]),
    ({"sensors.FRONT.info_topic": "/sensors/top/points"}, ["sensors.TOP.topic", "sensors.FRONT.info_topic"]),
    ({"sensors.FRONT.topic": "no topic!"}, ["sensors.FRONT.topic", "'no topic!'"]),
    ({"sensors.FRONT.transport": "png"}, ["sensors.FRONT.transport", "raw or compressed", "'png'"]),
    ({"max_age_ms": -1.0}, ["max_age_ms", "above 0", "-1.0"]),
    ({"max_age_ms": 0}, ["max_age_ms", "above 0"]),
    ({"deadline_ms": 0.0}, ["deadline_ms", "above 0"]),
    ({"takeover_ms": float("nan")}, ["takeover_ms", "nan"]),
    ({"deadline_ms": 1e9}, ["deadline_ms", "at most 10000"]),
    ({"deadline_ms": "50"}, ["deadline_ms", "'50'"]),
    ({"deadline_ms": True}, ["deadline_ms", "True"]),
    ({"sensors.FRONT.time_offset_ms": 20_000.0}, ["sensors.FRONT.time_offset_ms"]),
    ({"sensors.TOP.intensity_max": 0}, ["sensors.TOP.intensity_max", "above 0"]),
    ({"markers_min_score": 1.5}, ["markers_min_score"]),
    ({"threads": -1}, ["threads", "-1"]),
    ({"backend": "openvin"}, ["backend: expected one of torch, compile, onnxruntime, openvino, tensorrt", "'openvin'"]),
    ({"bf16": "yes"}, ["bf16", "'yes'"]),
    ({"reliable": "yes"}, ["reliable: expected auto, true or false, got 'yes'"]),
    ({"sensors.TOP.reliable": 1}, ["sensors.TOP.reliable: expected auto, true or false"]),
    ({"model": " "}, ["model", "not empty"]),
    ({"deadline_ms": None}, ["deadline_ms", "None"]),
    ({"fixed_frame": "base_link"}, ["fixed_frame", "base_frame too"]),
])
def test_the_impossible_is_refused_by_name(change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        read_config(TWO | change)
    for word in words:
        assert word in str(caught.value)


def test_each_sensor_may_be_subscribed_to_in_its_own_way() -> None:
    assert {read_config(TWO).sensor(name).reliable for name in ("FRONT", "BACK", "TOP")} == {None}
    config = read_config(TWO | {"reliable": True, "sensors.BACK.reliable": "auto", "sensors.TOP.reliable": False})
    assert [config.sensor(name).reliable for name in config.sensors] == [True, None, False]


def test_topics_are_compared_after_remapping() -> None:
    given = TWO | {"sensors.FRONT.topic": "x", "sensors.BACK.topic": "/robot/x"}
    assert read_config(given)
    with pytest.raises(UserError, match=r"'/robot/x' is also sensors\.FRONT\.topic"):
        read_config(given, lambda topic: topic if topic[0] == "/" else f"/robot/{topic}")


def test_a_model_takes_the_sensors_that_it_reads() -> None:
    config = read_config(TWO | {"reference_sensor": "FRONT"})
    assert config.read_by(camera=True, lidar=False).sensors == ("FRONT", "BACK")
    assert config.read_by(camera=True, lidar=True) == config
    with pytest.raises(UserError, match="reference_sensor 'FRONT': .*reads LiDARs only"):
        config.read_by(camera=False, lidar=True)
    with pytest.raises(UserError, match="reads LiDARs only, and none is named"):
        read_config(TWO | {"lidars": []}).read_by(camera=False, lidar=True)
