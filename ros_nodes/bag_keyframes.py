"""Which of a bag's readings make up a keyframe, and which lie between."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ros_nodes.bag_scan import BagContents, BagReading
from ros_nodes.player_topics import CLOUD

REACH_NS = 250_000_000
"""A reading farther from a keyframe's stamp does not belong to it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BagSample:
    """A keyframe: its stamp, its token ("" where the bag gives none) and its readings by sensor."""

    stamp_ns: int
    token: str
    readings: dict[str, BagReading]


@dataclass(frozen=True, kw_only=True, eq=False)
class BagScene:
    """A scene: its name, its keyframes in the order of time, and all its readings in the order of recording."""

    name: str
    samples: tuple[BagSample, ...]
    readings: tuple[BagReading, ...]

    @cached_property
    def _stamps(self) -> list[int]:
        return [sample.stamp_ns for sample in self.samples]

    def sample_of(self, reading: BagReading) -> tuple[BagSample, bool]:
        """The keyframe that a reading belongs to, the next one for those between; whether it is one of the keyframe's own."""
        index = min(bisect_left(self._stamps, reading.stamp_ns), len(self.samples) - 1)
        for sample in self.samples[max(index - 1, 0):index + 2]:
            if sample.readings.get(reading.sensor) is reading:
                return sample, True
        return self.samples[index], False


def find_scenes(contents: BagContents, name: str, every_ns: int) -> list[BagScene]:
    """Scenes with at least one keyframe. Without markers in the bag it is one scene, with a keyframe at least every `every_ns`.

    Args:
        contents: of the bag.
        name: of the scene where the bag names none.
        every_ns: distance of keyframes, taken at the readings of LIDAR_TOP, another LiDAR or the first camera.
    """
    starts = [logged_ns for logged_ns, _ in contents.scenes]
    names = [scene for _, scene in contents.scenes]
    groups: list[list[BagReading]] = [[] for _ in range(max(len(starts), 1))]
    for reading in contents.readings:
        groups[max(bisect_right(starts, reading.logged_ns) - 1, 0)].append(reading)
    scenes = []
    for number, readings in enumerate(groups):
        ordered = sorted(readings, key=lambda reading: reading.stamp_ns)
        if not ordered:
            continue
        marks = sorted((stamp, token) for stamp, token in contents.samples
                       if ordered[0].stamp_ns - REACH_NS <= stamp <= ordered[-1].stamp_ns + REACH_NS)
        samples = _assign(marks or _spaced(ordered, _reference(contents, ordered), every_ns), ordered)
        if samples:
            scenes.append(BagScene(name=names[number] if names else name, samples=samples, readings=tuple(readings)))
    return scenes


def _reference(contents: BagContents, readings: Sequence[BagReading]) -> str:
    present = dict.fromkeys(reading.sensor for reading in readings)
    lidars = [name for name in present if contents.sensors[name].kind == CLOUD]
    return "LIDAR_TOP" if "LIDAR_TOP" in present else (lidars or list(present))[0]


def _spaced(readings: Sequence[BagReading], reference: str, every_ns: int) -> list[tuple[int, str]]:
    marks: list[tuple[int, str]] = []
    for reading in readings:
        if reading.sensor == reference and (not marks or reading.stamp_ns >= marks[-1][0] + every_ns):
            marks.append((reading.stamp_ns, ""))
    return marks


def _assign(marks: Sequence[tuple[int, str]], readings: Sequence[BagReading]) -> tuple[BagSample, ...]:
    """Each keyframe takes the nearest reading of each sensor within reach, unless another keyframe is nearer to that."""
    by_sensor: dict[str, list[BagReading]] = {}
    for reading in readings:
        by_sensor.setdefault(reading.sensor, []).append(reading)
    stamps = {name: [reading.stamp_ns for reading in own] for name, own in by_sensor.items()}
    times = [stamp for stamp, _ in marks]
    samples = []
    for number, (stamp_ns, token) in enumerate(marks):
        chosen: dict[str, BagReading] = {}
        for name, own in by_sensor.items():
            near = own[_nearest(stamps[name], stamp_ns)]
            if abs(near.stamp_ns - stamp_ns) <= REACH_NS and _nearest(times, near.stamp_ns) == number:
                chosen[name] = near
        if chosen:
            samples.append(BagSample(stamp_ns=stamp_ns, token=token, readings=chosen))
    return tuple(samples)


def _nearest(stamps: Sequence[int], stamp_ns: int) -> int:
    """Index of the stamp nearest to another, the earlier of two; `stamps` ascend."""
    index = bisect_left(stamps, stamp_ns)
    return min(range(max(index - 1, 0), min(index + 1, len(stamps))), key=lambda each: abs(stamps[each] - stamp_ns))
