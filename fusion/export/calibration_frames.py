"""Frames for INT8 calibration: simulated or recorded keyframes as the graph's inputs, missing sensors among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fusion.data.source import SceneSource
from fusion.errors import UserError
from fusion.export.ports import named_inputs
from fusion.inputs import prepare_inputs
from fusion.model import ModelConfig
from fusion.sensors.preprocess import to_batch

FRAMES = 64
"""Keyframes seen by default."""

CYCLE = 8
"""Of so many frames in a row, the last three lose the LiDAR, all cameras, and one camera; what an absence does to ranges is seen, too."""


def calibration_inputs(source: SceneSource, config: ModelConfig, cameras: int, frames: int = FRAMES) -> Iterator[dict[str, np.ndarray]]:
    """Named inputs of keyframes spread evenly over the scenes of `source`.

    Args:
        config: of the model.
        cameras: camera slots of the graph; further cameras of the rig are left out, missing ones leave slots empty.
        frames: at most so many.

    Raises:
        UserError: no keyframe.
    """
    tokens = [token for scene in source.scenes() for token in source.tokens(scene)]
    if not tokens:
        raise UserError("calibration: the data set has no keyframe; give another one")
    names = source.sensors()[:-1][:cameras]
    slots = [*names, *[""] * (cameras - len(names))]
    for number in range(min(frames, len(tokens))):
        readings = source.load(tokens[number * len(tokens) // min(frames, len(tokens))], num_sweeps=config.num_sweeps)
        batch = to_batch([readings.without(*lost_sensors(number, names, source.sensors()[-1]))], config.input, slots)
        yield {name: tensor.numpy() for name, tensor in named_inputs(prepare_inputs(config.network, batch)).items()}


def lost_sensors(number: int, cameras: Sequence[str], lidar: str) -> tuple[str, ...]:
    """Which sensors frame `number` is seen without."""
    match number % CYCLE:
        case 5:
            return (lidar,)
        case 6:
            return tuple(cameras)
        case 7 if cameras:
            return (cameras[number // CYCLE % len(cameras)],)
        case _:
            return ()
