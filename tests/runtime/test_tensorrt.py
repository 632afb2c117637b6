"""The TensorRT backend: what can be said of an engine without a GPU, and its answers where there is one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from exported import Exported
from test_backends import assert_same

from fusion.errors import UserError
from fusion.export.manifest import Manifest, Port, read_manifest
from fusion.export.run import build_exported
from fusion.export.tensorrt_api import load_tensorrt, recording_logger
from fusion.runtime.backends.open import open_backend
from fusion.runtime.backends.tensorrt import TYPES, check_ports, deserialise
from fusion.runtime.perceiver import Perceiver
from fusion.types import SensorSet

trt = pytest.importorskip("tensorrt_rtx", reason="needs the extra \"tensorrt\"")


@pytest.fixture(scope="module")
def engine_folder(exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tensorrt") / "engine"
    build_exported(exported.folder, folder)
    return folder


@dataclass(frozen=True)
class Tensors:
    """The part of an engine that says what its tensors are; a real one cannot be opened without a GPU."""

    ports: dict[str, tuple[bool, str, tuple[int, ...]]]

    @property
    def num_io_tensors(self) -> int:
        return len(self.ports)

    def get_tensor_name(self, index: int) -> str:
        return list(self.ports)[index]

    def get_tensor_mode(self, name: str) -> Any:
        return trt.TensorIOMode.INPUT if self.ports[name][0] else trt.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return getattr(trt.DataType, self.ports[name][1])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.ports[name][2]


def test_every_call_exists() -> None:
    for owner, names in ((trt.ICudaEngine, [name for name in dir(Tensors) if "tensor" in name] + ["create_execution_context"]),
                         (trt.IExecutionContext, ["set_input_shape", "set_tensor_address", "execute_async_v3"]),
                         (trt.Runtime, ["deserialize_cuda_engine"]), (trt.DataType, list(TYPES.values()))):
        assert [name for name in names if not hasattr(owner, name)] == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
@pytest.mark.parametrize(("device", "says"), [("cpu", "model.engine is a TensorRT engine, which runs on a GPU; expected cuda"),
                                              ("cuda", "torch sees no CUDA device here, and model.engine is a TensorRT engine")])
def test_without_a_gpu(engine_folder: Path, device: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        open_backend(str(engine_folder), device=device)


@pytest.mark.parametrize(("damage", "says"), [(lambda data: data[:-1000], "Serialization"), (lambda data: b"x" * 2000, "magicTag"),
                                              (lambda data: b"", "empty memory buffer")])
def test_a_damaged_engine_is_refused_with_tensorrts_reason(engine_folder: Path, tmp_path: Path, damage: Any, says: str) -> None:
    """Past the checksum of the manifest, which would have told before."""
    manifest, path = read_manifest(engine_folder)
    bad = tmp_path / "bad.engine"
    bad.write_bytes(damage(path.read_bytes()))
    logger = recording_logger(trt)
    with pytest.raises(UserError, match=rf"bad.engine: made by tensorrt_rtx {trt.__version__} for SM80, .*{says}.*export it again"):
        deserialise(trt.Runtime(logger), logger, bad, manifest)


def test_tensors_are_compared_with_the_manifest(engine_folder: Path) -> None:
    manifest = replace(read_manifest(engine_folder)[0], inputs=(Port(name="rows", shape=("pillars", 4), dtype="float32"),),
                       outputs=(Port(name="heat", shape=(1, 2), dtype="bool"),))
    good = {"rows": (True, "FLOAT", (-1, 4)), "heat": (False, "BOOL", (1, 2))}
    check_ports(trt, Tensors(good), manifest, Path("a.engine"))
    for changes, says in (({"rows": (True, "HALF", (-1, 4))}, r"rows: the manifest says \('FLOAT', \(-1, 4\)\), the engine \('HALF'"),
                          ({"rows": (True, "FLOAT", (9, 4))}, "rows: .* the engine .*9, 4"), ({"more": (True, "FLOAT", (1,))}, "more: .* says None"),
                          ({"heat": (True, "BOOL", (1, 2))}, "heat: the manifest says None")):
        with pytest.raises(UserError, match=f"a.engine: {says}.*export it again"):
            check_ports(trt, Tensors(good | changes), manifest, Path("a.engine"))


def test_another_builder_is_asked_for_by_name(engine_folder: Path) -> None:
    manifest: Manifest = read_manifest(engine_folder)[0]
    assert load_tensorrt(manifest.build["builder"]) is trt
    with pytest.raises(UserError, match="builder 'tvm': expected tensorrt or tensorrt_rtx"):
        load_tensorrt("tvm")  # type: ignore[arg-type]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="runs on a CUDA device, and there is none")
def test_answers_as_torch_does(engine_folder: Path, exported: Exported, real_frame: SensorSet) -> None:
    engine = Perceiver(open_backend(str(engine_folder), device="cuda"))
    torch_perceiver = Perceiver(open_backend(str(exported.checkpoint), device="cuda"))
    for frame in (real_frame, real_frame.without("LIDAR_TOP"), real_frame.without(*real_frame.cameras)):
        assert_same(engine.perceive(frame), torch_perceiver.perceive(frame))
