"""Which layers INT8 hurts: each alone in INT8 and all others in float, judged by the network's answers on frames that calibration did not see."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx

from fusion.export.calibration import Method, Ranges
from fusion.export.quantise import insert_qdq, kept_layers, layers_of

Answer: TypeAlias = Mapping[str, np.ndarray]
"""Outputs of a graph by name."""

BOX_MAPS = ("offset", "height", "log_size", "yaw")
BOX_CONFIDENCE = 0.1


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What quantising one layer alone does.

    Attributes:
        layer: its name.
        error: `answer_error`, mean over the frames.
        box_error: `box_error`, likewise.
    """

    layer: str
    error: float
    box_error: float


class Judge:
    """Quantises a graph in part and compares its answers with the float graph's.

    Args:
        source: the graph in float32.
        ranges: of every layer's activations.
        frames: held-out inputs, kept in memory.
        method: how a scale follows from the ranges.
    """

    def __init__(self, source: Path, ranges: Ranges, frames: Sequence[Mapping[str, np.ndarray]], method: Method) -> None:
        self.source, self.ranges, self.frames, self.method = source, ranges, frames, method
        model = onnx.load(source)
        self.layers = tuple(layers_of(model))
        self.reference = list(answers(model, frames))

    def errors(self, quantised: Collection[str]) -> tuple[float, float]:
        """Mean `answer_error` and mean `box_error` with these layers in INT8."""
        model = onnx.load(self.source)
        insert_qdq(model, self.ranges, self.method, [name for name in self.layers if name in set(quantised)])
        pairs = list(zip(self.reference, answers(model, self.frames), strict=True))
        return float(np.mean([answer_error(want, got) for want, got in pairs])), float(np.mean([box_error(want, got) for want, got in pairs]))

    def error(self, quantised: Collection[str]) -> float:
        """Mean `answer_error` with these layers in INT8."""
        return self.errors(quantised)[0]

    def error_without(self, keep: Collection[str]) -> float:
        """Mean error with every layer in INT8 but those that `keep` names."""
        kept = kept_layers(onnx.load(self.source), keep)
        return self.error([name for name in self.layers if name not in kept])

    def sweep(self) -> list[Sensitivity]:
        """Every layer, the worst first."""
        found = [Sensitivity(layer=name, error=error, box_error=box) for name in self.layers for error, box in [self.errors([name])]]
        return sorted(found, key=lambda one: -one.error)

    def keep_worst(self, ranked: Sequence[Sensitivity], tolerance: float) -> tuple[tuple[str, float], ...]:
        """Layers to keep, worst first, each with the error that is left then, until that is within the tolerance."""
        kept: list[tuple[str, float]] = []
        for one in ranked:
            if (kept[-1][1] if kept else self.error(self.layers)) <= tolerance:
                break
            names = [name for name, _ in kept] + [one.layer]
            kept.append((one.layer, self.error([name for name in self.layers if name not in names])))
        return tuple(kept)


def multiplications(model: onnx.ModelProto) -> dict[str, int]:
    """How many multiplications each layer takes, by its name: what quantising it can save."""
    sizes = {info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim]
             for info in (*onnx.shape_inference.infer_shapes(model).graph.value_info, *model.graph.output)}
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    return {name: int(np.prod(sizes[node.output[0]]) * np.prod(weights[node.input[1]][1:])) for name, node in layers_of(model).items()}


def answers(model: onnx.ModelProto, frames: Sequence[Mapping[str, np.ndarray]]) -> Iterator[Answer]:
    """What a graph answers in ONNX Runtime, Q/DQ pairs computed as written."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    read = {value.name for value in session.get_inputs()}
    names = [value.name for value in session.get_outputs()]
    for frame in frames:
        yield dict(zip(names, session.run(names, {name: values for name, values in frame.items() if name in read}), strict=True))


def answer_error(want: Answer, got: Answer) -> float:
    """Root mean square difference of the confidences, relative to their root mean square; by rank where a network answers in queries.

    Confidences are what decoding picks objects by: small in almost every cell, so that objects decide.
    """
    first, second = (_confidence(answer) for answer in (want, got))
    return float(np.sqrt(np.mean((first - second) ** 2) / max(float(np.mean(first**2)), 1e-12)))


def box_error(want: Answer, got: Answer) -> float:
    """Root mean square difference of centres (cells), heights (metres), logarithms of sizes and double angles where an object may be: in cells of
    a confidence above `BOX_CONFIDENCE`. 0 where there is none, and for a network that answers in queries, whose boxes are no maps.
    """
    if "heatmap" not in want:
        return 0.0
    there = _sigmoid(want["heatmap"]).max(axis=1) > BOX_CONFIDENCE
    squares = [((want[name] - got[name]) ** 2).transpose(0, 2, 3, 1)[there] for name in BOX_MAPS if name in want]
    return float(np.sqrt(np.concatenate(squares, axis=1).mean())) if squares and there.any() else 0.0


def _confidence(answer: Answer) -> np.ndarray:
    if "heatmap" in answer:
        return _sigmoid(answer["heatmap"])
    return np.sort(_sigmoid(answer["logits"]).max(axis=-1), axis=None)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    positive: np.ndarray = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return positive
