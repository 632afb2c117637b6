"""Lots come to life: buildings, gardens, fences, parked cars, building sites."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.primitives import box
from fusion.simulate.world.houses import hall, house, tower
from fusion.simulate.world.kit import blob, boxes, wall
from fusion.simulate.world.lots import Lot
from fusion.simulate.world.plants import hedge, shrub, tree
from fusion.simulate.world.site import Site


def settle(site: Site, lots: list[Lot]) -> None:
    """Put up every lot, buildings first."""
    for lot in lots:
        {"tower": _tower, "house": _house, "shop": _shop, "depot": _depot}.get(lot.kind, _nothing)(site, lot)
    for lot in lots:
        {"house": _garden, "shop": _car_park, "depot": _yard, "parking": _car_park, "works": _works, "plaza": _plaza, "yard": _park}.get(lot.kind, _nothing)(site, lot)


def _nothing(site: Site, lot: Lot) -> None:
    return


def _place(site: Site, lot: Lot, mesh_width: float, mesh_depth: float, x: float, y: float) -> tuple[np.ndarray, float]:
    """Claim a building's ground; returns its front middle and how far to lift its base to the mean ground of its front."""
    site.take(lot.xy(x, y + mesh_depth / 2), lot.yaw, mesh_width, mesh_depth)
    front = lot.xy(x, y)
    ground = site.land.height(lot.corners(x - mesh_width / 2, x + mesh_width / 2, y, y))
    return front, float(ground.mean() - site.land.height(front))


def _tower(site: Site, lot: Lot) -> None:
    rng = site.rng
    setback = float(rng.uniform(0.0, 0.4) if rng.random() < 0.7 else rng.uniform(1, 3.5))
    width, depth = lot.width_m - float(rng.choice([0.0, 0.0, 2.5])), lot.depth_m - setback - 0.5
    if width < 5 or depth < 5:
        return
    xy, lift = _place(site, lot, width, depth, 0.0, setback)
    site.put(tower(width, depth, int(rng.integers(1, 12)), rng, rng.random() < 0.75), xy, lot.yaw, rise_m=lift)


def _house(site: Site, lot: Lot) -> None:
    rng = site.rng
    yard = float(rng.uniform(3.5, 8.5))
    side = 3.4 if lot.drive_m is not None else 1.2
    width, depth = lot.width_m - side - float(rng.uniform(1.0, 3.0)), min(float(rng.uniform(7, 11)), lot.depth_m - yard - 1)
    if width < 5 or depth < 4:
        return
    x = 0.0 if lot.drive_m is None else -np.sign(lot.drive_m) * side / 2
    xy, lift = _place(site, lot, width, depth, float(x), yard)
    site.put(house(width, depth, rng), xy, lot.yaw, rise_m=lift)


def _shop(site: Site, lot: Lot) -> None:
    _hall(site, lot, float(site.rng.uniform(17, 24)))


def _depot(site: Site, lot: Lot) -> None:
    _hall(site, lot, float(site.rng.uniform(16, 26)))


def _hall(site: Site, lot: Lot, front: float) -> None:
    depth = lot.depth_m - front - 1
    width = lot.width_m * float(site.rng.uniform(0.6, 0.95))
    if depth < 6 or width < 10:
        return
    xy, lift = _place(site, lot, width, depth, 0.0, front)
    site.put(hall(width, depth, site.rng), xy, lot.yaw, rise_m=lift)


def _line(site: Site, lot: Lot, x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """`(N, 3)` ground points about 1 m apart along a line in a lot."""
    count = max(2, int(np.hypot(x1 - x0, y1 - y0)) + 1)
    xy = lot.xy(np.linspace(x0, x1, count), np.linspace(y0, y1, count))
    return np.column_stack([xy, site.land.height(xy)])


def _border(site: Site, lot: Lot, x0: float, y0: float, x1: float, y1: float, kind: str) -> None:
    """A hedge, fence, low wall or rail along a line, and the ground below it taken."""
    rng = site.rng
    if np.hypot(x1 - x0, y1 - y0) < 1.5:
        return
    line = _line(site, lot, x0, y0, x1, y1)
    if kind == "hedge":
        height, thick = float(rng.uniform(0.7, 2.0)), float(rng.uniform(0.5, 1.1))
        site.meshes.append(hedge(line, height, thick, rng))
    elif kind == "wall":
        height, thick = float(rng.uniform(0.45, 1.8)), float(rng.uniform(0.2, 0.45))
        material = Material.BRICK if rng.random() < 0.5 else Material.CONCRETE
        site.meshes.append(wall(line - [0, 0, 0.4], height + 0.4, thick, material, (0.3, 0.24, 0.2) if material == Material.BRICK else (0.4, 0.39, 0.36)))
    else:
        height, thick = float(rng.uniform(0.9, 1.9)), 0.06
        material, colour = (Material.WOOD, (0.3, 0.22, 0.15)) if kind == "boards" else (Material.FENCE, (0.2, 0.2, 0.2))
        site.meshes.append(wall(line + [0, 0, 0.05], height, thick, material, colour))
        posts = line[::2]
        site.meshes.append(boxes(posts + [0, 0, height / 2], np.array([0.1, 0.1, height + 0.3]), Material.METAL if kind == "fence" else Material.WOOD, colour))
    middle = line[len(line) // 2, :2]
    length = float(np.hypot(x1 - x0, y1 - y0))
    site.take(middle, float(lot.yaw + np.arctan2(y1 - y0, x1 - x0)), length, 0.6)


def _garden(site: Site, lot: Lot) -> None:
    rng = site.rng
    w, d = lot.width_m / 2, lot.depth_m
    drive = lot.drive_m
    if drive is not None and rng.random() < 0.6:
        site.stand("vehicle.car" if rng.random() < 0.93 else "vehicle.truck", lot.xy(drive, float(rng.uniform(3.2, 4.6))), lot.yaw + np.pi / 2 * (1 if rng.random() < 0.4 else -1),
                   "vehicle.parked")
    kind = str(rng.choice(["hedge", "wall", "fence", "boards", ""], p=[0.27, 0.16, 0.22, 0.1, 0.25]))
    if kind:
        if drive is None:
            _border(site, lot, -w + 0.3, 0.5, -0.8, 0.5, kind)
            _border(site, lot, 0.8, 0.5, w - 0.3, 0.5, kind)
        else:
            _border(site, lot, -w + 0.3, 0.5, drive - 2.0, 0.5, kind)
            _border(site, lot, drive + 2.0, 0.5, w - 0.3, 0.5, kind)
    side = str(rng.choice(["hedge", "fence", "boards", "", ""]))
    if side:
        _border(site, lot, w - 0.1, 1.0, w - 0.1, d - 0.5, side)
    if rng.random() < 0.6:
        _tree(site, lot.xy(float(rng.uniform(-w, w)), float(rng.uniform(1.5, 5))))
    for _ in range(2):
        _tree(site, lot.xy(float(rng.uniform(-w, w)), d - float(rng.uniform(0.5, 6))))
    for _ in range(int(rng.integers(1, 5))):
        site.put(shrub(rng, float(rng.uniform(0.6, 2.2))), lot.xy(float(rng.uniform(-w, w)), float(rng.uniform(1.2, 5.0))), float(rng.uniform(0, 6)), 0.1)
    if rng.random() < 0.35:
        size = (float(rng.uniform(2, 5)), float(rng.uniform(1.8, 3)), float(rng.uniform(1.6, 2.6)))
        site.put(box(size, Material.WOOD, rng.uniform(0.15, 0.5, 3), (0, 0, size[2] / 2 - 0.2)), lot.xy(float(rng.uniform(-w, w)), d - 3), lot.yaw, 0.2)


def _tree(site: Site, xy: np.ndarray) -> bool:
    if site.near(xy) > 100 or not site.free(xy, 0.0, 0.9, 0.9):
        return False
    site.take(xy, 0.0, 0.5, 0.5)
    trees = site.pool.clutter.setdefault("#trees", [])
    if len(trees) < 14:
        trees.append(tree(site.rng))
    return site.put(trees[int(site.rng.integers(len(trees)))], xy, float(site.rng.uniform(0, 6.28)))


def _rows(site: Site, lot: Lot, y0: float, y1: float, categories: list[str], chance: np.ndarray, fill: float) -> None:
    """Rows of parked vehicles side by side, nose in or out, with aisles between."""
    rng = site.rng
    y, pitch = y0 + 2.7, float(rng.uniform(2.55, 2.95))
    slant = float(rng.choice([0.0, 0.0, 0.0, 0.35, -0.35]))
    while y < y1 - 2.5:
        count = int((lot.width_m - 2.5) / pitch)
        for k in range(count):
            if rng.random() > fill:
                continue
            x = -lot.width_m / 2 + 1.3 + pitch * (k + 0.5)
            if lot.drive_m is not None and y < 9 and abs(x - lot.drive_m) < 3.6:
                continue
            xy = lot.xy(x + float(rng.normal(0, 0.1)), y + float(rng.normal(0, 0.2)))
            if site.near(xy) > 85:
                continue
            category = categories[int(rng.choice(len(categories), p=chance))]
            flip = np.pi if rng.random() < 0.4 else 0.0
            site.stand(category, xy, float(lot.yaw + np.pi / 2 + slant + flip + rng.normal(0, 0.03)), "vehicle.parked" if category.startswith("vehicle") else None)
        y += 11.8 if rng.random() < 0.6 else 6.0


def _car_park(site: Site, lot: Lot) -> None:
    rng = site.rng
    front = lot.depth_m - 1.0 if lot.kind == "parking" else 16.0
    _rows(site, lot, 1.4, front, ["vehicle.car", "vehicle.truck", "vehicle.motorcycle", "vehicle.trailer"], np.array([0.92, 0.055, 0.015, 0.01]),
          float(rng.uniform(0.25, 0.75)))
    kind = str(rng.choice(["hedge", "wall", "fence", "", "", ""]))
    w, drive = lot.width_m / 2, lot.drive_m or 0.0
    if kind:
        _border(site, lot, -w + 0.3, 0.6, drive - 3.6, 0.6, kind)
        _border(site, lot, drive + 3.6, 0.6, w - 0.3, 0.6, kind)
    for x in np.arange(-w + 2, w - 1, float(rng.uniform(6, 12))):
        _tree(site, lot.xy(float(x), 0.55))
        _tree(site, lot.xy(float(x), lot.depth_m - 0.5))
    for _ in range(2):
        site.put(site.pool.thing(_one(site, _BIG)), lot.xy(float(rng.uniform(-w, w)), float(rng.uniform(2, front))), lot.yaw, 0.3)


def _yard(site: Site, lot: Lot) -> None:
    rng = site.rng
    for _ in range(int(rng.integers(3, 8))):
        category = str(rng.choice(["vehicle.trailer", "vehicle.truck", "vehicle.car", "vehicle.construction"], p=[0.34, 0.3, 0.28, 0.08]))
        xy = lot.xy(float(rng.uniform(-0.45, 0.45) * lot.width_m), float(rng.uniform(5, 15)))
        if site.near(xy) < 85:
            site.stand(category, xy, lot.yaw + np.pi / 2 * int(rng.integers(4)) + float(rng.normal(0, 0.06)), "vehicle.parked" if category != "vehicle.trailer" else None, 0.4)
    for _ in range(4):
        site.put(site.pool.thing(_one(site, _BIG)), lot.xy(float(rng.uniform(-0.48, 0.48) * lot.width_m), float(rng.uniform(2, 18))), lot.yaw + float(rng.normal(0, 0.3)), 0.3)
    w, drive = lot.width_m / 2, lot.drive_m or 0.0
    _border(site, lot, -w + 0.3, 0.8, drive - 4, 0.8, "fence")
    _border(site, lot, drive + 4, 0.8, w - 0.3, 0.8, "fence")


def _works(site: Site, lot: Lot) -> None:
    rng = site.rng
    w, d = lot.width_m / 2, lot.depth_m
    open_front = rng.random() < 0.5
    if not open_front:
        _border(site, lot, -w + 0.3, 0.4, w - 0.3, 0.4, str(rng.choice(["fence", "boards"])))
    for _ in range(int(rng.integers(1, 4))):
        site.stand("vehicle.construction", lot.xy(float(rng.uniform(-w + 4, w - 4)), float(rng.uniform(5, d * 0.6))), float(rng.uniform(-3.1, 3.1)), "vehicle.parked", 0.5)
    for _ in range(int(rng.integers(0, 3))):
        site.stand("vehicle.truck", lot.xy(float(rng.uniform(-w + 4, w - 4)), float(rng.uniform(5, d * 0.6))), float(rng.uniform(-3.1, 3.1)), "vehicle.parked", 0.5)
    for _ in range(int(rng.integers(1, 4))):
        r = float(rng.uniform(1.2, 3.2))
        site.put(blob((r, r * 0.9, r * 0.55), (0, 0, 0), rng, Material.SOIL, (0.24, 0.18, 0.11), 4, 9), lot.xy(float(rng.uniform(-w, w)), float(rng.uniform(4, d))), 0.0, 0.2)
    for _ in range(int(rng.integers(2, 6))):
        site.stand("human.pedestrian.construction_worker" if rng.random() < 0.8 else "human.pedestrian.adult",
                   lot.xy(float(rng.uniform(-w + 1, w - 1)), float(rng.uniform(1.5, 12))), float(rng.uniform(-3.1, 3.1)), None)
    for _ in range(5):
        site.put(site.pool.thing(_one(site, _BIG)), lot.xy(float(rng.uniform(-w, w)), float(rng.uniform(2, d))), float(rng.uniform(0, 6)), 0.3)
    for x in np.arange(-w + 1, w - 1, 2.75):
        if open_front and rng.random() < 0.75:
            place_barrier(site, lot.xy(float(x), 0.7), lot.yaw)
    if rng.random() < 0.6:  # a shell with scaffold
        width, depth = w * 1.3, d * 0.35
        xy, lift = _place(site, lot, width, depth, 0.0, d * 0.62)
        levels = int(rng.integers(1, 5))
        z = 3.2 * np.arange(levels + 1)
        site.put(boxes(np.column_stack([np.zeros(levels + 1), np.full(levels + 1, depth / 2), z]), np.array([width, depth, 0.3]), Material.CONCRETE, (0.4, 0.39, 0.37)), xy, lot.yaw, rise_m=lift)
        x = np.repeat(np.linspace(-width / 2 + 0.3, width / 2 - 0.3, 6), 2)
        y = np.tile([0.3, depth - 0.3], 6)
        site.put(boxes(np.column_stack([x, y, np.full(12, 1.6 * levels)]), np.array([0.4, 0.4, 3.2 * levels + 2]), Material.CONCRETE, (0.4, 0.39, 0.37)), xy, lot.yaw, rise_m=lift)
        poles = np.linspace(-width / 2, width / 2, int(width / 2.2) + 1)
        site.put(boxes(np.column_stack([poles, np.full(len(poles), -1.2), np.full(len(poles), 1.7 * levels)]), np.array([0.07, 0.07, 3.4 * levels + 2]), Material.METAL, (0.4, 0.4, 0.42)),
                 xy, lot.yaw, rise_m=lift)
        site.put(boxes(np.column_stack([np.zeros(levels), np.full(levels, -0.7), 3.2 * np.arange(levels) + 2.0]), np.array([width, 1.0, 0.08]), Material.WOOD, (0.35, 0.27, 0.18)),
                 xy, lot.yaw, rise_m=lift)


def place_barrier(site: Site, xy: np.ndarray, yaw: float) -> bool:
    """A barrier whose longer side lies along a heading."""
    shape = site.pool.shape("movable_object.barrier")
    turn = 0.0 if shape.size_lwh[0] > shape.size_lwh[1] else np.pi / 2
    return site.stand("movable_object.barrier", xy, yaw + turn + float(site.rng.normal(0, 0.05)), None, 0.0, shape)


def _plaza(site: Site, lot: Lot) -> None:
    rng = site.rng
    w, d = lot.width_m / 2, lot.depth_m
    for _ in range(int(rng.integers(3, 8))):
        _tree(site, lot.xy(float(rng.uniform(-w, w)), float(rng.uniform(1, d))))
    for _ in range(int(rng.integers(3, 9))):
        site.put(site.pool.thing(_one(site, _SMALL)), lot.xy(float(rng.uniform(-w, w)), float(rng.uniform(0.5, d))), float(rng.uniform(0, 6)), 0.3)
    for _ in range(int(rng.integers(1, 4))):
        _border(site, lot, *rng.uniform([-w, 1], [w, d]), *rng.uniform([-w, 1], [w, d]), "wall")
    for _ in range(int(rng.integers(1, 6))):
        site.stand("human.pedestrian.adult", lot.xy(float(rng.uniform(-w, w)), float(rng.uniform(0.5, min(d, 12)))), float(rng.uniform(-3, 3)), None)


def _park(site: Site, lot: Lot) -> None:
    rng = site.rng
    w, d = lot.width_m / 2, lot.depth_m
    for _ in range(int(lot.width_m * d / 75)):
        _tree(site, lot.xy(float(rng.uniform(-w, w)), float(rng.uniform(1.2, d))))
    for _ in range(int(rng.integers(4, 12))):
        site.put(shrub(rng, float(rng.uniform(0.7, 2.6))), lot.xy(float(rng.uniform(-w, w)), float(rng.uniform(0.8, d))), float(rng.uniform(0, 6)), 0.2)
    if rng.random() < 0.7:
        _border(site, lot, -w, 0.5, w, 0.5, str(rng.choice(["wall", "wall", "fence", "hedge"])))
    for _ in range(int(rng.integers(0, 4))):
        site.stand("human.pedestrian.adult", lot.xy(float(rng.uniform(-w, w)), float(rng.uniform(1.0, min(d, 15)))), float(rng.uniform(-3, 3)), None)


_BIG = ("dumpster", "boxes", "shed", "bush", "rock", "pallets", "container")
_SMALL = ("bin", "bench", "bush", "planter", "sign", "bollard", "hydrant")


def _one(site: Site, kinds: tuple[str, ...]) -> str:
    """One of the kinds that the catalogue knows."""
    from fusion.simulate.shapes.catalogue import CLUTTER

    known = [kind for kind in kinds if kind in CLUTTER] or sorted(CLUTTER)
    return known[int(site.rng.integers(len(known)))]
