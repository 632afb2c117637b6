"""The environment that ROS 2 needs: what is added, what the user set, and one new start where a variable is read only then."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ros_nodes import environment
from ros_nodes.environment import FASTDDS_PROFILE, PREPARED, has_wheels, prepare, required_variables, ros_available

SEGMENT_BYTES = 32 << 20


def test_nothing_is_missing_once_everything_is_set(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    added = required_variables({"LD_LIBRARY_PATH": "/mine", "AMENT_PREFIX_PATH": "/ws"}, wheels=True, prefix=tmp_path)
    assert added["LD_LIBRARY_PATH"] == f"{tmp_path / 'lib'}:/mine"
    assert added["AMENT_PREFIX_PATH"] == f"{tmp_path}:/ws"
    assert added["RMW_IMPLEMENTATION"] == "rmw_fastrtps_cpp"
    assert added["FASTDDS_DEFAULT_PROFILES_FILE"] == added["FASTRTPS_DEFAULT_PROFILES_FILE"] == str(FASTDDS_PROFILE)
    assert (added["MALLOC_MMAP_THRESHOLD_"], added["MALLOC_TRIM_THRESHOLD_"], added["OMP_WAIT_POLICY"]) == ("33554432", "536870912", "PASSIVE")
    assert required_variables(added, wheels=True, prefix=tmp_path) == {}


def test_libraries_packed_into_the_wheels_are_found(tmp_path: Path) -> None:
    site = tmp_path / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    for name in ("ros_rcl.libs", "ros_fastrtps.libs", "numpy.libs"):
        (site / name).mkdir(parents=True)
    added = required_variables({}, wheels=True, prefix=tmp_path)
    assert added["LD_LIBRARY_PATH"].split(":") == [str(tmp_path / "lib"), str(site / "ros_fastrtps.libs"), str(site / "ros_rcl.libs")]


def test_the_users_settings_stay() -> None:
    mine = {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp", "FASTRTPS_DEFAULT_PROFILES_FILE": "/mine.xml", "OMP_WAIT_POLICY": "ACTIVE",
            "MALLOC_MMAP_THRESHOLD_": "1", "MALLOC_TRIM_THRESHOLD_": "2"}
    assert set(required_variables(mine, wheels=True)) <= {"LD_LIBRARY_PATH", "AMENT_PREFIX_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE"}
    assert required_variables(mine, wheels=False) == {}


def test_a_sourced_ros_is_not_mixed_with_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    assert not has_wheels(tmp_path)
    (tmp_path / "lib/librcl.so").touch()
    assert has_wheels(tmp_path)
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    assert not has_wheels(tmp_path)


def test_the_profile_gives_images_32_mb_and_keeps_udp() -> None:
    tags = {element.tag.split("}")[1]: element.text for element in ElementTree.parse(FASTDDS_PROFILE).getroot().iter()}
    assert int(tags["segment_size"] or 0) == SEGMENT_BYTES
    kinds = [element.text for element in ElementTree.parse(FASTDDS_PROFILE).getroot().iter() if element.tag.endswith("}type")]
    assert kinds == ["SHM", "UDPv4"]


def run_bare(tmp_path: Path, text: str, *arguments: str) -> list[str]:
    """Lines that a script prints in an environment without any of our variables."""
    script = tmp_path / "script.py"
    script.write_text(text)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    done = subprocess.run([sys.executable, "-X", "utf8", str(script), *arguments], env=kept, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_process_is_started_anew_once_with_its_arguments(tmp_path: Path) -> None:
    text = ("import os, sys\nfrom ros_nodes.environment import *\nprint('start', os.getpid(), flush=True)\nprepare()\nprepare()\n"
            f"print(sys.argv[1:], sys.flags.utf8_mode, os.environ['{PREPARED}'] == sys.prefix, required_variables(os.environ, wheels=has_wheels()))")
    first, again, arguments = run_bare(tmp_path, text, "--ros-args", "-p", "rate:=2.0")
    assert first == again and first.startswith("start ")  # the same process: a supervisor keeps its child
    assert arguments == "['--ros-args', '-p', 'rate:=2.0'] 1 True {}"


def test_a_prepared_process_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_new_start(*_: object) -> None:
        raise AssertionError("started anew")

    monkeypatch.setattr(os, "execv", no_new_start)
    prepare()
    monkeypatch.setenv(PREPARED, sys.prefix)
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_")
    prepare()  # a variable is missing again; one new start was enough
    assert os.environ["MALLOC_TRIM_THRESHOLD_"] == "536870912"


def test_why_there_is_no_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "rclpy is not installed" in str(ros_available())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())

    def broken(name: str) -> None:
        raise ImportError("librcl.so: cannot open shared object file")

    monkeypatch.setattr(environment.importlib, "import_module", broken)
    assert str(ros_available()) == "rclpy is installed but cannot be imported: librcl.so: cannot open shared object file"
