"""The drive that the demo perceives: one made on the spot, or a recorded one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fusion.data.open import NOT_NUSCENES, open_source
from fusion.data.source import SceneSource
from fusion.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Drive:
    """One scene of a data set in nuScenes' format.

    Attributes:
        dataroot, version, scene: where it is.
        source: opened for this scene.
        origin: where it comes from, a sentence for people.
        command: the command that makes it; "" for a recorded one.
    """

    dataroot: Path
    version: str
    scene: str
    source: SceneSource
    origin: str
    command: str = ""


def simulated_drive(folder: Path, *, seed: int, weather: str = "day", duration_s: float = 16.0, image_scale: float = 0.5) -> Drive:
    """Simulate one drive, or take the one that an earlier run made with the same settings.

    Args:
        folder: where drives are kept; each has a folder of its own, named after its settings.
        seed: another seed gives another world.
        weather: day, night, rain, fog, or mixed (the seed decides).
        duration_s: two keyframes a second.
        image_scale: of 1600x900.

    Raises:
        UserError: bad settings, or a folder that cannot be written.
    """
    from fusion.simulate.record.drive import Request
    from fusion.simulate.record.run import SETTINGS, simulate
    from fusion.simulate.record.vocabulary import VERSION
    from fusion.simulate.rig import nuscenes_rig

    root = folder / f"drive-{weather}-{duration_s:g}s-x{image_scale:g}-seed{seed}"
    request = Request(scenes=1, seed=seed, rig=nuscenes_rig(), weather=weather, image_scale=image_scale,  # type: ignore[arg-type]
                      duration_s=duration_s)
    try:
        (scene,) = simulate(root, request, resume=(root / SETTINGS).is_file())
    except UserError as error:
        if str(error).startswith("--resume: "):
            raise UserError(f"{root}: made by another version of this package; remove it, or give another --out") from None
        raise
    options = f"--scenes 1 --seed {seed} --weather {weather} --image-scale {image_scale:g} --duration {duration_s:g}"
    return Drive(dataroot=root, version=VERSION, scene=scene, source=open_source(root, VERSION, [scene]),
                 origin=f"simulated by this package: {weather}, {duration_s:g} s, seed {seed}; no recorded data in it",
                 command=f"bevduet simulate --out {root} {options}")


def recorded_drive(dataroot: Path, version: str, scene: str | None = None) -> Drive:
    """A scene of a recorded data set; the first one where none is named.

    Raises:
        UserError: no such data set or scene, or one without annotations (the demo scores what it sees).
    """
    if version in NOT_NUSCENES:
        raise UserError(f"--version {version}: the demo needs a data set in nuScenes' format, for its official score")
    source = open_source(dataroot, version, None if scene is None else [scene])
    names = source.scenes()
    if not names:
        raise UserError(f"{dataroot / version}: no scenes; expected tables of at least one")
    tokens = source.tokens(names[0])
    if tokens and source.ground_truth(tokens[0]) is None:
        raise UserError(f"{dataroot / version}: has no annotations, so nothing can be scored; choose another version")
    return Drive(dataroot=dataroot, version=version, scene=names[0], source=source, origin=f"recorded: {names[0]} of {dataroot / version}")


def can_open_pages(platform: str = sys.platform, environment: Sequence[str] | None = None, terminal: bool | None = None) -> bool:
    """Whether a person with a screen is watching: an interactive terminal, and a display."""
    names = list(os.environ) if environment is None else environment
    interactive = sys.stdout.isatty() if terminal is None else terminal
    return interactive and (platform in ("darwin", "win32") or "DISPLAY" in names or "WAYLAND_DISPLAY" in names)
