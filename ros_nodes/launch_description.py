"""What `launch/*.launch.py` describe to a full ROS 2: the nodes and parameters of `bevduet launch`, in ROS's own launch system.

Imports `launch` and `launch_ros`, which pip does not have: only launch files import this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler, Shutdown, UnregisterEventHandler
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from ros_nodes.launch_arguments import BRINGUPS, SHORTCUTS, node_values

RVIZ_CONFIG = Path(__file__).resolve().parent / "assets" / "bevduet.rviz"


def describe(what: str) -> LaunchDescription:
    """A bring-up: each node is configured and activated, once, when the one before it is active. The end of one ends all, and so does a node
    that cannot be brought up. From then on its state is its user's.

    Its launch arguments are the options of `bevduet launch` that these nodes have, `params_file` and `rviz`.

    Args:
        what: a key of BRINGUPS.
    """
    arguments = [DeclareLaunchArgument(name, default_value="", description=text)
                 for name, (text, owners) in SHORTCUTS.items() if set(owners) & set(BRINGUPS[what])]
    return LaunchDescription([
        *arguments,
        DeclareLaunchArgument("params_file", default_value="", description="YAML file of parameters, for all nodes"),
        DeclareLaunchArgument("rviz", default_value="false", choices=["true", "false"], description="show it in RViz"),
        OpaqueFunction(function=lambda context: _actions(what, context)),
    ])


def _actions(what: str, context: LaunchContext) -> list[Any]:
    given: dict[str, str] = context.launch_configurations
    values = node_values(what, {name: given.get(name) or None for name in SHORTCUTS})
    files = [given["params_file"]] if given["params_file"] else []
    nodes = [LifecycleNode(package="bevduet", executable=name, name=name, namespace="", output="screen",
                           parameters=[*files, {key: yaml.safe_load(value) for key, value in own.items()}] if own else files,
                           on_exit=Shutdown(reason=f"{name} ended"))
             for name, own in values.items()]
    actions = [action for name, before, node in zip(values, [None, *nodes], nodes, strict=False) for action in _lead_to_active(name, node, before)]
    if given["rviz"] == "true":
        actions.append(Node(package="rviz2", executable="rviz2", arguments=["-d", str(RVIZ_CONFIG)],
                            parameters=[{"use_sim_time": yaml.safe_load(values["fusion_node"].get("use_sim_time", "false"))}]))
    return [*actions, *nodes]  # handlers before the nodes whose start they handle


def _lead_to_active(name: str, node: LifecycleNode, before: LifecycleNode | None) -> list[RegisterEventHandler]:
    """Handlers that configure a node at its start, or when the node before is active, and activate it once configured: each the first time
    alone, as a node that is deactivated or configured by hand later is not ours to lead. Until it is active a failure ends all."""
    configure = _change(node, Transition.TRANSITION_CONFIGURE)
    first = OnProcessStart(target_action=node, on_start=[configure], handle_once=True) if before is None else _on(
        before, "activating", "active", configure)
    then = _on(node, "configuring", "inactive", _change(node, Transition.TRANSITION_ACTIVATE))
    why = "the reason is in its output above"
    failures = [_on(node, "configuring", "unconfigured", Shutdown(reason=f"{name}: configure failed; {why}")),
                _on(node, "activating", "inactive", Shutdown(reason=f"{name}: activate failed; {why}"))]
    done = _on(node, "activating", "active", *map(UnregisterEventHandler, failures))
    return [RegisterEventHandler(handler) for handler in (first, then, *failures, done)]


def _on(node: LifecycleNode, start: str, goal: str, *actions: Any) -> OnStateTransition:
    """Actions for the first time that a node goes from one state to another."""
    return OnStateTransition(target_lifecycle_node=node, start_state=start, goal_state=goal, entities=list(actions), handle_once=True)


def _change(node: LifecycleNode, transition: int) -> EmitEvent:
    return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))
