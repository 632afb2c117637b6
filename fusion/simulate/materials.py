"""What surfaces are made of: how they look to a camera and to a LiDAR."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Material(IntEnum):
    """Index into `MATERIALS`; stored per face of a mesh."""

    ASPHALT = 0
    MARKING = 1
    CONCRETE = 2
    SOIL = 3
    GRASS = 4
    FOLIAGE = 5
    BARK = 6
    BRICK = 7
    PLASTER = 8
    FACADE_GLASS = 9
    CAR_GLASS = 10
    PAINT = 11
    DARK_PAINT = 12
    RUBBER = 13
    METAL = 14
    PLASTIC = 15
    RETRO = 16
    CLOTH = 17
    SKIN = 18
    LAMP = 19
    WOOD = 20
    FENCE = 21


@dataclass(frozen=True, kw_only=True)
class Surface:
    """One material.

    Attributes:
        reflectivity: share of light that a LiDAR gets back at normal incidence, on the scale of its reported intensity: 1 is intensity 100.
        falloff: exponent on the cosine of incidence; 1 is Lambert's law, 0 a surface so rough or so deep that the angle does not matter.
        grazing: cosine of incidence below which `falloff` sets in: grains of rough ground face the beam until they shade one another.
        spread: standard deviation of reflectivity from point to point, in natural logarithms.
        pass_through: probability that a LiDAR beam goes through (glass, gaps between leaves, mesh).
        mirror: share of a beam's energy that leaves in the mirror direction: such surfaces return little, or nothing, but straight back.
        retro: returns as much from any angle.
        depth_m: mean depth below the face from which a beam returns: leaves and blades have no surface.
        texture: name of the procedural texture that `fusion.simulate.camera.texture` gives it.
        gloss: strength of the camera's specular highlight and sky reflection in [0, 1].
        glow: brightness that it emits at night, relative to white in full sun.
    """

    reflectivity: float
    falloff: float = 0.7
    grazing: float = 1.0
    spread: float = 0.5
    pass_through: float = 0.0
    mirror: float = 0.0
    retro: bool = False
    depth_m: float = 0.0
    texture: str = "plain"
    gloss: float = 0.0
    glow: float = 0.0


_ROUGH = 0.25
"""Where the road of four real drives is brightest, 5 to 9 m away: from there its intensity falls to a third at 20 m, and it is no brighter nearer."""

MATERIALS: dict[Material, Surface] = {
    Material.ASPHALT: Surface(reflectivity=0.09, falloff=0.8, grazing=_ROUGH, spread=0.7, texture="asphalt"),
    Material.MARKING: Surface(reflectivity=0.3, falloff=0.5, grazing=_ROUGH, texture="worn"),
    Material.CONCRETE: Surface(reflectivity=0.25, falloff=0.5, grazing=_ROUGH, spread=0.6, texture="concrete"),
    Material.SOIL: Surface(reflectivity=0.16, falloff=0.5, grazing=_ROUGH, texture="soil"),
    Material.GRASS: Surface(reflectivity=0.22, falloff=0.1, depth_m=0.02, texture="grass"),
    Material.FOLIAGE: Surface(reflectivity=0.2, falloff=0.0, pass_through=0.35, depth_m=0.15, texture="leaves"),
    Material.BARK: Surface(reflectivity=0.25, falloff=0.4, texture="bark"),
    Material.BRICK: Surface(reflectivity=0.27, spread=0.6, texture="brick"),
    Material.PLASTER: Surface(reflectivity=0.38, spread=0.6, texture="plaster"),
    Material.FACADE_GLASS: Surface(reflectivity=0.05, spread=1.0, pass_through=0.3, mirror=0.8, texture="window", gloss=0.8, glow=0.2),
    Material.CAR_GLASS: Surface(reflectivity=0.04, spread=1.0, pass_through=0.4, mirror=0.9, texture="plain", gloss=0.9),
    Material.PAINT: Surface(reflectivity=0.33, falloff=1.0, spread=0.8, mirror=0.65, texture="paint", gloss=0.5),
    Material.DARK_PAINT: Surface(reflectivity=0.06, falloff=1.0, spread=0.9, mirror=0.8, texture="paint", gloss=0.6),
    Material.RUBBER: Surface(reflectivity=0.04, texture="plain"),
    Material.METAL: Surface(reflectivity=0.3, falloff=1.0, spread=0.8, mirror=0.5, texture="metal", gloss=0.4),
    Material.PLASTIC: Surface(reflectivity=0.25, spread=0.7, texture="plain", gloss=0.2),
    Material.RETRO: Surface(reflectivity=2.0, retro=True, texture="plain", gloss=0.2),
    Material.CLOTH: Surface(reflectivity=0.22, falloff=0.5, texture="cloth"),
    Material.SKIN: Surface(reflectivity=0.25, falloff=0.5, texture="plain"),
    Material.LAMP: Surface(reflectivity=0.5, spread=1.0, texture="plain", gloss=0.5, glow=1.5),
    Material.WOOD: Surface(reflectivity=0.25, texture="wood"),
    Material.FENCE: Surface(reflectivity=0.25, pass_through=0.6, texture="metal"),
}
"""Every material; LiDAR figures are for 905 nm, tuned until simulated sweeps have the statistics of real ones (tools/simulation_statistics.py)."""


def column(name: str) -> np.ndarray:
    """One numeric attribute of `Surface` for every material, `(len(Material),)` float32, to be indexed by material."""
    return np.array([float(getattr(MATERIALS[m], name)) for m in Material], np.float32)
