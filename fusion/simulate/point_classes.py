"""What a LiDAR point can lie on: the 32 classes of nuScenes-lidarseg, and which of them each face of the standing world is."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh

POINT_CLASSES = (
    "noise", "animal", "human.pedestrian.adult", "human.pedestrian.child", "human.pedestrian.construction_worker",
    "human.pedestrian.personal_mobility", "human.pedestrian.police_officer", "human.pedestrian.stroller", "human.pedestrian.wheelchair",
    "movable_object.barrier", "movable_object.debris", "movable_object.pushable_pullable", "movable_object.trafficcone",
    "static_object.bicycle_rack", "vehicle.bicycle", "vehicle.bus.bendy", "vehicle.bus.rigid", "vehicle.car", "vehicle.construction",
    "vehicle.emergency.ambulance", "vehicle.emergency.police", "vehicle.motorcycle", "vehicle.trailer", "vehicle.truck",
    "flat.driveable_surface", "flat.other", "flat.sidewalk", "flat.terrain", "static.manmade", "static.other", "static.vegetation", "vehicle.ego")
"""Names; a label is an index into them, as in nuScenes' files."""

TALL_GRASS_M = 0.2
"""nuScenes' rule: grass that is higher than this is vegetation, lower grass is terrain."""

_INDEX = {name: index for index, name in enumerate(POINT_CLASSES)}


def point_class(name: str) -> int:
    """Index of a class; ValueError for a name that nuScenes-lidarseg does not know."""
    if name not in _INDEX:
        raise ValueError(f"point class {name!r}: expected one of {list(POINT_CLASSES)}")
    return _INDEX[name]


_THING = np.full(len(Material), point_class("static.manmade"), np.uint8)
_THING[[Material.FOLIAGE, Material.BARK, Material.GRASS]] = point_class("static.vegetation")
_THING[Material.SOIL] = point_class("static.other")  # a heap is neither flat nor made to stay


def thing_classes(mesh: Mesh) -> np.ndarray:
    """`(F,)` uint8 classes of the faces of something that stands on the ground, z up: plants by what they are made of, the rest is man-made."""
    classes: np.ndarray = _THING[mesh.material]
    low = np.ptp(mesh.vertices[mesh.faces, 2], axis=1) <= TALL_GRASS_M
    classes[(mesh.material == Material.GRASS) & low] = point_class("flat.terrain")
    return classes
