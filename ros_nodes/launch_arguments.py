"""What `bevduet launch` was asked for -> the command line of each node's process."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion.errors import UserError

BRINGUPS: Mapping[str, tuple[str, ...]] = {
    "fusion": ("fusion_node",),
    "fusion_with_tracker": ("fusion_node", "tracker_node"),
    "replay": ("fusion_node", "player_node"),
    "replay_with_tracker": ("fusion_node", "tracker_node", "player_node"),
}
"""What can be launched -> its nodes, in the order of their activation: the source of data comes last."""

SHORTCUTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "model": ("shipped weights by name, a .safetensors file, or an exported folder", ("fusion_node",)),
    "backend": ("what runs the model: torch, compile, onnxruntime, openvino or tensorrt", ("fusion_node",)),
    "dataroot": ("root folder of the nuScenes data set to replay", ("player_node",)),
    "version": ("its folder of tables, such as v1.0-mini", ("player_node",)),
    "scenes": ("its scenes, comma-separated", ("player_node",)),
    "bag": ("MCAP bag to replay instead of a data set", ("player_node",)),
    "rate": ("speed of the replay, 1.0 as recorded", ("player_node",)),
    "loop": ("true: start again at the end", ("player_node",)),
    "faults": ("script of sensor faults, a YAML file", ("player_node",)),
    "transport": ("raw or compressed images", ("player_node", "fusion_node")),
    "use_sim_time": ("true: time is that of /clock, as beside a simulator or `ros2 bag play --clock`", ("fusion_node", "tracker_node")),
}
"""Options that name a parameter -> what it is, and the nodes that have it."""

REPLAYED: Mapping[str, Mapping[str, str]] = {
    "player_node": {"clock": "true"}, "fusion_node": {"use_sim_time": "true"}, "tracker_node": {"use_sim_time": "true"}}
"""A replay has the clock of its recording."""

PARAMETER_MODULES = {"fusion_node": "ros_nodes.parameters", "player_node": "ros_nodes.player_settings", "tracker_node": "ros_nodes.tracker_settings"}
"""Where each node keeps PARAMETERS: name -> (default, description)."""


@dataclass(frozen=True, kw_only=True)
class NodePlan:
    """One node to run: its name in the ROS graph, and the command of its process."""

    name: str
    command: tuple[str, ...]


def node_values(what: str, shortcuts: Mapping[str, str | None]) -> dict[str, dict[str, str]]:
    """Node -> parameter -> value in YAML, for the nodes of a bring-up in their order.

    Args:
        what: a key of BRINGUPS.
        shortcuts: key of SHORTCUTS -> value, None where not given.

    Raises:
        UserError: a shortcut that no node of this bring-up has.
    """
    names = BRINGUPS[what]
    values: dict[str, dict[str, str]] = {name: dict(REPLAYED[name]) if "player_node" in names else {} for name in names}
    for key, value in shortcuts.items():
        if value is not None:
            owners = [name for name in SHORTCUTS[key][1] if name in names]
            if not owners:
                raise UserError(f"--{key.replace('_', '-')}: {what} has no {' or '.join(SHORTCUTS[key][1])}; it runs {', '.join(names)}")
            for name in owners:
                values[name][key] = value
    return values


def plan(what: str, shortcuts: Mapping[str, str | None], params: Sequence[str], params_files: Sequence[Path]) -> list[NodePlan]:
    """The nodes of a bring-up with their parameters; `params` win over shortcuts, and these over files.

    Args:
        what, shortcuts: see `node_values`.
        params: `NODE.NAME=VALUE`, the value in YAML.
        params_files: files in ROS 2's format, handed to every node.

    Raises:
        UserError: a node or shortcut that is not part of this bring-up, a malformed parameter, a missing file.
    """
    values = node_values(what, shortcuts)
    for text in params:
        name, key, value = _parse(text, tuple(values))
        values[name][key] = value
    for path in params_files:
        if not path.is_file():
            raise UserError(f"--params-file {path}: no such file")
    return [NodePlan(name=name, command=_command(name, given, params_files)) for name, given in values.items()]


def show_help(parser: argparse.ArgumentParser) -> None:
    """Print the help of `bevduet launch`, with the parameters of all nodes."""
    parser.print_help()
    for name, module in PARAMETER_MODULES.items():
        print(f"\nparameters of {name} (--param {name}.NAME=VALUE):")
        try:
            found = importlib.import_module(module)
            parameters: Mapping[str, tuple[Any, str]] = found.PARAMETERS
        except (ImportError, AttributeError) as error:
            print(f"  not known here: {error}")
            continue
        for key, (default, text) in parameters.items():
            print(f"  {key:<22} {text} (default: {_yaml(default)})")
        for kind in ("CAMERA_KEYS", "LIDAR_KEYS"):
            if hasattr(found, kind):
                print(f"  sensors.NAME.KEY       of a {kind.split('_')[0].lower()}: {', '.join(getattr(found, kind))}")
    print(EXAMPLES)


EXAMPLES = """
examples:
  bevduet launch fusion --param fusion_node.cameras=[CAM_FRONT] --param fusion_node.sensors.CAM_FRONT.topic=/front/image_raw
  bevduet launch replay --dataroot data/nuscenes --version v1.0-mini --scenes scene-0103
  bevduet launch replay_with_tracker --bag drive.mcap --transport compressed --params-file robot.yaml"""


def _parse(text: str, names: Sequence[str]) -> tuple[str, str, str]:
    """`NODE.NAME=VALUE` -> its three parts."""
    path, equals, value = text.partition("=")
    name, dot, key = path.partition(".")
    if not (equals and dot and key):
        raise UserError(f"--param {text}: expected NODE.NAME=VALUE, such as fusion_node.deadline_ms=80.0")
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise UserError(f"--param {text}: no node {name!r} here{f', did you mean {near[0]!r}?' if near else ''}; expected one of {', '.join(names)}")
    return name, key, value


def _command(name: str, values: Mapping[str, str], params_files: Sequence[Path]) -> tuple[str, ...]:
    arguments = [word for path in params_files for word in ("--params-file", str(path))]
    arguments += [word for key, value in values.items() for word in ("-p", f"{key}:={value}")]
    return (sys.executable, "-m", f"ros_nodes.{name}", "--ros-args", "-r", f"__node:={name}", *arguments)


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return repr(value) if value == "" else str(value)
