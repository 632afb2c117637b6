"""bfloat16 is chosen where the hardware computes it, and slow choices are named."""

from __future__ import annotations

import pytest
import torch

from fusion.hardware import computes_bf16
from fusion.train.precision import decided, told


@pytest.mark.parametrize(("able", "expected"), [
    ({"architecture": "x86_64", "avx2": True, "avx512_f": True, "avx512_bf16": False}, "32-true"), ({"avx512_bf16": True}, "bf16-mixed"),
    ({"amx_bf16": True}, "bf16-mixed"), ({"architecture": "arm64", "neon": True, "bf16": True}, "bf16-mixed"), ({"neon": True}, "32-true")])
def test_auto_asks_the_processor(monkeypatch: pytest.MonkeyPatch, able: dict[str, object], expected: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert decided("auto", "cpu") == expected and computes_bf16("cpu") == (expected == "bf16-mixed")
    assert decided("32-true", "cpu") == "32-true" and decided("bf16-mixed", "cpu") == "bf16-mixed"  # who asks, gets it
    assert ("warning" in told("bf16-mixed", "cpu")) == (expected == "32-true") and told("32-true", "cpu") == "computing in float32"


def test_the_names_that_are_asked_for_are_those_of_this_processor() -> None:
    able = torch.cpu.get_capabilities()
    assert ("avx512_bf16" in able and "amx_bf16" in able) if able["architecture"] == "x86_64" else "bf16" in able
