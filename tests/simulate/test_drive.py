"""What follows from a request: names, stamps, mounts, weather, splits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from fusion.errors import UserError
from fusion.simulate.record.drive import MIXED, START_US, Request, vary
from fusion.simulate.record.tokens import generator, token
from fusion.simulate.rig import nuscenes_rig

REQUEST = Request(scenes=20, seed=5, rig=nuscenes_rig(), sweeps=True)


def test_twenty_seconds_are_forty_keyframes_with_nine_sweeps_before_each() -> None:
    keyframes = REQUEST.keyframes_s()
    assert keyframes == [0.5 * (i + 1) for i in range(40)]
    for t_s in keyframes:
        assert REQUEST.sweeps_before_s(t_s) == pytest.approx([t_s - 0.45 + 0.05 * i for i in range(9)])


def test_every_third_keyframe() -> None:
    assert replace(REQUEST, every=3, duration_s=5.0).keyframes_s() == [0.5, 2.0, 3.5, 5.0]


def test_no_turn_begins_before_the_scene() -> None:
    slow = replace(REQUEST, rig=replace(REQUEST.rig, lidar=replace(REQUEST.rig.lidar, rate_hz=4.0)))  # type: ignore[type-var]
    assert slow.sweeps_before_s(0.5) == [0.25]
    assert replace(slow, sweeps=False).sweeps_before_s(0.5) == []


def test_scenes_never_overlap() -> None:
    assert REQUEST.stamp_us(0, 0.5) == START_US + 500_000
    assert REQUEST.stamp_us(1, 0.0) - REQUEST.stamp_us(0, 20.0) == 60_000_000


def test_the_last_tenth_is_for_validation() -> None:
    names = [REQUEST.name(i) for i in range(20)]
    assert names[3] == "sim-5-0003"
    split = REQUEST.split(names)
    assert split == {"sim_train": names[:18], "sim_val": names[18:]}
    assert REQUEST.split(names[:3] + names[19:]) == {"sim_train": names[:3], "sim_val": names[19:]}
    assert replace(REQUEST, scenes=1).split(names[:1]) == {"sim_train": names[:1], "sim_val": []}


def test_mounts_differ_a_little_between_scenes_and_not_between_runs() -> None:
    one, other, again = (vary(nuscenes_rig(), generator(seed)) for seed in (1, 2, 1))
    assert one.cameras == again.cameras
    assert one.lidar == again.lidar
    for a, b, nominal in zip(one.cameras, other.cameras, nuscenes_rig().cameras, strict=True):
        assert a != b
        assert 0 < np.linalg.norm(np.subtract(a.position_m, nominal.position_m)) < 0.04
        assert abs(a.yaw_deg - nominal.yaw_deg) <= 0.7
    rigs = [REQUEST.rig_of(index) for index in range(20)]
    sensors = [sensor.individual for rig in rigs for sensor in (*rig.cameras, rig.lidar) if sensor is not None]
    assert len(set(sensors)) == len(sensors) == 140
    tilts = np.array([(rig.lidar.pitch_deg, rig.lidar.roll_deg) for rig in map(REQUEST.rig_of, range(100)) if rig.lidar is not None])
    assert (np.abs(tilts - [2.0, 0.25]) <= [1.0, 0.4]).all() and (tilts.std(axis=0) > [0.3, 0.1]).all()
    assert replace(REQUEST, exact_rig=True).rig_of(3).lidar == nuscenes_rig().lidar
    assert replace(REQUEST, exact_rig=True).rig_of(3).cameras == nuscenes_rig().cameras


def test_mixed_weather_has_its_shares() -> None:
    counts = Counter(REQUEST.weather_of(i) for i in range(2000))
    for name, share in MIXED.items():
        assert counts[name] / 2000 == pytest.approx(share, abs=0.03)
    assert replace(REQUEST, weather="fog").weather_of(0) == "fog"


def test_tokens_are_32_digits_and_never_meet() -> None:
    made = {token(seed, scene, kind, i) for seed in (0, 1) for scene in range(3) for kind in ("sample", "scene") for i in range(10)}
    assert len(made) == 120
    assert all(len(t) == 32 and int(t, 16) >= 0 for t in made)
    assert token("attribute", "vehicle.moving") == token("attribute", "vehicle.moving")


@pytest.mark.parametrize(("field", "value", "says"), [
    ("scenes", 0, "--scenes 0: expected 1 to"), ("seed", -1, "--seed"), ("duration_s", 0.1, "--duration 0.1"), ("duration_s", float("nan"), "nan"),
    ("every", 0, "--every"), ("image_scale", 0.0, "--image-scale"), ("weather", "hail", "--weather hail: expected one of"),
    ("rig", replace(nuscenes_rig(), lidar=None), "no LiDAR"),
])
def test_impossible_requests(field: str, value: object, says: str) -> None:
    with pytest.raises(UserError, match=says):
        replace(REQUEST, **{field: value})  # type: ignore[arg-type]
