"""Engines are imported when they are asked for, and tell nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fusion.errors import UserError
from fusion.export.packages import engine_module


def test_openvino_reports_nothing(tmp_path: Path) -> None:
    """In a process of its own, of a person who never said no, and not of a test runner."""
    pytest.importorskip("openvino", reason="openvino is not installed (extra edge)")
    code = "from fusion.export.packages import engine_module as m; print(type(m('openvino').tools.ovc.telemetry).__module__)"
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")} | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "openvino.tools.ovc.telemetry_stub", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_installed_and_broken_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libonnxruntime.so: cannot open shared object file')\n")
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"onnxruntime: is installed, but cannot be imported: libonnxruntime\.so"):
        engine_module("onnxruntime")
