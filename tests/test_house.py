"""The house itself: style, types, packaging, scripts and the README's commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

REPO = Path(__file__).resolve().parent.parent
SCRIPTS = [".ci/run", "tools/test.sh", "tools/demo.sh", "tools/setup_env.sh", "tools/build_ros_interfaces.sh"]


def output(*command: str, **changes: str) -> str:
    done = subprocess.run(command, cwd=REPO, env=os.environ | changes, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ruff() -> None:
    output(sys.executable, "-m", "ruff", "check", "--no-cache", ".")


def test_mypy() -> None:
    output(sys.executable, "-m", "mypy")


def test_name_and_version_have_one_source() -> None:
    package = ElementTree.parse(REPO / "package.xml").getroot()
    probe = "import runpy, sys, setuptools; setuptools.setup = lambda **k: print(k['name'], k['version']);" \
            "runpy.run_path('setup.py'); assert not {'torch', 'fusion', 'numpy'} & set(sys.modules)"
    assert output(sys.executable, "-c", probe).split() == [package.findtext("name"), package.findtext("version")]
    assert f"## {package.findtext('version')}" in (REPO / "CHANGELOG.md").read_text()


def test_versions_are_pinned_in_one_place() -> None:
    assert not re.search(r"[\"'][\w-]+(==|>=|<=|~=)\d", (REPO / "setup.py").read_text().replace('python_requires=">=', ""))
    pins = [line for line in (REPO / "tools/constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"[\w-]+==[\w.]+", line) for line in pins)


def test_rosdep_is_asked_for_what_the_nodes_use() -> None:
    """torch, numba and the like are not asked of it: README says how they come from PyPI."""
    package = ElementTree.parse(REPO / "package.xml").getroot()
    keys = {element.text for tag in ("depend", "exec_depend") for element in package.iter(tag)}
    assert {"rclpy", "launch_ros", "rviz2", "python3-numpy", "python3-opencv", "python3-scipy", "python3-yaml"} <= keys
    block = next(block for block in re.findall(r"```\n(.*?)```", (REPO / "README.md").read_text(), re.S) if "rosdep install" in block)
    steps = [block.index(step) for step in ("venv --system-site-packages", "COLCON_IGNORE", "venv/bin/activate", "pip install", "-m colcon build")]
    assert steps == sorted(steps)


def test_ament_marker_carries_the_package_name() -> None:
    assert (REPO / "resource" / "bevduet").is_file()
    assert "pytest" in (REPO / "setup.py").read_text().split("extras_require")[1]  # without it `colcon test` runs nothing


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_executable_and_parse(script: str) -> None:
    assert os.access(REPO / script, os.X_OK)
    output("bash", "-n", script)


def test_demo_script_sets_up_and_passes_its_arguments_on(tmp_path: Path) -> None:
    for path, text in {"tools/demo.sh": (REPO / "tools/demo.sh").read_text(), "tools/setup_env.sh": "#!/bin/sh\necho set up\n",
                       ".venv/bin/bevduet": '#!/bin/sh\nprintf "%s|" "$@"\n'}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        (tmp_path / path).chmod(0o755)
    assert output(str(tmp_path / "tools/demo.sh"), "--out", "a folder").splitlines() == ["set up", "demo|--out|a folder|"]
