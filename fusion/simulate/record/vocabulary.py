"""nuScenes' fixed tables: categories, attributes, visibility levels; and the folder of all tables."""

from __future__ import annotations

from typing import Any

from fusion.simulate.point_classes import POINT_CLASSES, point_class
from fusion.simulate.record.tokens import token

VERSION = "v1.0-sim"
"""Folder of the tables."""

CATEGORIES = {
    "human.pedestrian.adult": "A grown-up person.",
    "human.pedestrian.child": "A child.",
    "human.pedestrian.wheelchair": "A wheelchair, with whoever sits in it.",
    "human.pedestrian.stroller": "A stroller, with whoever sits in it.",
    "human.pedestrian.personal_mobility": "A small personal vehicle such as a scooter or skateboard, with its rider.",
    "human.pedestrian.police_officer": "A police officer.",
    "human.pedestrian.construction_worker": "A person working on a construction site.",
    "animal": "An animal of some size.",
    "vehicle.car": "A car, van or other vehicle for daily use.",
    "vehicle.motorcycle": "A motorcycle or motor scooter, with its rider.",
    "vehicle.bicycle": "A bicycle, with its rider.",
    "vehicle.bus.bendy": "A bus of several joined sections.",
    "vehicle.bus.rigid": "A bus of one piece.",
    "vehicle.truck": "A vehicle for carrying goods, the tractor of a semi-trailer included.",
    "vehicle.construction": "A machine for construction work.",
    "vehicle.emergency.ambulance": "An ambulance.",
    "vehicle.emergency.police": "A police vehicle.",
    "vehicle.trailer": "A trailer, drawn by a truck, a car or a bicycle.",
    "movable_object.barrier": "A temporary barrier.",
    "movable_object.trafficcone": "A traffic cone.",
    "movable_object.pushable_pullable": "An object that people push or pull, such as a bin on wheels.",
    "movable_object.debris": "Debris on the road.",
    "static_object.bicycle_rack": "A rack with the bicycles in it.",
}
"""Name -> description, of what has boxes."""

BACKGROUND = {
    "noise": "A return from nothing solid, such as a drop of rain, or none at all.",
    "flat.driveable_surface": "Ground on which cars may drive, its markings included.",
    "flat.other": "Other flat structures, such as traffic islands.",
    "flat.sidewalk": "Ground for people on foot, kerbs included.",
    "flat.terrain": "Natural ground: soil, and grass up to 20 cm.",
    "static.manmade": "What was built or set up: buildings, walls, fences, poles, signs, bins.",
    "static.other": "What stands and is nothing else, such as a heap of soil.",
    "static.vegetation": "Plants that are higher than the ground: trees, shrubs, hedges, grass from 20 cm.",
    "vehicle.ego": "The car that carries the sensors.",
}
"""Name -> description, of what only points have."""

ATTRIBUTES = {
    "vehicle.moving": "The vehicle moves.",
    "vehicle.stopped": "The vehicle stands, but means to go on.",
    "vehicle.parked": "The vehicle stands for a longer time.",
    "cycle.with_rider": "Somebody rides it.",
    "cycle.without_rider": "Nobody rides it.",
    "pedestrian.sitting_lying_down": "The person sits or lies.",
    "pedestrian.standing": "The person stands.",
    "pedestrian.moving": "The person moves.",
}
"""Name -> description."""

VISIBILITY = {"1": "v0-40", "2": "v40-60", "3": "v60-80", "4": "v80-100"}
"""Token -> level: share of the object's pixels, over all cameras, that nothing hides."""

Record = dict[str, Any]


def category_token(name: str) -> str:
    """Token of a category; ValueError for a name that nuScenes does not know."""
    if name not in CATEGORIES:
        raise ValueError(f"category {name!r}: expected one of {list(CATEGORIES)}")
    return token("category", name)


def attribute_token(name: str) -> str:
    """Token of an attribute; ValueError for a name that nuScenes does not know."""
    if name not in ATTRIBUTES:
        raise ValueError(f"attribute {name!r}: expected one of {list(ATTRIBUTES)}")
    return token("attribute", name)


def sensor_token(channel: str) -> str:
    """Token of a channel."""
    return token("sensor", channel)


def fixed_tables(cameras: tuple[str, ...], lidar: str | None, lidarseg: bool) -> dict[str, list[Record]]:
    """The tables that are the same for all scenes: category, attribute, visibility, sensor.

    Args:
        cameras: channels.
        lidar: channel.
        lidarseg: also list the categories that only points have, and every category's index.
    """
    sensors = [(name, "camera") for name in cameras] + ([] if lidar is None else [(lidar, "lidar")])
    return {
        "category": _point_categories() if lidarseg else [{"token": category_token(n), "name": n, "description": d} for n, d in CATEGORIES.items()],
        "attribute": [{"token": attribute_token(n), "name": n, "description": d} for n, d in ATTRIBUTES.items()],
        "visibility": [{"token": t, "level": level, "description": f"visibility of the whole object is between {level[1:].replace('-', ' and ')} %"}
                       for t, level in VISIBILITY.items()],
        "sensor": [{"token": sensor_token(name), "channel": name, "modality": modality} for name, modality in sensors],
    }


def _point_categories() -> list[Record]:
    """The category table of nuScenes-lidarseg, in the order of its indices."""
    described = CATEGORIES | BACKGROUND
    return [{"token": token("category", name), "name": name, "description": described[name], "index": point_class(name)} for name in POINT_CLASSES]
