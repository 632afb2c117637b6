"""Ground-truth pasting: objects of other samples are put into a cloud where nothing stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from fusion.geometry.boxes import points_in_boxes
from fusion.geometry.iou import bev_iou
from fusion.types import GroundTruth, SensorBatch


@dataclass(frozen=True, kw_only=True)
class PastedObject:
    """One object that can be pasted.

    Attributes:
        points: `(P, 5)` float32, ego frame of the sample it comes from, columns `POINT_FIELDS`.
        truth: its single box with labels, in the same frame.
    """

    points: np.ndarray
    truth: GroundTruth


class ObjectBank:
    """The objects of a data set by class, cut out once. Objects keep their place: range and point density stay true.

    Of a class with more objects than the bank takes, every object is as likely to be kept as any other, wherever in the data set it
    stands (reservoir sampling, Vitter 1985, algorithm R).

    Args:
        min_points: objects with fewer points are not worth pasting.
        at_most: class name -> capacity; classes not named are not kept. None keeps everything.
        seed: of what is kept of a class with more.
    """

    def __init__(self, min_points: int = 5, at_most: Mapping[str, int] | None = None, seed: int = 0) -> None:
        self._min_points, self._at_most = min_points, at_most
        self._rng = np.random.default_rng([seed, 0, 0, 0, 2])  # not a generator of the sampler or of a `SampleKey`
        self._objects: dict[str, list[PastedObject]] = {}
        self._met: dict[str, int] = {}

    def __len__(self) -> int:
        return sum(len(objects) for objects in self._objects.values())

    def counts(self) -> dict[str, tuple[int, int]]:
        """Class name -> objects kept, and objects met."""
        return {name: (len(objects), self._met[name]) for name, objects in sorted(self._objects.items())}

    def add(self, points: np.ndarray, truth: GroundTruth) -> None:
        """Cut the objects out of one cloud.

        Args:
            points: `(P, 5)` in the ego frame of `truth`.
            truth: its boxes.
        """
        inside = points_in_boxes(points[:, :3], truth.boxes) if len(truth) else np.zeros((0, len(points)), bool)
        for index in np.flatnonzero(inside.sum(axis=1) >= self._min_points):
            name = truth.classes[truth.labels[index]]
            if self._at_most is not None and name not in self._at_most:
                continue
            kept, met = self._objects.setdefault(name, []), self._met.get(name, 0)
            self._met[name] = met + 1
            room = self._at_most is None or len(kept) < self._at_most[name]
            place = len(kept) if room else int(self._rng.integers(met + 1))
            if room or place < len(kept):
                kept[place:place + 1] = [PastedObject(points=points[inside[index]].copy(), truth=truth.select(np.array([index])))]

    def draw(self, truth: GroundTruth, counts: Mapping[str, int], rng: np.random.Generator) -> list[PastedObject]:
        """Random objects that overlap neither the boxes of `truth` nor each other in BEV.

        Args:
            truth: boxes that stand already.
            counts: class name -> at most how many; candidates that overlap are left out, not replaced.
        """
        standing = truth.boxes
        chosen: list[PastedObject] = []
        for name in sorted(counts):
            bank = self._objects.get(name, [])
            for index in rng.permutation(len(bank))[: counts[name]]:
                candidate = bank[index].truth.boxes
                if len(standing) and bev_iou(candidate, standing).max() > 0:
                    continue
                standing = np.concatenate([standing, candidate])
                chosen.append(bank[index])
        return chosen


def paste(batch: SensorBatch, truth: GroundTruth, objects: list[PastedObject]) -> tuple[SensorBatch, GroundTruth]:
    """One sample with objects pasted into its cloud; what stood inside their boxes is cleared, and the cameras are withheld.

    Pasted objects have no pixels. Cameras that look at their place would contradict the ground truth, so they are absent in the
    result; samples without a LiDAR, and calls without objects, come back unchanged.

    Args:
        batch: a batch of one.
        truth: its boxes.
        objects: from `ObjectBank.draw` for `truth`.
    """
    if not objects or not bool(batch.lidar_ok[0]):
        return batch, truth
    boxes = np.concatenate([o.truth.boxes for o in objects])
    points = batch.points[0][batch.points_ok[0]].numpy()
    free = ~points_in_boxes(points[:, :3], boxes).any(axis=0)
    cloud = torch.from_numpy(np.concatenate([points[free], *(o.points for o in objects)]))[None]
    pasted = replace(batch, points=cloud, points_ok=torch.ones(cloud.shape[:2], dtype=torch.bool))
    parts = [truth, *(o.truth for o in objects)]
    merged = GroundTruth(
        boxes=np.concatenate([t.boxes for t in parts]), labels=np.concatenate([t.labels for t in parts]),
        attributes=tuple(a for t in parts for a in t.attributes), num_lidar_pts=np.concatenate([t.num_lidar_pts for t in parts]),
        visibility=np.concatenate([t.visibility for t in parts]), classes=truth.classes,
        tokens=tuple(n for t in parts for n in (t.tokens or ("",) * len(t))),
        num_radar_pts=np.concatenate([t.num_points - t.num_lidar_pts for t in parts]),
    )
    return pasted.drop(cameras=torch.ones_like(batch.camera_ok)), merged
