"""A model by name or file, and the backend that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch

from fusion.errors import UserError
from fusion.export.manifest import MANIFEST, read_manifest, sha256
from fusion.hardware import computes_bf16
from fusion.model import ModelConfig
from fusion.runtime.backends.names import BACKENDS, BackendName
from fusion.runtime.backends.protocol import Backend

RUNS: Mapping[str, tuple[BackendName, ...]] = {
    "checkpoint": ("torch", "compile"), "onnx": ("onnxruntime", "openvino"), "openvino": ("openvino",), "tensorrt": ("tensorrt",)}
"""What can run each kind of model, the first unless asked otherwise."""

ENGINE_SUFFIXES = (".onnx", ".xml", ".bin", ".engine", ".plan")


def is_exported(model: str) -> bool:
    """Whether `--model` names an exported folder or a file in it, and not shipped weights or a checkpoint."""
    path = Path(model)
    return path.suffix in ENGINE_SUFFIXES or path.name == MANIFEST or ("/" in model and path.is_dir()) or (path / MANIFEST).is_file()


def is_shipped(model: str) -> bool:
    """Whether `--model` names weights that come with the package, a copy of them, or what was exported from them.

    These learnt from simulation, which a nuScenes submission has to tell. UserError for a name or an exported model that does not exist.
    """
    from fusion.checkpoint import resolve_model, shipped_models

    if is_exported(model):
        checksum = read_manifest(Path(model))[0].checkpoint_sha256
    else:
        path = resolve_model(model)
        if not path.is_file():
            return False
        checksum = sha256(path)
    return checksum in {sha256(resolve_model(name)) for name in shipped_models()}


def open_backend(model: str, backend: BackendName | None = None, *, device: str = "cpu", threads: int = 0, bf16: bool = False,
                 config: ModelConfig | None = None) -> Backend:
    """Ready to answer.

    Args:
        model: name of shipped weights, a .safetensors file, or a folder that `bevduet export` wrote, or the engine's file in it.
        backend: what runs it; None: what the model is made for.
        device: cpu, or cuda or cuda:N where the backend can.
        threads: of the network, and of torch on the host, on the CPU; 0: as many as the backend chooses.
        bf16: compute in bfloat16 where backend and CPU can.
        config: of a checkpoint, in place of the one beside its weights.

    Raises:
        UserError: no such model, damaged or stale files, a backend that does not run this kind of model, is not installed or has not got
            the device.
    """
    if threads < 0:
        raise UserError(f"threads: expected 0 (the backend chooses) or more, got {threads}")
    if threads:
        torch.set_num_threads(threads)
    if not is_exported(model):
        return _of_checkpoint(model, _chosen(model, "checkpoint", backend), device, bf16, config)
    manifest, path = read_manifest(Path(model))
    name = _chosen(model, manifest.format, backend)
    if config is not None:
        raise UserError(f"config: {model} is an exported model, which has its config inside; give a checkpoint, or leave the config away")
    if bf16 and name != "openvino":
        raise UserError(f"--bf16: backend {name} has no such choice; expected torch, compile or openvino")
    if device != "cpu" and name == "openvino":
        raise UserError(f"--device {device}: backend openvino runs on the CPU here; expected cpu")
    match name:  # an engine's module is imported when it is asked for: each is heavy, and may be missing
        case "onnxruntime":
            from fusion.runtime.backends.onnx_runtime import OnnxRuntimeBackend

            return OnnxRuntimeBackend(path, manifest, device=device, threads=threads)
        case "openvino":
            from fusion.runtime.backends.openvino import OpenVinoBackend

            return OpenVinoBackend(path, manifest, threads=threads, bf16=bf16)
        case _:
            from fusion.runtime.backends.tensorrt import TensorRTBackend

            return TensorRTBackend(path, manifest, device=device)


def open_spec(spec: str, *, threads: int = 0) -> Backend:
    """A backend named in one word, for benchmarks that compare several: `MODEL[@BACKEND][+bf16]`; UserError as `open_backend`."""
    model, backend, bf16 = split_spec(spec)
    return open_backend(model, backend, threads=threads, bf16=bf16)


def split_spec(spec: str) -> tuple[str, BackendName | None, bool]:
    """`MODEL[@BACKEND][+bf16]` as model, backend and bf16; UserError for an unknown backend."""
    name = spec.removesuffix("+bf16")
    model, _, backend = name.rpartition("@") if "@" in name else (name, "", "")
    if backend and backend not in BACKENDS:
        raise UserError(f"{spec}: backend {backend!r}: expected one of {', '.join(BACKENDS)}")
    return model, cast("BackendName", backend) if backend else None, name != spec


def _chosen(model: str, kind: str, backend: BackendName | None) -> BackendName:
    if backend is not None and backend not in RUNS[kind]:
        what = "a checkpoint" if kind == "checkpoint" else f"an exported model of format {kind}"
        hint = "; export it first with `bevduet export`" if kind == "checkpoint" else ""
        raise UserError(f"backend {backend}: does not run {model}, {what}; expected {' or '.join(RUNS[kind])}{hint}")
    return backend or RUNS[kind][0]


def _of_checkpoint(model: str, backend: BackendName, device: str, bf16: bool, given: ModelConfig | None) -> Backend:
    from fusion.checkpoint import load_checkpoint, resolve_model
    from fusion.runtime.backends.torch_eager import TorchBackend

    if bf16 and not computes_bf16(device):
        raise UserError(f"--bf16: this {device} computes no bfloat16; leave it away")
    network, config = load_checkpoint(resolve_model(model), given)
    if backend == "compile":
        from fusion.runtime.backends.torch_compiled import CompiledBackend

        return CompiledBackend(network, config, device=device, bf16=bf16)
    return TorchBackend(network, config, device=device, bf16=bf16)
