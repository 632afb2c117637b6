"""tools/setup_env.sh where ROS 2 cannot be: the rest is set up, and it says what is missing. Nothing is installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
NO_WHEELS = "ERROR: No matching distribution found for ros-rclpy==7.1.6"
NEEDED = ["bash", "cat", "cut", "dirname", "env", "find", "id", "mktemp", "sha256sum", "sort", "uname", "xargs"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts, a stand-in for the environment's Python that only notes what it is asked for, and a PATH without build tools."""
    for path in ("tools/setup_env.sh", "tools/constraints.txt", "setup.py", "package.xml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(REPO / path, tmp_path / path)
    shutil.copytree(REPO / "tools/ros_interfaces", tmp_path / "tools/ros_interfaces")
    script(tmp_path / "tools/build_ros_interfaces.sh", "echo built")
    script(tmp_path / ".venv/bin/python", 'echo "$*" >>asked; case "$*" in *"[ros]"*) echo "${ROS_ANSWER:-}" >&2; exit "${ROS_CODE:-0}";; esac\n'
                                          'case "$*" in *sysconfig*) echo /nowhere;; esac  # where its headers and packages would be')
    for name in NEEDED:
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    script(tmp_path / "bin/python3", f'exec "{sys.executable}" "$@"')
    script(tmp_path / "bin/sudo", 'exec "$@"')
    return tmp_path


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
    path.chmod(0o755)


def set_up(checkout: Path, **environment: str) -> tuple[int, str]:
    """Exit code and everything that the script said."""
    environment = {"PATH": str(checkout / "bin"), "HOME": os.environ.get("HOME", "/"), **environment}
    done = subprocess.run([str(checkout / "tools/setup_env.sh")], env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.returncode, done.stdout


def test_without_wheels_the_rest_is_complete(checkout: Path) -> None:
    code, said = set_up(checkout, ROS_ANSWER=NO_WHEELS, ROS_CODE="1")
    assert code == 0
    assert f"no ROS 2 here: no ROS 2 wheels exist for Python {sys.version_info.major}.{sys.version_info.minor} on Linux" in said
    assert "built" not in said
    assert ".[test," in (checkout / "asked").read_text()
    assert set_up(checkout) == (0, "")  # up to date: it does nothing


def test_another_failure_of_the_wheels_is_an_error(checkout: Path) -> None:
    code, said = set_up(checkout, ROS_ANSWER="ERROR: network unreachable", ROS_CODE="1")
    assert code == 1
    assert "network unreachable" in said
    assert not (checkout / ".venv/.bevduet-stamp").exists()


def test_missing_build_tools_are_installed_with_apt(checkout: Path) -> None:
    tools = "; ".join(f"cp /bin/true {checkout}/bin/{name}" for name in ("cmake", "make", "c++"))
    script(checkout / "bin/apt-get", f'if [ "$1" = install ]; then PATH=/usr/bin:/bin; {tools}; fi')
    code, said = set_up(checkout)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert code == 0, said
    assert f"installing the system packages cmake make g++ python{version}-dev with apt" in said
    assert said.endswith("built\n")
    assert set_up(checkout) == (0, "")


def test_without_apt_it_says_what_to_install_and_tries_again_when_it_is_there(checkout: Path) -> None:
    script(checkout / "bin/apt-get", "exit 1")
    code, said = set_up(checkout)
    assert code == 0
    assert "could not install cmake make g++" in said and "vision_msgs and tf2_msgs are not built" in said
    assert set_up(checkout) == (0, "")
    for name in ("cmake", "make", "c++"):
        script(checkout / "bin" / name, "exit 0")
    assert "setting up" in set_up(checkout)[1]


def test_the_builder_is_executable_and_parses() -> None:
    builder = REPO / "tools/build_ros_interfaces.sh"
    assert os.access(builder, os.X_OK)
    subprocess.run(["bash", "-n", str(builder)], check=True)
