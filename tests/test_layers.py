"""The import graph of the package, read from its source: who may know whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "fusion"
BASE = {"types", "geometry", "errors"}
STAGES = {"encoders", "bev", "interaction", "heads", "losses"}


def _module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, module: str, is_package: bool) -> set[str]:
    """Every module that a source names in an import, relative ones resolved, lazy and type-checking ones included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = module.split(".")[:len(module.split(".")) - node.level + is_package]
                base = ".".join([*up, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def _edges() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        module = _module_of(path)
        for name in imports_of(path.read_text(encoding="utf-8"), module, path.name == "__init__.py"):
            yield module, name


EDGES = sorted(set(_edges()))


def _part(module: str) -> str:
    """`fusion.heads.decode` -> `heads`; "" for the package itself and for other packages."""
    names = module.split(".")
    return names[1] if names[0] == "fusion" and len(names) > 1 else ""


def _breaking(importers: set[str], allowed: set[str]) -> list[str]:
    return [f"{module} imports {name}" for module, name in EDGES
            if _part(module) in importers and _part(name) not in {"", _part(module), *allowed}]


def test_the_graph_was_read() -> None:
    assert ("fusion.types.sensor_set", "fusion.types.checks") in EDGES
    assert imports_of("from . import a\nfrom ..x import b\nimport torch", "fusion.bev.pull", False) == {
        "fusion.bev", "fusion.bev.a", "fusion.x", "fusion.x.b", "torch"}
    assert imports_of("from .a import b", "fusion.bev", True) == {"fusion.bev.a", "fusion.bev.a.b"}


@pytest.mark.parametrize(("part", "allowed"), [("errors", set()), ("types", {"errors"}), ("geometry", {"types", "errors"})])
def test_base_knows_nothing_above(part: str, allowed: set[str]) -> None:
    assert _breaking({part}, allowed) == []


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stages_know_only_the_base(stage: str) -> None:
    """A loss compares what a head says with what it should say, so it also knows the head's output types."""
    assert _breaking({stage}, BASE | ({"heads"} if stage == "losses" else set())) == []


def test_only_the_network_composes_stages() -> None:
    """Nothing but `fusion/network.py`, its config, its host's part and its named tensors names two of the stages that it joins."""
    composed = {"encoders", "bev", "interaction", "heads"}
    joined: dict[str, set[str]] = {}
    for module, name in EDGES:
        if _part(name) in composed and _part(module) not in composed:
            joined.setdefault(module, set()).add(_part(name))
    assert sorted(module for module, parts in joined.items() if len(parts) > 1) == [
        "fusion.export.ports", "fusion.inputs", "fusion.network", "fusion.network_config"]


def test_simulation_knows_no_network_and_is_known_only_to_faces() -> None:
    """It writes files; everything else reads them through `data` like any recorded set."""
    assert _breaking({"simulate"}, BASE | {"config", "data", "files"}) == []
    assert {_part(module) for module, name in EDGES if _part(name) == "simulate"} <= {"simulate", "demo", "cli"}


def test_tracking_knows_boxes_and_time_alone() -> None:
    assert _breaking({"tracking"}, BASE | {"files"}) == []


def test_training_is_known_only_to_itself_and_the_command_line() -> None:
    assert _breaking({_part(module) for module, _ in EDGES} - {"train", "cli"},
                     {_part(name) for _, name in EDGES} - {"train"}) == []
    lightning = {"lightning", "pytorch_lightning"}
    assert [f"{module} imports {name}" for module, name in EDGES
            if name.split(".")[0] in lightning and _part(module) not in {"train", "cli"}] == []


def test_the_command_line_loads_training_lazily() -> None:
    eager = []
    for path in sorted((PACKAGE / "cli").glob("*.py")):
        top = ast.Module(body=[n for n in ast.parse(path.read_text(encoding="utf-8")).body
                               if isinstance(n, ast.Import | ast.ImportFrom)], type_ignores=[])
        names = imports_of(ast.unparse(top), _module_of(path), path.name == "__init__.py")
        eager += [f"{path.name} imports {name}" for name in names
                  if _part(name) == "train" or name.split(".")[0] in {"lightning", "pytorch_lightning"}]
    assert eager == []


def test_no_ros_in_the_package() -> None:
    ros = {"rclpy", "ros_nodes", "rosbag2_py", "sensor_msgs", "vision_msgs", "std_msgs", "geometry_msgs", "tf2_ros", "cv_bridge"}
    assert [f"{module} imports {name}" for module, name in EDGES if name.split(".")[0] in ros] == []


ENGINES = {"onnx", "onnxscript", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx"}


def _eager(path: Path) -> set[str]:
    """What is imported when the module is: at the top of its source, outside of functions and of `if TYPE_CHECKING`."""
    top = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return imports_of(ast.unparse(ast.Module(body=list(top), type_ignores=[])), _module_of(path), path.name == "__init__.py")


def test_what_is_deployed_loads_no_engine_and_no_exporter_before_it_is_asked_for() -> None:
    """Engines are extras, and heavy; whoever answers by one needs neither the others nor what exported it."""
    eager = {_module_of(path): _eager(path) for path in PACKAGE.rglob("*.py")}
    reached: set[str] = set()
    todo = [module for module in eager if _part(module) in {"runtime", "cli", "demo", "network", "inputs", "evaluate"}]
    while todo:
        module = todo.pop()
        if module not in reached:
            reached.add(module)
            todo += [name for name in eager[module] if name in eager]
    assert "fusion.export.manifest" in reached and "fusion.encoders.pillars" in reached
    found = [f"{module} imports {name}" for module in sorted(reached) for name in sorted(eager[module])
             if name.split(".")[0] in ENGINES or name.startswith("torch.onnx")]
    assert found == []


def test_engines_are_named_only_where_they_are_made_and_run() -> None:
    assert {_part(module) for module, name in EDGES if name.split(".")[0] in ENGINES or name.startswith("torch.onnx")} <= {"export", "runtime"}


def test_exporting_reads_data_and_knows_no_face() -> None:
    assert _breaking({"export"}, {*BASE, *STAGES, "checkpoint", "config", "data", "files", "inputs", "model", "network", "sensors"}) == []
