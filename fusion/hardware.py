"""What the program runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch


def hardware() -> dict[str, Any]:
    """What times were measured on."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": _cpu_name(), "cpus": usable, "instructions": torch.backends.cpu.get_cpu_capability(), "torch_threads": torch.get_num_threads(),
            "torch": torch.__version__, "gpu": gpu}


def computes_bf16(device: torch.device | str) -> bool:
    """Whether bfloat16 is arithmetic of the device (`cpu` or `cuda`); elsewhere it is emulated, several times slower than float32."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return any(bool(able.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))  # x86, then Arm


def computes_int8() -> bool:
    """Whether the processor adds up products of 8-bit numbers in 32 bits; where it has none of these instructions, engines add pairs of them up in
    16 bits, which saturates, so that INT8 answers are off where weights and activations are large."""
    able = torch.cpu.get_capabilities()
    return any(bool(able.get(name)) for name in ("avx512_vnni", "avx_vnni", "amx_int8", "dot", "i8mm"))  # x86, then Arm


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
