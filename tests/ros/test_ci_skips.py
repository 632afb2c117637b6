"""Tests for lack of ROS 2 are skipped on a developer's machine, and fail in CI: else they would vanish without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
MODULES = {
    "test_module": 'import pytest\npytest.importorskip("rclpy_of_nowhere", reason="rclpy is not installed")\n',
    "test_inside": 'import pytest\ndef test_it():\n    pytest.skip("vision_msgs is not built")\n',
    "test_other": 'import pytest\ndef test_it():\n    pytest.skip("real sensor data not found")\n',
}


@pytest.mark.parametrize(("ci", "summary"), [("", "3 skipped"), ("true", "1 failed, 1 skipped, 1 error")])
def test_a_skip_for_lack_of_ros_is_a_failure_in_ci(tmp_path: Path, ci: str, summary: str) -> None:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-c", os.devnull, "--rootdir", str(tmp_path), "--noconftest",
               "--continue-on-collection-errors", str(tmp_path)]
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    done = subprocess.run(command, env=os.environ | {"CI": ci, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert summary in done.stdout and ("rclpy is not installed; with CI set it must be" in done.stdout) == bool(ci), done.stdout + done.stderr
