"""How each data set's category names map to the ten detection classes, and index helpers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fusion.types import DETECTION_CLASSES

DETECTION_NAME: Mapping[str, str] = MappingProxyType({
    "movable_object.barrier": "barrier",
    "movable_object.trafficcone": "traffic_cone",
    "vehicle.bicycle": "bicycle",
    "vehicle.bus.bendy": "bus",
    "vehicle.bus.rigid": "bus",
    "vehicle.car": "car",
    "vehicle.construction": "construction_vehicle",
    "vehicle.motorcycle": "motorcycle",
    "vehicle.trailer": "trailer",
    "vehicle.truck": "truck",
    "human.pedestrian.adult": "pedestrian",
    "human.pedestrian.child": "pedestrian",
    "human.pedestrian.construction_worker": "pedestrian",
    "human.pedestrian.police_officer": "pedestrian",
})
"""nuScenes category -> detection class; categories that are absent here are not part of the detection task."""

KITTI_NAME: Mapping[str, str] = MappingProxyType({
    "Car": "car",
    "Van": "car",
    "Truck": "truck",
    "Pedestrian": "pedestrian",
    "Person_sitting": "pedestrian",
    "Cyclist": "bicycle",
})
"""KITTI object type -> detection class; Tram, Misc and DontCare have none."""

DGP_NAME: Mapping[str, str] = MappingProxyType({
    "Car": "car",
    "Truck": "truck",
    "Bus": "bus",
    "Bus/RV/Caravan": "bus",
    "Trailer": "trailer",
    "Towed Object": "trailer",
    "Person": "pedestrian",
    "Pedestrian": "pedestrian",
    "Motorcycle": "motorcycle",
    "Motorcyclist": "motorcycle",
    "Bicycle": "bicycle",
    "Bicyclist": "bicycle",
    "Cyclist": "bicycle",
})
"""DGP ontology name -> detection class."""


def label_of(name: str | None) -> int:
    """Index of a detection class in `DETECTION_CLASSES`; -1 for None."""
    return -1 if name is None else DETECTION_CLASSES.index(name)
