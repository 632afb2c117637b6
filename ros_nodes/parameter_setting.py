"""Whether a parameter may be set now: one that is read when the node is configured would change nothing later, and nobody would know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fusion.errors import UserError
from ros_nodes.parameter_checks import BUILT_IN, flag, number, text, texts


def refusal(changes: Mapping[str, Any], present: Mapping[str, Any], *, state: str, node: str, default_of: Callable[[str], Any]) -> str:
    """Why these values cannot be set; "" where they can.

    Args:
        changes: name -> value; None takes a parameter back to its default.
        present: name -> value of all that are set.
        state: of the node's lifecycle.
        node: its name, for the commands that are proposed.
        default_of: name -> default; UserError for a parameter that there is not.
    """
    for name, value in changes.items():
        if name.startswith(BUILT_IN) or (name in present and _plain(value) == _plain(present[name])):
            continue
        if state != "unconfigured":
            first = [f"ros2 lifecycle set {node} {step}" for step in ("deactivate", "cleanup") if state == "active" or step == "cleanup"]
            return f"{name}: is read when the node is configured, and it is {state}; first {', then '.join(first)}, then set it and configure again"
        if value is not None:
            try:
                check_kind(name, value, default_of(name))
            except UserError as error:
                return str(error)
    return ""


def check_kind(name: str, value: Any, default: Any) -> None:
    """UserError where a value is of another kind than a parameter's default. Whether it is possible is known when the node is configured.

    Some texts may be lists of texts, too; a default of "auto" may be replaced by true or false.
    """
    if isinstance(default, bool) or (default == "auto" and isinstance(value, bool)):
        flag(name, value)
    elif isinstance(default, (int, float)):
        number(name, value)
    elif isinstance(value, str) and not isinstance(default, list):
        text(name, value, empty=True)
    else:
        texts(name, value, "a text" if isinstance(default, str) else "a list of texts")


def _plain(value: Any) -> Any:
    """Lists, whatever rclpy keeps them in."""
    return value if value is None or isinstance(value, (str, bool, int, float)) else list(value)
