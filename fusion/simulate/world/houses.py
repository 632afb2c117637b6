"""Buildings: facades in relief (piers, sills, recessed glass, doors, awnings, balconies), gabled houses, sheds and halls."""

from __future__ import annotations

import numpy as np

from fusion.geometry.transforms import pose_from_angles
from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.primitives import box
from fusion.simulate.world.draw import choose, maybe, span
from fusion.simulate.world.kit import boxes, gable, row, sheet, upright

_SQUARE = ((-1, -1), (1, -1), (1, 1), (-1, 1))
_PANE = (0.06, 0.07, 0.09)
_STEP = (0.35, 0.34, 0.32)

BELOW_M = 2.5
"""How deep buildings reach below the ground at their middle."""


def _wall(rng: np.random.Generator) -> tuple[Material, np.ndarray]:
    kind = rng.choice(["brick", "plaster", "concrete", "metal"], p=[0.38, 0.34, 0.2, 0.08])
    if kind == "brick":
        return Material.BRICK, np.array([rng.uniform(0.18, 0.38), rng.uniform(0.09, 0.16), rng.uniform(0.06, 0.12)])
    grey = rng.uniform(0.15, 0.7)
    tint = np.clip(grey * np.array([1.03, 1.0, 0.95]) * rng.uniform(0.93, 1.07, 3), 0, 0.85)
    return {"plaster": Material.PLASTER, "concrete": Material.CONCRETE, "metal": Material.METAL}[str(kind)], tint


def facade(length: float, floors: int, floor_m: float, ground_m: float, rng: np.random.Generator, material: Material, colour: np.ndarray,
           shop: bool) -> list[Mesh]:
    """One face, seen from -y, from -length / 2 to length / 2 along x; the wall's outer plane is y = 0, its glass lies behind."""
    height, recess = ground_m + floors * floor_m, span(rng, 0.12, 0.45)
    columns = max(1, round(length / span(rng, 1.9, 4.5)))
    pitch = length / columns
    pier, sill, low = pitch * span(rng, 0.2, 0.6), floor_m * span(rng, 0.25, 0.6), ground_m if shop else -BELOW_M
    trim = np.clip(colour * span(rng, 0.6, 1.5), 0, 0.9)
    x, z = -length / 2 + pitch * np.arange(columns + 1), ground_m + floor_m * np.arange(floors + 1)
    parts = [sheet(np.array(upright(-length / 2, length / 2, recess, -BELOW_M, height)), Material.FACADE_GLASS, _PANE),
             boxes(row(x, recess / 2, (height + low) / 2), np.array([pier, recess, height - low]), material, colour),
             boxes(row(0, recess / 2 + 0.02, z), np.array([length, recess, sill]), material, colour * 0.95)]
    if maybe(rng, 0.7):
        parts.append(box((length + 0.5, 0.7, 0.5), material, trim, (0, -0.1, height)))
    if shop:
        parts += _shop_front(length, ground_m, recess, rng, material, trim)
    elif maybe(rng, 0.5):
        parts.append(box((length, recess + 0.25, 0.9 + BELOW_M), material, trim, (0, recess / 2 - 0.12, 0.45 - BELOW_M / 2)))
    if maybe(rng, 0.25) and floors > 1:  # balconies
        at = np.array([[-length / 2 + pitch * (c + 0.5), -0.55, ground_m + floor_m * f + 0.1] for f in range(floors)
                       for c in range(0, columns, int(rng.integers(1, 3)))])
        parts.append(boxes(at, np.array([pitch * 0.8, 1.1, 0.15]), Material.CONCRETE, trim))
        parts.append(boxes(at + [0, -0.5, 0.5], np.array([pitch * 0.8, 0.06, 0.9]), Material.FENCE if maybe(rng, 0.6) else material, trim * 0.6))
    if maybe(rng, 0.2) and length > 10:  # bay windows
        bays = np.arange(-length / 2 + pitch * 1.5, length / 2 - pitch, pitch * 3)
        parts.append(boxes(row(bays, -0.4, (height + ground_m) / 2), np.array([pitch * 0.9, 0.9, height - ground_m - 0.4]), material, colour))
        panes = [upright(px - pitch * 0.35, px + pitch * 0.35, -0.86, base + 0.9, base + 2.4) for px in bays for base in z[:-1]]
        parts.append(sheet(np.array(panes), Material.FACADE_GLASS, _PANE))
    return parts


def _shop_front(length: float, ground_m: float, recess: float, rng: np.random.Generator, material: Material, trim: np.ndarray) -> list[Mesh]:
    """The street floor: pillars, a plinth, and in each bay perhaps an awning, a board or a door."""
    bays = max(1, round(length / span(rng, 3, 6)))
    width = length / bays
    x = -length / 2 + width * np.arange(bays + 1)
    pillar = np.array([span(rng, 0.35, 0.9), recess + 0.1, ground_m + BELOW_M])
    parts = [boxes(row(x, recess / 2 - 0.05, (ground_m - BELOW_M) / 2), pillar, material, trim),
             box((length, recess + 0.1, 0.45 + BELOW_M), material, trim, (0, recess / 2 - 0.05, 0.45 / 2 - BELOW_M / 2))]
    for middle in (x[:-1] + x[1:]) / 2:
        left, right = float(middle) - width * 0.45, float(middle) + width * 0.45
        if maybe(rng, 0.35):  # an awning
            reach, top = span(rng, 0.8, 1.8), ground_m - span(rng, 0.2, 0.8)
            low = top - reach * 0.4
            slope = [[left, -reach, low], [right, -reach, low], [right, 0, top], [left, 0, top]]
            parts.append(sheet(np.array([slope, upright(left, right, -reach, low - 0.25, low)]), Material.CLOTH, _dull(rng)))
        elif maybe(rng, 0.3):  # a board
            parts.append(box((width * 0.8, 0.2, 0.6), Material.PLASTIC, _dull(rng), (middle, -0.12, ground_m - 0.4)))
        if maybe(rng, 0.4):  # a door with a step
            parts.append(box((1.1, 0.1, 2.2), Material.WOOD, rng.uniform(0.03, 0.3, 3), (middle, recess - 0.06, 1.1)))
            parts.append(box((1.8, 0.9, 0.3), Material.CONCRETE, _STEP, (middle, -0.4, 0.05)))
    return parts


def _dull(rng: np.random.Generator) -> np.ndarray:
    """A colour of cloth or boards, seldom bright."""
    grey = span(rng, 0.05, 0.5)
    return np.clip(grey + span(rng, 0.05, 0.9) * (rng.uniform(0.03, 0.6, 3) - grey), 0.02, 0.8)


def tower(width: float, depth: float, floors: int, rng: np.random.Generator, shop: bool = True) -> Mesh:
    """A town building; its front middle at the origin, its body towards +y; upper floors may step back."""
    material, colour = _wall(rng)
    floor_m, ground_m = span(rng, 2.9, 3.8), span(rng, 3.4, 5.0)
    layers = [(width, depth, floors, 0.0, ground_m)]
    if floors > 5 and maybe(rng, 0.6):
        low, back = int(rng.integers(2, 5)), span(rng, 1.5, 5)
        layers = [(width, depth, low, 0.0, ground_m), (width - back, depth - back, floors - low, ground_m + low * floor_m, 0.5)]
    parts: list[Mesh] = []
    for w, d, count, z, base in layers:
        height = base + count * floor_m
        for side, (length, shift) in enumerate(((w, -d / 2), (d, -w / 2), (w, -d / 2), (d, -w / 2))):
            if side != 2:
                street_floor = shop and z == 0 and (side == 0 or maybe(rng, 0.4))
                face = join(facade(length, count, floor_m, base, rng, material, colour, street_floor))
                turn = side * np.pi / 2
                parts.append(face.moved(pose_from_angles((-np.sin(turn) * shift, depth / 2 + np.cos(turn) * shift, z), yaw=turn)))
        back_wall, roof = upright(-w / 2, w / 2, d / 2, -BELOW_M, height), [[sx * w / 2, sy * d / 2, height] for sx, sy in _SQUARE]
        inner = [sheet(np.array([back_wall, roof]), material, colour)]
        if w > 8 and d > 8:  # rooms end somewhere
            inner.append(box((w - 5.0, d - 5.0, height + BELOW_M), Material.PLASTER, (0.2, 0.19, 0.18), (0, 0, (height - BELOW_M) / 2)))
        parts.append(join(inner).moved(pose_from_angles((0, depth / 2, z), yaw=0.0)))
    return join(parts)


def house(width: float, depth: float, rng: np.random.Generator) -> Mesh:
    """A family house with a pitched roof, windows, steps, perhaps a porch; front middle at the origin, body towards +y."""
    material = choose(rng, {Material.WOOD: 0.5, Material.BRICK: 0.25, Material.PLASTER: 0.25})
    colour = _wall(rng)[1] if material != Material.WOOD else np.clip(span(rng, 0.25, 0.75) * rng.uniform(0.8, 1.1, 3), 0, 0.85)
    trim, floors, turned = np.clip(colour * 1.5, 0.1, 0.85), int(rng.integers(1, 4)), maybe(rng, 0.4)
    eaves = 2.9 * floors + 0.4
    along, across = (depth, width) if turned else (width, depth)
    tiles = np.array([0.12, 0.09, 0.08]) * span(rng, 0.6, 2.0)
    roof = gable(along, across, eaves, span(rng, 1.4, 3.4), 0.45, Material.CONCRETE, tiles, material, colour)
    move = pose_from_angles((0, depth / 2, 0), yaw=np.pi / 2 if turned else 0.0)
    parts = [box((width, depth, eaves + BELOW_M), material, colour, (0, depth / 2, (eaves - BELOW_M) / 2)), *(piece.moved(move) for piece in roof)]
    columns = max(2, int(width / 2.6))
    x = -width / 2 + width / columns * (np.arange(columns) + 0.5)
    for z in 1.9 + 2.9 * np.arange(floors):
        parts.append(boxes(row(x, -0.03, z), np.array([1.25, 0.12, 1.55]), Material.PLASTIC, trim))
        parts.append(boxes(row(x, -0.06, z), np.array([0.95, 0.1, 1.25]), Material.FACADE_GLASS, _PANE))
        for s in (-1, 1):
            parts.append(boxes(row(s * width / 2, depth * np.array([0.25, 0.75]), z), np.array([0.12, 1.1, 1.4]), Material.FACADE_GLASS, _PANE))
    door = span(rng, -0.3, 0.3) * width
    parts.append(box((1.1, 0.16, 2.1), Material.WOOD, rng.uniform(0.03, 0.4, 3), (door, -0.05, 1.45)))
    parts.append(boxes(row(door, np.array([-0.5, -0.9, -1.3]), np.array([0.1, -0.1, -0.3])), np.array([1.7, 0.5, 0.4]), Material.CONCRETE, _STEP))
    if maybe(rng, 0.55):  # a porch
        w = span(rng, 0.35, 0.9) * width
        parts.append(box((w, 1.9, 0.18), Material.WOOD, trim, (door * 0.3, -0.95, 2.75)))
        parts.append(boxes(row(door * 0.3 + np.array([-1, 1]) * (w / 2 - 0.15), -1.75, 1.0), np.array([0.16, 0.16, 3.4]), Material.WOOD, trim))
    if maybe(rng, 0.5):
        parts.append(box((0.7, 0.7, 1.8), Material.BRICK, (0.25, 0.12, 0.09), (width * 0.25, depth * 0.6, eaves + 2.0)))
    return join(parts)


def hall(width: float, depth: float, rng: np.random.Generator, docks: int = 0) -> Mesh:
    """A shop or warehouse: a big low box with pilasters, gates (`docks` of them, if any) or a glass front, a sign and a canopy; front middle at
    the origin."""
    material, colour = _wall(rng)
    height, trim, gates = span(rng, 5, 10), np.clip(colour * span(rng, 0.5, 1.4), 0, 0.9), docks > 0 or maybe(rng, 0.5)
    count = docks or max(3, round(width / span(rng, 4, 8)))
    x = -width / 2 + width / count * np.arange(count + 1)
    parts = [box((width, depth, height + BELOW_M), material, colour, (0, depth / 2, (height - BELOW_M) / 2)),
             boxes(row(x, -0.12, (height - BELOW_M) / 2), np.array([0.5, 0.3, height + BELOW_M]), material, trim)]
    for px in (x[:-1] + x[1:]) / 2:
        if gates and maybe(rng, 0.95 if docks else 0.6):
            parts.append(box((min(3.0, width / count - 0.6), 0.1, 3.6), Material.METAL, rng.uniform(0.2, 0.7, 3), (px, -0.04, 1.8)))
            parts.append(box((min(3.4, width / count - 0.2), 0.5, 1.2), Material.RUBBER, (0.03, 0.03, 0.03), (px, -0.2, 0.3)))
        elif not gates:
            parts.append(box((width / count * 0.75, 0.1, 2.8), Material.FACADE_GLASS, _PANE, (px, -0.04, 1.6)))
    if not gates:
        parts.append(box((width * 0.8, 2.2, 0.4), Material.METAL, trim, (0, -1.1, 3.6)))
        parts.append(boxes(row(width * 0.39 * np.array([-1, -0.33, 0.33, 1]), -2.0, 1.2), np.array([0.3, 0.3, 4.6]), Material.METAL, trim))
    sign = (width * span(rng, 0.2, 0.5), 0.3, 1.3)
    parts.append(box(sign, Material.PLASTIC, _dull(rng), (span(rng, -0.2, 0.2) * width, -0.2, height - 1.2)))
    units = row(rng.uniform(-0.4, 0.4, 4) * width, rng.uniform(0.2, 0.8, 4) * depth, height + 0.6)
    parts.append(boxes(units, np.array([2.2, 1.6, 1.3]), Material.METAL, (0.4, 0.4, 0.4)))
    return join(parts)
