"""What may be set when, and in which words the rest is refused."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from fusion.errors import UserError
from ros_nodes.parameter_setting import refusal
from ros_nodes.parameters import default_of_sensor

DEFAULTS: dict[str, Any] = {"deadline_ms": 60.0, "threads": 0, "model": "nano", "cameras": ["A"], "reliable": "auto", "bf16": False}


def why_not(name: str, value: Any, *, state: str = "unconfigured", present: dict[str, Any] | None = None) -> str:
    def default_of(name: str) -> Any:
        if name not in DEFAULTS:
            raise UserError(f"{name}: unknown parameter")
        return DEFAULTS[name]

    return refusal({name: value}, DEFAULTS if present is None else present, state=state, node="/ns/fusion_node", default_of=default_of)


@pytest.mark.parametrize(("name", "value"), [
    ("deadline_ms", 40.5), ("deadline_ms", 40), ("deadline_ms", -1.0), ("threads", 2), ("model", ""), ("model", ["a", "b"]), ("cameras", ["B"]),
    ("cameras", []), ("reliable", True), ("reliable", "auto"), ("bf16", True), ("bf16", None), ("mistyped", None), ("use_sim_time", True)])
def test_an_unconfigured_node_takes_what_is_of_its_kind(name: str, value: Any) -> None:
    assert why_not(name, value) == ""


@pytest.mark.parametrize(("name", "value", "reason"), [
    ("deadline_ms", "fast", "deadline_ms: expected a number, got 'fast'"), ("deadline_ms", True, "deadline_ms: expected a number, got True"),
    ("threads", float("nan"), "threads: expected a number, got nan"), ("model", 7, "model: expected a text, got 7"),
    ("cameras", "A", "cameras: expected a list of texts, got 'A'"), ("cameras", array("d", [1.5]), "cameras: expected a list of texts, got array"),
    ("bf16", "yes", "bf16: expected true or false, got 'yes'"), ("reliable", 1, "reliable: expected a text, got 1"),
    ("mistyped", 1, "mistyped: unknown parameter")])
def test_and_nothing_else(name: str, value: Any, reason: str) -> None:
    assert why_not(name, value).startswith(reason)


def test_a_configured_node_says_what_to_do_first() -> None:
    assert why_not("model", "other", state="active") == (
        "model: is read when the node is configured, and it is active; first ros2 lifecycle set /ns/fusion_node deactivate, "
        "then ros2 lifecycle set /ns/fusion_node cleanup, then set it and configure again")
    assert why_not("model", None, state="inactive") == (
        "model: is read when the node is configured, and it is inactive; first ros2 lifecycle set /ns/fusion_node cleanup, "
        "then set it and configure again")
    assert why_not("use_sim_time", True, state="active") == ""  # rclpy follows it at any time
    assert why_not("cameras", ("A",), state="active") == ""  # as it is


def test_parameters_of_sensors_may_come_before_the_sensor() -> None:
    assert default_of_sensor("sensors.NEW.rectified") is False and default_of_sensor("sensors.NEW.near_m") == 1.0
    for name in ("sensors.NEW.rectifed", "sensors.NEW", "sensors.NEW.a.b"):
        with pytest.raises(UserError, match=r"sensors\.NEW.*: unknown parameter of a sensor"):
            default_of_sensor(name)
    with pytest.raises(UserError, match="did you mean 'rectified'"):
        default_of_sensor("sensors.NEW.rectifed")
