"""Lines in the land: hedges, fences with or without a cloth, low walls, guard rails."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.world.draw import choose, maybe, span
from fusion.simulate.world.kit import boxes, wall
from fusion.simulate.world.lots import Lot
from fusion.simulate.world.plants import hedge
from fusion.simulate.world.site import Site


def border(site: Site, xy: np.ndarray, kind: str) -> None:
    """Put a "hedge", "wall", "fence", "cloth", "boards" or "rail" along `(N, 2)` places about 1-1.5 m apart, and take the ground below."""
    rng = site.rng
    if len(xy) < 2:
        return
    line = np.column_stack([xy, site.land.height(xy)])
    if kind == "hedge":
        site.meshes.append(hedge(line, span(rng, 0.6, 2.0), span(rng, 0.5, 1.1), rng))
    elif kind == "wall":
        height, brick = span(rng, 0.4, 1.6), maybe(rng, 0.45)
        site.meshes.append(wall(line - [0, 0, 0.4], height + 0.4, span(rng, 0.2, 0.45), Material.BRICK if brick else Material.CONCRETE,
                                np.array([0.3, 0.22, 0.18]) if brick else np.full(3, span(rng, 0.2, 0.5))))
    elif kind == "rail":
        site.meshes.append(wall(line + [0, 0, 0.42], 0.31, 0.08, Material.METAL, (0.42, 0.42, 0.43)))
        site.meshes.append(boxes(line[::2] + [0, 0, 0.3], np.array([0.1, 0.12, 0.9]), Material.METAL, (0.35, 0.35, 0.35)))
    else:
        height, wood = span(rng, 0.9, 1.9), kind == "boards"
        colour = np.array([0.3, 0.22, 0.15]) * span(rng, 0.6, 1.6) if wood else np.full(3, span(rng, 0.05, 0.4))
        if kind == "cloth":
            colour = np.array(choose(rng, {(0.03, 0.1, 0.05): 0.4, (0.02, 0.02, 0.03): 0.4, (0.05, 0.1, 0.3): 0.2}))
            height = span(rng, 1.6, 2.2)
        skin = {"boards": Material.WOOD, "cloth": Material.CLOTH}.get(kind, Material.FENCE)
        site.meshes.append(wall(line + [0, 0, 0.05], height, 0.06, skin, colour))
        post = Material.WOOD if wood else Material.METAL
        site.meshes.append(boxes(line[::2] + [0, 0, height / 2], np.array([0.09, 0.09, height + 0.3]), post, colour))
    middles = (xy[1:] + xy[:-1]) / 2
    steps = np.diff(xy, axis=0)
    for middle, (dx, dy) in zip(middles, steps, strict=True):
        site.take(middle, float(np.arctan2(dy, dx)), float(np.hypot(dx, dy)) + 0.2, 0.7)


def lot_border(site: Site, lot: Lot, a: tuple[float, float], b: tuple[float, float], kind: str) -> None:
    """A straight border between two places `(x, y)` of a lot, where nothing stands yet."""
    length = float(np.hypot(b[0] - a[0], b[1] - a[1]))
    if length < 1.5 or site.near(lot.xy((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)) > 100:
        return
    count = max(2, int(length) + 1)
    xy = lot.xy(np.linspace(a[0], b[0], count), np.linspace(a[1], b[1], count))
    if all(site.free(p, lot.yaw, 0.7, 0.7) for p in xy):
        border(site, xy, kind)


def front_border(site: Site, lot: Lot, weights: Mapping[str, float], gap_m: float) -> None:
    """A border along a lot's front, open for `gap_m` to either side of the driveway (or of the middle); weight of "" for none."""
    kind = choose(site.rng, weights)
    if kind:
        gate, half = lot.drive_m if lot.drive_m is not None else 0.0, lot.width_m / 2 - 0.3
        lot_border(site, lot, (-half, 0.5), (gate - gap_m, 0.5), kind)
        lot_border(site, lot, (gate + gap_m, 0.5), (half, 0.5), kind)
