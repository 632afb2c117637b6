"""When which sensor dies in the demo: a camera, then the LiDAR as well, then both come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fusion.errors import UserError
from fusion.evaluate.by_state import SensorState, sensor_states


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of the drive in one sensor state.

    Attributes:
        title: what happens, for people.
        state: which sensors are missing.
        start, stop: keyframes from `start` up to, not including, `stop`.
    """

    title: str
    state: SensorState
    start: int
    stop: int


def demo_states(sensors: Sequence[str]) -> tuple[SensorState, ...]:
    """The four states in which a model is judged, and the worst moment of the demo: a camera and the LiDAR lost.

    Args:
        sensors: the rig, cameras in rig order and the LiDAR last.

    Raises:
        UserError: a rig on which the demo's story cannot happen.
    """
    if len(sensors) < 3:
        raise UserError(f"sensors {', '.join(sensors)}: the demo needs a LiDAR and at least two cameras")
    states, lidar = sensor_states(sensors), sensors[-1]
    (camera,) = states[-1].lost
    return (*states, SensorState(name="camera_and_lidar_lost", title=f"{camera} and {lidar} lost", lost=(camera, lidar)))


def schedule(states: Sequence[SensorState], keyframes: int) -> list[Phase]:
    """Four stretches of about equal length over a drive; `states` is what `demo_states` gave.

    Raises:
        UserError: fewer keyframes than stretches.
    """
    by_name = {state.name: state for state in states}
    story = (("every sensor works", by_name["both"]), ("a camera dies", by_name["one_camera_lost"]),
             ("then the LiDAR dies too", by_name["camera_and_lidar_lost"]), ("both come back", by_name["both"]))
    if keyframes < len(story):
        raise UserError(f"{keyframes} keyframes: the demo needs at least {len(story)}; choose a longer drive")
    edges = [round(keyframes * i / len(story)) for i in range(len(story) + 1)]
    return [Phase(title=title, state=state, start=start, stop=stop)
            for (title, state), start, stop in zip(story, edges[:-1], edges[1:], strict=True)]
