"""Does an exported model answer as the checkpoint does that it was made from: tensors, and boxes after decoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from fusion.evaluate.markdown import aligned
from fusion.export.ports import output_names, outputs_of
from fusion.geometry.transforms import wrap_angle
from fusion.heads.decode import RawDetections
from fusion.heads.query.output import QueryOutput
from fusion.inputs import Output, decode_output, prepare_inputs
from fusion.runtime.backends.protocol import Backend
from fusion.runtime.perceiver import Perceiver
from fusion.types import SensorBatch, SensorSet

PAIR_WITHIN_M = 0.5
"""Boxes of one class with centres nearer than this may be the same detection."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far an engine may be from its checkpoint.

    Attributes:
        tensor: largest difference of any element of any output; None: not bounded.
        min_score: boxes that score lower on their own side need no partner.
        unmatched: largest share of boxes without a partner.
        centre_m, size_m, score: largest mean difference over the pairs; with `tensor`, largest difference of any pair.
    """

    tensor: float | None
    min_score: float
    unmatched: float
    centre_m: float
    size_m: float
    score: float


TOLERANCES: Mapping[str, Tolerance] = {
    "fp32": Tolerance(tensor=1e-4, min_score=0.0, unmatched=1e-3, centre_m=1e-3, size_m=1e-3, score=1e-4),
    "fp16": Tolerance(tensor=None, min_score=0.1, unmatched=0.02, centre_m=0.02, size_m=0.02, score=0.01),
    "bf16": Tolerance(tensor=None, min_score=0.1, unmatched=0.10, centre_m=0.05, size_m=0.05, score=0.02),
    "int8": Tolerance(tensor=None, min_score=0.1, unmatched=0.15, centre_m=0.10, size_m=0.10, score=0.05),
}
"""By what the engine computes in. In float32, too, each side may take another of two neighbouring cells that score alike to rounding. What lower
precision costs in score is a matter for the official metrics; this finds engines that are wrong."""


@dataclass(kw_only=True)
class TensorDifference:
    """Differences of one output over all answers; booleans and labels count as 1 where they differ."""

    largest: float = 0.0
    total: float = 0.0
    elements: int = 0
    worst: str = ""

    def add(self, a: Tensor, b: Tensor, where: str) -> None:
        """Take one answer in; anything that is not finite on one side alone is infinitely far off."""
        difference = (a.double() - b.double()).abs() if a.dtype.is_floating_point else (a != b).double()
        difference = torch.where(a == b, 0.0, difference.nan_to_num(nan=torch.inf))
        largest = float(difference.max()) if difference.numel() else 0.0
        if largest > self.largest:
            self.largest, self.worst = largest, where
        self.total += float(difference.sum())
        self.elements += difference.numel()


@dataclass(kw_only=True)
class BoxDifference:
    """Boxes of both sides over all answers; the lists hold a number for each pair."""

    reference: int = 0
    answered: int = 0
    unmatched: int = 0
    centre_m: list[float] = field(default_factory=list)
    size_m: list[float] = field(default_factory=list)
    yaw_rad: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    worst: str = ""

    def add(self, reference: RawDetections, answer: RawDetections, min_score: float, where: str) -> None:
        """Pair the boxes of one answer, best first, each with the nearest free one of its class; a partner may score below `min_score`."""
        pairs = _pairs(reference, answer)
        a, b = np.array([i for i, _ in pairs], np.int64), np.array([j for _, j in pairs], np.int64)
        counts = (reference.scores[a] >= min_score) | (answer.scores[b] >= min_score)
        a, b = a[counts], b[counts]
        strong_a, strong_b = np.flatnonzero(reference.scores >= min_score), np.flatnonzero(answer.scores >= min_score)
        alone = len(np.setdiff1d(strong_a, a)) + len(np.setdiff1d(strong_b, b))
        if alone and not self.worst:
            self.worst = where
        self.reference, self.answered, self.unmatched = self.reference + len(strong_a), self.answered + len(strong_b), self.unmatched + alone
        boxes, others = reference.boxes[a].astype(np.float64), answer.boxes[b].astype(np.float64)
        self.centre_m += np.linalg.norm(boxes[:, :3] - others[:, :3], axis=1).tolist()
        self.size_m += np.abs(boxes[:, 3:6] - others[:, 3:6]).max(axis=1).tolist()
        self.yaw_rad += np.abs(wrap_angle(boxes[:, 6] - others[:, 6])).tolist()
        self.score += np.abs(reference.scores[a] - answer.scores[b]).astype(np.float64).tolist()

    @property
    def unmatched_share(self) -> float:
        """Of all boxes of both sides."""
        return self.unmatched / max(self.reference + self.answered, 1)


@dataclass(kw_only=True)
class Parity:
    """What came of a comparison.

    Attributes:
        tolerance: what it is held to.
        answers: how many were compared, frames times subsets.
        tensors: by output.
        boxes: after decoding.
    """

    tolerance: Tolerance
    answers: int = 0
    tensors: dict[str, TensorDifference] = field(default_factory=dict)
    boxes: BoxDifference = field(default_factory=BoxDifference)

    def outside(self) -> list[str]:
        """What is out of tolerance, a line each; empty: all is well."""
        limit, found = self.tolerance, []
        if limit.tensor is not None:
            found += [f"{name}: differs by {t.largest:.2e} ({t.worst}), expected at most {limit.tensor:.0e}"
                      for name, t in self.tensors.items() if not t.largest <= limit.tensor]
        if self.boxes.unmatched_share > limit.unmatched:
            found.append(f"detections: {self.boxes.unmatched} of {self.boxes.reference} + {self.boxes.answered} without a partner (first:"
                         f" {self.boxes.worst}), expected at most {limit.unmatched:.0%}")
        summary, kind = (np.max, "largest") if limit.tensor is not None else (np.mean, "mean")
        for name in ("centre_m", "size_m", "score"):
            values, most = getattr(self.boxes, name), getattr(limit, name)
            if values and not summary(values) <= most:
                found.append(f"detections: {kind} {name} difference {summary(values):.2e}, expected at most {most:.0e}")
        return found


def sensor_subsets(cameras: int, *, every: bool) -> list[tuple[bool, ...]]:
    """Which sensors are there, cameras in rig order and the LiDAR last.

    Args:
        cameras: of the rig.
        every: all `2 ** (cameras + 1)` subsets; else all sensors, one kind alone, each camera lost, and none.
    """
    if every:
        return list(product((True, False), repeat=cameras + 1))
    chosen = [(True,) * cameras + (True,), (False,) * cameras + (True,), (True,) * cameras + (False,)]
    chosen += [tuple(other != lost for other in range(cameras)) + (True,) for lost in range(cameras)]
    return list(dict.fromkeys([*chosen, (False,) * (cameras + 1)]))


@torch.inference_mode()
def compare(reference: Backend, engine: Backend, frames: Iterable[SensorSet], subsets: Sequence[tuple[bool, ...]],
            tolerance: Tolerance) -> Parity:
    """Answer every frame with every subset of its sensors by both.

    Args:
        reference: the checkpoint, in eager torch.
        engine: the exported model; its camera slots are used for both.
        frames: of one rig.
        subsets: as `sensor_subsets` gives them; a flag for each camera of the rig, then the LiDAR.
    """
    config, names = engine.config.network, output_names(engine.config)
    parity = Parity(tolerance=tolerance, tensors={name: TensorDifference() for name in names})
    perceiver = Perceiver(engine)
    for frame in frames:
        batch = perceiver.batch(frame)
        for subset in subsets:
            where = f"{frame.token or 'frame'} with {subset_name(frame, subset)}"
            inputs = prepare_inputs(config, _only(batch, subset))
            answers = []
            for backend in (reference, engine):
                output: Output = backend(inputs)
                tensors = {name: tensor.cpu() for name, tensor in zip(names, outputs_of(output), strict=True)}
                answers.append((tensors, decode_output(config, output, inputs)[0]))
            (wanted, boxes), (found, other_boxes) = answers
            if isinstance(output, QueryOutput):
                found = in_order_of(wanted, found)
            if any(subset) or not isinstance(output, QueryOutput):  # without any sensor, queries start from rounding alone
                for name in names:
                    parity.tensors[name].add(wanted[name], found[name], where)
            parity.boxes.add(boxes, other_boxes, tolerance.min_score, where)
            parity.answers += 1
    return parity


def in_order_of(reference: Mapping[str, Tensor], answer: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A query decoder's outputs with the queries in the reference's order: they are a set, and seeds that score alike may change places."""
    a, b = (torch.cat([side["boxes"][0, -1].double(), side["logits"][0, -1].double(), side["heat"][0].double()], dim=1)
            for side in (reference, answer))
    _, order = linear_sum_assignment(torch.cdist(a, b, p=1).nan_to_num(nan=1e9).clamp(max=1e9).numpy())
    return {name: tensor[:, order] if name in ("labels", "valid", "heat") else tensor[:, :, order] for name, tensor in answer.items()}


def parity_table(parity: Parity) -> str:
    """A markdown table: outputs, then what became of the boxes."""
    rows = [["", "largest difference", "mean difference"]]
    rows += [[name, f"{t.largest:.2e}", f"{t.total / max(t.elements, 1):.2e}"] for name, t in parity.tensors.items()]
    boxes = parity.boxes
    for title, values in (("centre, m", boxes.centre_m), ("size, m", boxes.size_m), ("yaw, rad", boxes.yaw_rad), ("score", boxes.score)):
        rows.append([f"detections: {title}", *(["-", "-"] if not values else [f"{np.max(values):.2e}", f"{np.mean(values):.2e}"])])
    least = parity.tolerance.min_score
    return (f"{aligned(rows)}\n\n{parity.answers} answers; detections{f' from score {least:g} on' if least else ''}: checkpoint {boxes.reference},"
            f" engine {boxes.answered}, {len(boxes.score)} pairs, {boxes.unmatched} without a partner ({boxes.unmatched_share:.1%})")


def subset_name(frame: SensorSet, subset: Sequence[bool]) -> str:
    """The sensors of a subset by name, joined by +."""
    names = [name for name, there in zip((*frame.cameras, frame.lidar_name), subset, strict=True) if there]
    return "+".join(names) or "no sensor"


def _only(batch: SensorBatch, subset: tuple[bool, ...]) -> SensorBatch:
    *cameras, lidar = subset
    lost = torch.zeros_like(batch.camera_ok)
    lost[0, :len(cameras)] = ~torch.tensor(cameras, dtype=torch.bool)
    return batch.drop(cameras=lost, lidar=torch.tensor([not lidar]))


def _pairs(reference: RawDetections, answer: RawDetections) -> list[tuple[int, int]]:
    free = np.ones(len(answer), bool)
    pairs = []
    for index in range(len(reference)):
        distance = np.linalg.norm(answer.boxes[:, :2].astype(np.float64) - reference.boxes[index, :2], axis=1)
        distance[~free | (answer.labels != reference.labels[index])] = np.inf
        if len(distance) and distance.min() <= PAIR_WITHIN_M:
            free[distance.argmin()] = False
            pairs.append((index, int(distance.argmin())))
    return pairs
