"""launch/*.launch.py against a stand-in for ROS 2's launch system: pip has no such package, a full ROS 2 has."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from layouts import ASSETS, foxglove_types, rviz_types

from ros_nodes.launch_arguments import BRINGUPS

REPO = Path(__file__).resolve().parents[2]
ACTIVATE, CONFIGURE = 3, 1  # ids of lifecycle_msgs/msg/Transition

NAMES = {  # what we use, by the module of launch and launch_ros that has it
    "launch": ["LaunchContext", "LaunchDescription"],
    "launch.actions": ["DeclareLaunchArgument", "EmitEvent", "OpaqueFunction", "RegisterEventHandler", "Shutdown", "UnregisterEventHandler"],
    "launch.event_handlers": ["OnProcessStart"],
    "launch.events": ["matches_action"],
    "launch_ros": [],
    "launch_ros.actions": ["LifecycleNode", "Node"],
    "launch_ros.event_handlers": ["OnStateTransition"],
    "launch_ros.events": [],
    "launch_ros.events.lifecycle": ["ChangeState"],
    "lifecycle_msgs": [],
    "lifecycle_msgs.msg": [],
}


class Made(SimpleNamespace):
    """One thing that was made: its kind, its arguments."""

    def __init__(self, kind: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(kind=kind, args=args, **kwargs)

    __hash__ = object.__hash__


@pytest.fixture
def launch_system(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, members in NAMES.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member, lambda *args, kind=member, **kwargs: Made(kind, *args, **kwargs))
        monkeypatch.setitem(sys.modules, name, module)
    transition = SimpleNamespace(TRANSITION_CONFIGURE=CONFIGURE, TRANSITION_ACTIVATE=ACTIVATE)
    monkeypatch.setattr(sys.modules["lifecycle_msgs.msg"], "Transition", transition, raising=False)
    monkeypatch.delitem(sys.modules, "ros_nodes.launch_description", raising=False)
    yield
    sys.modules.pop("ros_nodes.launch_description", None)  # it holds the stand-ins


def launch(what: str, **given: str) -> tuple[dict[str, Made], list[Made]]:
    """Arguments by name, and the actions, of a launch file run with these arguments."""
    description = runpy.run_path(str(REPO / f"launch/{what}.launch.py"))["generate_launch_description"]()
    (entities,) = description.args
    arguments = {entity.args[0]: entity for entity in entities if entity.kind == "DeclareLaunchArgument"}
    assert set(given) <= set(arguments)
    (function,) = [entity.function for entity in entities if entity.kind == "OpaqueFunction"]
    configurations = {name: argument.default_value for name, argument in arguments.items()} | given
    return arguments, function(SimpleNamespace(launch_configurations=configurations))


def handlers_of(actions: list[Made]) -> list[Made]:
    return [action.args[0] for action in actions if action.kind == "RegisterEventHandler"]


def test_there_is_a_launch_file_for_every_bringup() -> None:
    assert {path.name.split(".")[0] for path in (REPO / "launch").iterdir() if path.name.endswith(".launch.py")} == set(BRINGUPS)


@pytest.mark.parametrize("what", sorted(BRINGUPS))
@pytest.mark.usefixtures("launch_system")
def test_nodes_are_those_of_the_bringup_and_end_together(what: str) -> None:
    _, actions = launch(what)
    nodes = [action for action in actions if action.kind == "LifecycleNode"]
    assert [node.name for node in nodes] == list(BRINGUPS[what])
    assert all((node.package, node.executable, node.namespace, node.on_exit.kind) == ("bevduet", node.name, "", "Shutdown") for node in nodes)


@pytest.mark.usefixtures("launch_system")
def test_each_node_is_led_to_active_after_the_one_before() -> None:
    _, actions = launch("replay")
    fusion, player = (action for action in actions if action.kind == "LifecycleNode")
    steps = []
    for handler in handlers_of(actions):
        (emitted,) = handler.on_start if handler.kind == "OnProcessStart" else handler.entities[:1]
        if emitted.kind == "EmitEvent":
            watched = handler.target_action if handler.kind == "OnProcessStart" else handler.target_lifecycle_node
            changed = emitted.event.lifecycle_node_matcher.args[0]
            steps.append((watched.name, getattr(handler, "goal_state", "started"), changed.name, emitted.event.transition_id))
    assert steps == [("fusion_node", "started", "fusion_node", CONFIGURE), ("fusion_node", "inactive", "fusion_node", ACTIVATE),
                     ("fusion_node", "active", "player_node", CONFIGURE), ("player_node", "inactive", "player_node", ACTIVATE)]
    assert actions.index(fusion) > max(at for at, action in enumerate(actions) if action.kind == "RegisterEventHandler")
    assert player is actions[-1]


@pytest.mark.usefixtures("launch_system")
def test_a_node_is_led_once_and_ends_all_only_until_it_is_active() -> None:
    """Who deactivates, cleans up and configures a node by hand is not led against, nor is the launch ended by what fails then."""
    _, actions = launch("replay_with_tracker")
    handlers = handlers_of(actions)
    assert all(handler.handle_once for handler in handlers)
    for name in BRINGUPS["replay_with_tracker"]:
        own = [handler for handler in handlers if handler.kind == "OnStateTransition" and handler.target_lifecycle_node.name == name]
        ends = {(handler.start_state, handler.goal_state): handler for handler in own if handler.entities[0].kind == "Shutdown"}
        assert {states: handler.entities[0].reason.split(";")[0] for states, handler in ends.items()} == {
            ("configuring", "unconfigured"): f"{name}: configure failed", ("activating", "inactive"): f"{name}: activate failed"}
        (done,) = [handler for handler in own if handler.entities[0].kind == "UnregisterEventHandler"]
        assert (done.start_state, done.goal_state) == ("activating", "active")
        assert {id(action.args[0]) for action in done.entities} == {id(handler) for handler in ends.values()}


@pytest.mark.usefixtures("launch_system")
def test_arguments_become_parameters_of_their_type() -> None:
    arguments, actions = launch("replay", dataroot="data", rate="2.0", transport="compressed", params_file="robot.yaml", rviz="true")
    assert {"dataroot", "scenes", "model", "params_file", "rviz"} <= set(arguments)
    fusion, player = (action for action in actions if action.kind == "LifecycleNode")
    assert fusion.parameters == ["robot.yaml", {"use_sim_time": True, "transport": "compressed"}]
    assert player.parameters == ["robot.yaml", {"clock": True, "dataroot": "data", "rate": 2.0, "transport": "compressed"}]
    (rviz,) = [action for action in actions if action.kind == "Node"]
    assert (rviz.package, Path(rviz.arguments[1]).is_file(), rviz.parameters) == ("rviz2", True, [{"use_sim_time": True}])


@pytest.mark.usefixtures("launch_system")
def test_live_sensors_need_no_player() -> None:
    arguments, actions = launch("fusion")
    assert set(arguments) == {"model", "backend", "transport", "use_sim_time", "params_file", "rviz"}
    (node,) = [action for action in actions if action.kind in ("LifecycleNode", "Node")]
    assert node.parameters == []


@pytest.mark.usefixtures("launch_system")
def test_the_time_of_a_simulator_is_that_of_every_node() -> None:
    _, actions = launch("fusion_with_tracker", use_sim_time="true", rviz="true")
    assert [(node.name if node.kind == "LifecycleNode" else node.package, node.parameters) for node in actions if node.kind.endswith("Node")] == [
        ("rviz2", [{"use_sim_time": True}]), ("fusion_node", [{"use_sim_time": True}]), ("tracker_node", [{"use_sim_time": True}])]


def strings(value: Any) -> list[str]:
    """All keys and texts in nested lists and mappings."""
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in [str(key), *strings(item)]]
    return [text for item in value for text in strings(item)] if isinstance(value, list) else [value] if isinstance(value, str) else []


def test_rviz_and_foxglove_show_the_topics_that_there_are() -> None:
    from ros_nodes.parameters import NUSCENES_CAMERAS
    from ros_nodes.player_topics import camera_topics, cloud_topic

    played = [topic for name in NUSCENES_CAMERAS for topic in camera_topics(name, "raw")] + [cloud_topic("LIDAR_TOP")]
    markers, diagnostics = "visualization_msgs/msg/MarkerArray", "diagnostic_msgs/msg/DiagnosticArray"
    there = {topic.name: topic.kind for topic in played} | {
        "/fusion_node/markers": markers, "/tracker_node/markers": markers, "/fusion_node/sensors_used": diagnostics, "/diagnostics": diagnostics}
    rviz, foxglove = yaml.safe_load((ASSETS / "bevduet.rviz").read_text()), json.loads((ASSETS / "foxglove.json").read_text())
    shown = [{text for text in strings(layout) if re.fullmatch(r"/[a-z_/]+", text)} for layout in (rviz, foxglove)]
    assert shown[0] <= set(there) and shown[1] == set(there)
    assert foxglove_types() == there and rviz_types() == {topic: there[topic] for topic in shown[0]}
    assert len(shown[0]) == len(NUSCENES_CAMERAS) + 3
    assert rviz["Visualization Manager"]["Global Options"]["Fixed Frame"] == "base_link"
    panels = [text for text in strings(foxglove["layout"]) if "!" in text]
    assert sorted(panels) == sorted(foxglove["configById"])


def test_packaging_puts_things_where_ros_looks() -> None:
    """`ros2 run` looks in lib/bevduet, `ros2 launch` below share/bevduet; every entry point names a function that is there."""
    with pytest.MonkeyPatch.context() as patch:
        said: dict[str, Any] = {}
        patch.setattr("setuptools.setup", said.update)
        patch.chdir(REPO)
        runpy.run_path("setup.py")
    assert said["options"] == {"develop": {"script_dir": "$base/lib/bevduet"}, "install": {"install_scripts": "$base/lib/bevduet"}}
    folders = dict(said["data_files"])
    assert {Path(path).name for path in folders["share/bevduet/launch"]} == {f"{name}.launch.py" for name in BRINGUPS}
    assert folders["share/bevduet/rviz"] == ["ros_nodes/assets/bevduet.rviz"]
    assert folders["share/bevduet/foxglove"] == ["ros_nodes/assets/foxglove.json"]
    scripts = [entry.split(" = ") for entry in said["entry_points"]["console_scripts"]]
    assert {name for name, _ in scripts} >= {node for nodes in BRINGUPS.values() for node in nodes}
    for _, target in [*scripts, *(entry.split(" = ") for entry in said["entry_points"]["bevduet.commands"])]:
        module, function = target.split(":")
        source = REPO.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
        assert re.search(rf"^def {function}\(", source, re.M), target
