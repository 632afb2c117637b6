"""A transition that is not possible now is refused over DDS, and the node lives on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize("name", ["fusion_node", "player_node", "tracker_node"])
def test_a_node_refuses_and_lives_on(ros: Any, start_node: Callable[..., Any], lifecycle: Any, name: str) -> None:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    node = start_node(name)
    assert lifecycle.state(name, 120) == "unconfigured"
    for number in (Transition.TRANSITION_ACTIVATE, 99):
        request = ChangeState.Request(transition=Transition(id=number))
        assert not ros.call(f"/{name}/change_state", ChangeState, request).success
    assert lifecycle.state(name, 60) == "unconfigured"
    assert "no transition 3 from unconfigured" in node.wait_for_line("no transition 3")
    assert node.process.exit_code() is None
