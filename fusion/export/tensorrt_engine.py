"""A TensorRT engine from an ONNX graph.

The network is strongly typed: every tensor has the type that the graph gives it, so that FP16 and INT8 are properties of the graph (FP16
tensors, pairs of QuantizeLinear and DequantizeLinear), and not wishes that a builder may ignore.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import onnx
import torch

from fusion.errors import UserError
from fusion.export.manifest import Precision
from fusion.export.onnx_export import METADATA_KEY
from fusion.export.tensorrt_api import load_tensorrt, recording_logger

CAPABILITIES = ("SM80", "SM86", "SM89", "SM120", "SM121")
"""Compute capabilities that tensorrt_rtx 1.7 builds for ahead of time, Ampere and later. It has neither Jetson's SM87 and SM110, nor the SM90
of H100. Turing's SM75 it has as well, but that refuses matrix products in FP32."""

USUAL_PILLARS = 4000
"""What an engine is tuned for: sweeps of a 32-beam LiDAR fill 2,500-4,200 pillars of `nano`'s grid (nuScenes, and the simulator)."""

Shape: TypeAlias = tuple[int, ...]
Profile: TypeAlias = Mapping[str, tuple[Shape, Shape, Shape]]
"""Smallest, usual and largest shape of every input of variable size."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What came of parsing and building.

    Attributes:
        data: the engine; None if refused.
        stage: where it ended.
        messages: errors, in order.
        node: number of the node that the parser stopped at; -1 if it did not say.
        build: builder, its version, flags, capabilities and profile, for the manifest.
    """

    data: bytes | None
    stage: Literal["parse", "build"]
    messages: tuple[str, ...] = ()
    node: int = -1
    build: dict[str, Any] = field(default_factory=dict)


def load_onnx(path: Path) -> onnx.ModelProto:
    """The graph with its weights; UserError where it is none."""
    try:
        return onnx.load(str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected an ONNX graph written by `bevduet export --format onnx`") from None
    except Exception as error:  # protobuf's DecodeError, and onnx's own for missing weight files
        raise UserError(f"{path}: not a readable ONNX graph ({error}); export it again") from None


def profile_of(model: onnx.ModelProto) -> Profile:
    """Shapes between which the engine works: from one pillar up to as many as the LiDAR grid has cells, or a sweep has points."""
    most = _most_pillars(model)
    usual = min(USUAL_PILLARS, most)
    constant = {item.name for item in model.graph.initializer}
    profile: dict[str, tuple[Shape, Shape, Shape]] = {}
    for port in model.graph.input:
        sizes = [dim.dim_value for dim in port.type.tensor_type.shape.dim]
        if port.name not in constant and 0 in sizes:
            least_shape, usual_shape, most_shape = (tuple(size or pillars for size in sizes) for pillars in (1, usual, most))
            profile[port.name] = (least_shape, usual_shape, most_shape)
    return profile


def _most_pillars(model: onnx.ModelProto) -> int:
    for item in model.metadata_props:
        if item.key == METADATA_KEY:
            config = json.loads(item.value)["model"]
            grid = config["network"]["grid"]
            cells = math.prod(round((grid[axis][1] - grid[axis][0]) / grid["cell_m"]) for axis in ("x_range_m", "y_range_m"))
            return int(min(cells, config["input"]["max_points"]))
    return 65536


def compile_graph(
    model: onnx.ModelProto, precision: Precision = "fp32", capabilities: tuple[str, ...] = CAPABILITIES, *, trt: Any = None,
    profile: Profile | None = None,
) -> Attempt:
    """Parse and build.

    Args:
        model: the graph; its types decide what is computed in what.
        precision: fp32 also keeps the tensor cores from rounding FP32 factors to TF32.
        capabilities: to build for; plain TensorRT builds for the GPU that is there, and reads none of them.
        trt: the module, None: `tensorrt_rtx`, which needs no GPU.
        profile: None: that of `profile_of`.

    Raises:
        UserError: a capability that the builder does not know.
    """
    trt = trt or load_tensorrt("tensorrt_rtx")
    profile = profile_of(model) if profile is None else profile
    logger = recording_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model.SerializeToString()):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        messages = tuple(str(error.desc()) for error in errors) or tuple(logger.messages)
        return Attempt(data=None, stage="parse", messages=messages, node=errors[0].node() if errors else -1)
    config = builder.create_builder_config()
    if profile:
        shapes = builder.create_optimization_profile()
        for name, (least, usual, most) in profile.items():
            shapes.set_shape(name, least, usual, most)
        config.add_optimization_profile(shapes)
    if precision == "fp32":
        config.clear_flag(trt.BuilderFlag.TF32)
    ahead = trt.__name__ == "tensorrt_rtx"
    if ahead:
        _set_capabilities(trt, config, capabilities)
    data = builder.build_serialized_network(network, config)
    built = {
        "builder": trt.__name__, "version": trt.__version__, "strongly_typed": True, "tf32": config.get_flag(trt.BuilderFlag.TF32),
        "capabilities": list(capabilities) if ahead else [_own_capability()],
        "profile": {name: [list(shape) for shape in shapes] for name, shapes in profile.items()},
    }
    return Attempt(data=None if data is None else bytes(data), stage="build", messages=tuple(logger.messages), build=built)


def _own_capability() -> str:
    if not torch.cuda.is_available():
        return "unknown"
    major, minor = torch.cuda.get_device_capability()
    return f"SM{major}{minor}"


def _set_capabilities(trt: Any, config: Any, capabilities: tuple[str, ...]) -> None:
    known = {name: value for name, value in trt.ComputeCapability.__members__.items() if name.startswith("SM")}
    unknown = [name for name in capabilities if name not in known]
    if unknown or not capabilities:
        raise UserError(f"capabilities: {', '.join(unknown) or 'none given'}; {trt.__name__} {trt.__version__} builds for {', '.join(known)}"
                        " (a Jetson's engine is built on the Jetson)")
    config.num_compute_capabilities = len(capabilities)
    for index, name in enumerate(capabilities):
        config.set_compute_capability(known[name], index)


def trtexec_arguments(model: onnx.ModelProto, precision: Precision, *, onnx_name: str, engine_name: str = "model.engine") -> list[str]:
    """The command that builds the same engine with TensorRT's own tool, as on a Jetson."""
    arguments = ["trtexec", f"--onnx={onnx_name}", f"--saveEngine={engine_name}", "--stronglyTyped", "--skipInference"]
    if precision == "fp32":
        arguments.append("--noTF32")
    profile = profile_of(model)
    for index, bound in enumerate(("min", "opt", "max")):
        if profile:
            arguments.append(f"--{bound}Shapes=" + ",".join(f"{name}:{'x'.join(map(str, shapes[index]))}" for name, shapes in profile.items()))
    return arguments
