"""Where readings and answers are lost: sent, received by the node, used, answered, received from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PUBLISHED = "published "
"""Begins the line in which the source says how many readings of each sensor it has sent, as JSON."""


@dataclass(frozen=True, kw_only=True)
class SensorDrops:
    """What became of one sensor's readings.

    Attributes:
        published: by the source; `received` by the node.
        refused: frozen, or their content could not be used.
        late: too late for any answer, or out of order.
        used: answers that rest on them; the LiDAR alone is wanted by every one.
    """

    published: int
    received: int
    refused: int
    late: int
    used: int


@dataclass(frozen=True, kw_only=True)
class Drops:
    """What became of everything since the source began.

    Attributes:
        sensors: name -> its readings.
        instants: that the node began to answer; `superseded` of them gave way to newer ones.
        answers: published by the node; `arrived` of them here.
    """

    sensors: Mapping[str, SensorDrops]
    instants: int
    superseded: int
    answers: int
    arrived: int

    def lines(self) -> list[str]:
        """A table for people."""
        rows = [f"{'readings':18s}{'published':>10s}{'received':>10s}{'lost':>8s}{'refused':>9s}{'too late':>9s}{'in answers':>12s}"]
        rows += [f"{name:18s}{s.published:10d}{s.received:10d}{s.published - s.received:8d}{s.refused:9d}{s.late:9d}{s.used:12d}"
                 for name, s in self.sensors.items()]
        return [*rows, f"answers: {self.answers} published, {self.arrived} received, {self.answers - self.arrived} lost;"
                       f" {self.superseded} of {self.instants} instants gave way to newer ones"]


def published_in(lines: Sequence[str]) -> dict[str, int]:
    """Sensor -> readings sent, from the output of the source; ValueError where it does not say."""
    said = [line.partition(PUBLISHED)[2] for line in lines if PUBLISHED in line]
    if not said:
        raise ValueError("the source did not say what it had published")
    return {str(name): int(count) for name, count in json.loads(said[-1]).items()}


def count_drops(published: Mapping[str, int], report: Any, used: Counter[str], arrived: int) -> Drops:
    """Put the counts together.

    Args:
        published: sensor -> readings sent.
        report: the node's last `/diagnostics`, from after the last reading.
        used: sensor -> answers that rest on it.
        arrived: answers received.
    """
    sensors = {status.hardware_id: {value.key: value.value for value in status.values} for status in report.status if status.hardware_id}
    node = {value.key: value.value for status in report.status if not status.hardware_id for value in status.values}
    return Drops(
        sensors={name: SensorDrops(published=count, received=int(sensors[name]["received"]), refused=int(sensors[name]["dropped"]),
                                   late=int(node.get(f"{name}.late", 0)), used=used[name]) for name, count in published.items()},
        instants=int(node["instants"]), superseded=int(node["instants_dropped"]), answers=int(node["answers"]), arrived=arrived)
