"""Frames that INT8 is calibrated on, and those that judge it: a given data set, or scenes simulated for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusion.data.source import SceneSource

CALIBRATION_SEED = 4711
JUDGING_SEED = 4712
"""Of scenes that calibration never sees."""

SCENE_KEYFRAMES = 16


def simulated_scenes(scratch: Path, frames: int, seed: int) -> SceneSource:
    """Scenes in the folder `scratch` with at least so many keyframes; the same seed gives the same."""
    from fusion.data.open import open_source
    from fusion.simulate.record.drive import Request
    from fusion.simulate.record.run import simulate
    from fusion.simulate.record.vocabulary import VERSION
    from fusion.simulate.rig import nuscenes_rig

    scenes = -(-frames // SCENE_KEYFRAMES)
    print(f"simulating {scenes} {'scene' if scenes == 1 else 'scenes'}, seed {seed}, {SCENE_KEYFRAMES} keyframes each", flush=True)
    simulate(scratch, Request(scenes=scenes, seed=seed, rig=nuscenes_rig(), image_scale=0.25, duration_s=SCENE_KEYFRAMES / 2))
    return open_source(scratch, VERSION)
