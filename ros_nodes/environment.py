"""What must be in the environment before ROS 2 starts: where the pip wheels' libraries are, and transports fit for images.

Every entry point calls `prepare()` before its first `import rclpy`. Variables that the user has set are left alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

FASTDDS_PROFILE = Path(__file__).resolve().parent / "assets" / "fastdds.xml"
PREPARED = "BEVDUET_ROS_PREFIX"  # the installation that this process's environment was prepared for

# The C library and the loader read these when a process starts: setting them later changes nothing.
_READ_AT_START = ("LD_LIBRARY_PATH", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
_PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")  # the new name and the old


def has_wheels(prefix: Path | None = None) -> bool:
    """Whether ROS 2 comes from pip wheels in this Python's own prefix, not from a system-wide installation that was sourced."""
    return (prefix or Path(sys.prefix)).joinpath("lib", "librcl.so").exists() and os.environ.get("ROS_DISTRO", "") == ""


def required_variables(environment: Mapping[str, str], *, wheels: bool, prefix: Path | None = None) -> dict[str, str]:
    """The variables to add to or change in `environment` so that ROS 2 starts and carries images; empty if it is ready.

    Args:
        environment: the variables as they are.
        wheels: ROS 2 is installed as pip wheels, so its libraries and packages must be pointed at.
        prefix: where the wheels are; this Python's prefix unless given.
    """
    wanted: dict[str, str] = {}
    if wheels:
        prefix = prefix or Path(sys.prefix)
        site_packages = Path(sysconfig.get_path("purelib", vars={"base": str(prefix)}))
        libraries = [prefix / "lib", *sorted(site_packages.glob("ros_*.libs"))]
        wanted["LD_LIBRARY_PATH"] = _with_entries(environment.get("LD_LIBRARY_PATH", ""), libraries)
        wanted["AMENT_PREFIX_PATH"] = _with_entries(environment.get("AMENT_PREFIX_PATH", ""), [prefix])
        wanted["RMW_IMPLEMENTATION"] = environment.get("RMW_IMPLEMENTATION") or "rmw_fastrtps_cpp"
        wanted["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"  # or the wheels' own start-up hook would start Python once more
    if not any(environment.get(name) for name in _PROFILE_VARIABLES):
        wanted.update(dict.fromkeys(_PROFILE_VARIABLES, str(FASTDDS_PROFILE)))
    # Images are allocated and freed many times a second: kept in the heap, they do not go back to the system each time.
    wanted["MALLOC_MMAP_THRESHOLD_"] = environment.get("MALLOC_MMAP_THRESHOLD_") or str(32 << 20)
    wanted["MALLOC_TRIM_THRESHOLD_"] = environment.get("MALLOC_TRIM_THRESHOLD_") or str(512 << 20)
    wanted["OMP_WAIT_POLICY"] = environment.get("OMP_WAIT_POLICY") or "PASSIVE"  # spinning threads would starve the executor
    return {name: value for name, value in wanted.items() if environment.get(name) != value}


def prepare() -> None:
    """Set this process's environment for ROS 2; starts the process anew, once, where a variable is read only at the start.

    Call it first in `main`, before `import rclpy`, `import torch` and any output.
    """
    missing = required_variables(os.environ, wheels=has_wheels())
    os.environ.update(missing)
    if any(name in missing for name in _READ_AT_START) and os.environ.get(PREPARED) != sys.prefix:
        os.environ[PREPARED] = sys.prefix
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def ros_available() -> str | None:
    """None if ROS 2's Python library can be used here, else why not. Call it after `prepare()`."""
    if importlib.util.find_spec("rclpy") is None:
        return (f"rclpy is not installed for {sys.executable} (Python {sys.version_info.major}.{sys.version_info.minor}); "
                "tools/setup_env.sh installs it where wheels exist, and a full ROS 2 is used after sourcing its setup.bash")
    try:
        importlib.import_module("rclpy")
    except (ImportError, OSError) as error:  # OSError: a shared library was not found
        return f"rclpy is installed but cannot be imported: {error}"
    return None


def _with_entries(path: str, entries: list[Path]) -> str:
    """`path` with those of `entries` it lacks in front."""
    parts = [part for part in path.split(os.pathsep) if part]
    return os.pathsep.join([*(str(entry) for entry in entries if str(entry) not in parts), *parts])
