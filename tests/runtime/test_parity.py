"""Engines answer as eager torch does, whichever sensors are there; and the comparison notices when they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from exported import Exported

from fusion.evaluate.parity import (
    TOLERANCES,
    BoxDifference,
    Parity,
    TensorDifference,
    compare,
    in_order_of,
    parity_table,
    sensor_subsets,
    subset_name,
)
from fusion.heads.decode import RawDetections
from fusion.inputs import NetInputs, Output
from fusion.model import ModelConfig
from fusion.runtime.backends.open import open_backend
from fusion.runtime.backends.protocol import Backend
from fusion.types import SensorSet


class Remembering:
    """A backend that answers each subset of the sensors of one frame once."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.config: ModelConfig = backend.config
        self.device, self.cameras = backend.device, backend.cameras
        self.answers: dict[tuple[bool, ...], Output] = {}

    def __call__(self, inputs: NetInputs) -> Output:
        key = (*inputs.camera_ok[0].tolist(), bool(inputs.lidar_ok[0]))
        if key not in self.answers:
            self.answers[key] = self.backend(inputs)
        return self.answers[key]

    def describe(self) -> str:
        return self.backend.describe()


@pytest.fixture(scope="module")
def reference(exported: Exported) -> Remembering:
    return Remembering(open_backend(str(exported.checkpoint)))


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_every_subset_of_the_sensors_of_a_real_frame(exported: Exported, reference: Remembering, real_frame: SensorSet, backend: str) -> None:
    engine = open_backend(str(exported.folder), backend, threads=1)  # type: ignore[arg-type]
    subsets = sensor_subsets(6, every=True)
    assert len(set(subsets)) == 2**7
    parity = compare(reference, engine, [real_frame], subsets, TOLERANCES["fp32"])
    assert parity.outside() == [] and parity.answers == 2**7
    assert max(t.largest for t in parity.tensors.values()) <= 1e-4 and min(t.elements for t in parity.tensors.values()) >= 2**7 * 64 * 64
    boxes = parity.boxes
    # Two cells beside each other that score alike may both be a peak, or either: of 65,616 boxes two.
    assert boxes.unmatched <= 4 and abs(boxes.reference - boxes.answered) <= boxes.unmatched and boxes.reference > 30_000
    assert len(reference.answers) == 2**7


def test_another_network_is_found_out(exported: Exported, reference: Remembering, real_frame: SensorSet) -> None:
    network = open_backend(str(exported.checkpoint)).network  # type: ignore[attr-defined]
    with torch.no_grad():
        network.head.box.bias += 0.01
    other = type(reference.backend)(network, reference.config)  # type: ignore[call-arg]
    parity = compare(reference, other, [real_frame], sensor_subsets(6, every=False)[:1], TOLERANCES["fp32"])
    outside = parity.outside()
    assert any(line.startswith("height: differs by 1.00e-02") and "CAM_FRONT+" in line for line in outside)
    assert any("largest centre_m" in line for line in outside) and not any("heatmap" in line for line in outside)


def raw(boxes: list[tuple[float, float]], labels: list[int], scores: list[float]) -> RawDetections:
    full = np.zeros((len(boxes), 9), np.float32)
    full[:, 3:6] = 1
    full[:, :2] = np.array(boxes).reshape(-1, 2)
    return RawDetections(boxes=full, scores=np.array(scores, np.float32), labels=np.array(labels), attributes=np.full(len(boxes), -1))


def test_boxes_are_paired_by_class_and_distance() -> None:
    difference = BoxDifference()
    difference.add(raw([(0, 0), (5, 0), (9, 9)], [0, 0, 1], [0.9, 0.8, 0.7]), raw([(5.1, 0), (0, 0.2), (9, 9)], [0, 0, 2], [0.9, 0.8, 0.7]), 0.1, "a")
    assert difference.centre_m == pytest.approx([0.2, 0.1]) and difference.score == pytest.approx([0.1, 0.1])
    assert (difference.reference, difference.answered, difference.unmatched, difference.worst) == (3, 3, 2, "a")
    assert difference.unmatched_share == pytest.approx(2 / 6)


def test_a_weak_box_needs_no_partner_but_may_be_one() -> None:
    difference = BoxDifference()
    difference.add(raw([(0, 0), (5, 0)], [0, 0], [0.11, 0.05]), raw([(0, 0), (9, 0)], [0, 0], [0.09, 0.02]), 0.1, "a")
    assert difference.unmatched == 0 and (difference.reference, difference.answered) == (1, 0) and len(difference.score) == 1
    difference.add(raw([], [], []), raw([(1, 1)], [0], [0.5]), 0.1, "b")
    assert difference.unmatched == 1 and difference.worst == "b"


def test_what_is_not_finite_is_infinitely_far_off() -> None:
    difference = TensorDifference()
    difference.add(torch.tensor([1.0, torch.inf]), torch.tensor([1.5, torch.inf]), "a")
    assert difference.largest == 0.5
    difference.add(torch.tensor([1.0]), torch.tensor([torch.nan]), "b")
    assert difference.largest == np.inf and difference.worst == "b"
    difference = TensorDifference()
    difference.add(torch.tensor([True, False]), torch.tensor([True, True]), "c")
    assert (difference.largest, difference.total, difference.elements) == (1.0, 1.0, 2)


def test_low_precision_is_held_to_means() -> None:
    parity = Parity(tolerance=TOLERANCES["int8"], tensors={"heatmap": TensorDifference(largest=9.0, elements=1)})
    parity.boxes = BoxDifference(reference=10, answered=10, unmatched=3, centre_m=[0.0, 0.19], size_m=[0.0], yaw_rad=[0.0], score=[0.0])
    assert parity.outside() == [] and "15.0%" in parity_table(parity)
    parity.boxes = replace(parity.boxes, unmatched=4, centre_m=[0.0, 0.3])
    assert len(parity.outside()) == 2


def test_chosen_subsets() -> None:
    frame = SensorSet.example(cameras=2)
    subsets = sensor_subsets(2, every=False)
    assert [subset_name(frame, s) for s in subsets] == [
        "CAM_0+CAM_1+LIDAR_TOP", "LIDAR_TOP", "CAM_0+CAM_1", "CAM_1+LIDAR_TOP", "CAM_0+LIDAR_TOP", "no sensor"]
    assert len(sensor_subsets(1, every=False)) == 4  # the camera lost is the LiDAR alone


def test_queries_are_a_set() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = {"labels": (1, 5), "valid": (1, 5), "heat": (1, 5, 3), "logits": (1, 1, 5, 3), "boxes": (1, 1, 5, 10), "direction": (1, 1, 5, 2)}
    wanted = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    order = torch.tensor([3, 0, 4, 1, 2])
    found = {name: tensor.index_select(tensor.dim() - (1 if name in ("labels", "valid") else 2), order) for name, tensor in wanted.items()}
    found["boxes"][0, 0, 0] += 1e-3
    again = in_order_of(wanted, found)
    assert all(torch.equal(again[name], tensor) for name, tensor in wanted.items() if name != "boxes")
    assert float((again["boxes"] - wanted["boxes"]).abs().max()) == pytest.approx(1e-3, rel=1e-3)
