"""Buildings: facades in relief (piers, sills, recessed glass, doors, awnings, balconies), gabled houses, sheds and halls."""

from __future__ import annotations

import numpy as np

from fusion.simulate.materials import Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.primitives import box
from fusion.simulate.world.kit import boxes, gable, sheet

BELOW_M = 2.5
"""How deep buildings reach below the ground at their middle."""


def _wall(rng: np.random.Generator) -> tuple[Material, np.ndarray]:
    kind = rng.choice(["brick", "plaster", "concrete", "metal"], p=[0.38, 0.34, 0.2, 0.08])
    if kind == "brick":
        return Material.BRICK, np.array([rng.uniform(0.18, 0.38), rng.uniform(0.09, 0.16), rng.uniform(0.06, 0.12)])
    grey = rng.uniform(0.15, 0.7)
    tint = np.clip(grey * rng.uniform(0.82, 1.12, 3), 0, 0.85)
    return {"plaster": Material.PLASTER, "concrete": Material.CONCRETE, "metal": Material.METAL}[str(kind)], tint


def facade(length: float, floors: int, floor_m: float, ground_m: float, style: np.random.Generator, material: Material, colour: np.ndarray,
           shop: bool) -> list[Mesh]:
    """One face, from (-length / 2, 0, 0), seen from -y; the wall's outer plane is y = 0."""
    rng = style
    height = ground_m + floors * floor_m
    recess = float(rng.uniform(0.12, 0.45))
    columns = max(1, round(length / float(rng.uniform(1.9, 4.5))))
    pitch = length / columns
    pier = pitch * float(rng.uniform(0.2, 0.6))
    sill = floor_m * float(rng.uniform(0.25, 0.6))
    parts = [sheet(np.array([[[-length / 2, recess, -BELOW_M], [length / 2, recess, -BELOW_M], [length / 2, recess, height], [-length / 2, recess, height]]]),
                   Material.FACADE_GLASS, (0.06, 0.07, 0.09))]
    x = -length / 2 + pitch * np.arange(columns + 1)
    start = -BELOW_M if not shop else ground_m
    parts.append(boxes(np.column_stack([x, np.full(columns + 1, recess / 2), np.full(columns + 1, (height + start) / 2)]),
                       np.array([pier, recess, height - start]), material, colour))
    z = ground_m + floor_m * np.arange(floors + 1)
    parts.append(boxes(np.column_stack([np.zeros(floors + 1), np.full(floors + 1, recess / 2 + 0.02), z]), np.array([length, recess, sill]), material, colour * 0.95))
    trim = np.clip(colour * float(rng.uniform(0.6, 1.5)), 0, 0.9)
    if rng.random() < 0.7:
        parts.append(box((length + 0.5, 0.7, 0.5), material, trim, (0, -0.1, height)))
    if shop:
        bays = max(1, round(length / float(rng.uniform(3, 6))))
        x = -length / 2 + length / bays * np.arange(bays + 1)
        parts.append(boxes(np.column_stack([x, np.full(bays + 1, recess / 2 - 0.05), np.full(bays + 1, (ground_m - BELOW_M) / 2)]),
                           np.array([float(rng.uniform(0.35, 0.9)), recess + 0.1, ground_m + BELOW_M]), material, trim))
        parts.append(box((length, recess + 0.1, 0.45 + BELOW_M), material, trim, (0, recess / 2 - 0.05, 0.45 / 2 - BELOW_M / 2)))
        for bay in range(bays):
            middle = (x[bay] + x[bay + 1]) / 2
            width = length / bays
            if rng.random() < 0.35:  # an awning
                reach, top = float(rng.uniform(0.8, 1.8)), ground_m - float(rng.uniform(0.2, 0.8))
                cloth = rng.uniform(0.05, 0.6, 3)
                low = top - reach * 0.4
                parts.append(sheet(np.array([[[middle - width * 0.45, -reach, low], [middle + width * 0.45, -reach, low],
                                              [middle + width * 0.45, 0, top], [middle - width * 0.45, 0, top]],
                                             [[middle - width * 0.45, -reach, low - 0.25], [middle + width * 0.45, -reach, low - 0.25],
                                              [middle + width * 0.45, -reach, low], [middle - width * 0.45, -reach, low]]]), Material.CLOTH, cloth))
            elif rng.random() < 0.3:  # a sign board
                parts.append(box((width * 0.8, 0.2, 0.6), Material.PLASTIC, rng.uniform(0.05, 0.8, 3), (middle, -0.12, ground_m - 0.4)))
            if rng.random() < 0.4:  # a door, set back or with steps
                parts.append(box((1.1, 0.1, 2.2), Material.WOOD, rng.uniform(0.03, 0.3, 3), (middle, recess - 0.06, 1.1)))
                parts.append(box((1.8, 0.9, 0.3), Material.CONCRETE, (0.35, 0.34, 0.32), (middle, -0.4, 0.05)))
    elif rng.random() < 0.5:
        parts.append(box((length, recess + 0.25, 0.9 + BELOW_M), material, trim, (0, recess / 2 - 0.12, 0.45 - BELOW_M / 2)))
    if rng.random() < 0.25 and floors > 1:  # balconies
        every = int(rng.integers(1, 3))
        spots = [(-length / 2 + pitch * (c + 0.5), ground_m + floor_m * f) for f in range(floors) for c in range(0, columns, every)]
        at = np.array([[px, -0.55, pz + 0.1] for px, pz in spots])
        parts.append(boxes(at, np.array([pitch * 0.8, 1.1, 0.15]), Material.CONCRETE, trim))
        parts.append(boxes(at + [0, -0.5, 0.5], np.array([pitch * 0.8, 0.06, 0.9]), Material.FENCE if rng.random() < 0.6 else material, trim * 0.6))
    if rng.random() < 0.2 and length > 10:  # bay windows
        for px in np.arange(-length / 2 + pitch * 1.5, length / 2 - pitch, pitch * 3):
            parts.append(box((pitch * 0.9, 0.9, height - ground_m - 0.4), material, colour, (float(px), -0.4, (height + ground_m) / 2)))
            parts.append(sheet(np.array([[[px - pitch * 0.35, -0.86, ground_m + f * floor_m + 0.9], [px + pitch * 0.35, -0.86, ground_m + f * floor_m + 0.9],
                                          [px + pitch * 0.35, -0.86, ground_m + f * floor_m + 2.4], [px - pitch * 0.35, -0.86, ground_m + f * floor_m + 2.4]]
                                         for f in range(floors)]), Material.FACADE_GLASS, (0.06, 0.07, 0.09)))
    return parts


def tower(width: float, depth: float, floors: int, rng: np.random.Generator, shop: bool = True) -> Mesh:
    """A town building; its front middle at the origin, its body towards +y; upper floors may step back."""
    material, colour = _wall(rng)
    floor_m, ground_m = float(rng.uniform(2.9, 3.8)), float(rng.uniform(3.4, 5.0))
    parts: list[Mesh] = []
    layers = [(width, depth, floors, 0.0, ground_m)]
    if floors > 5 and rng.random() < 0.6:
        low = int(rng.integers(2, 5))
        back = float(rng.uniform(1.5, 5))
        layers = [(width, depth, low, 0.0, ground_m), (width - back, depth - back, floors - low, ground_m + low * floor_m, 0.5)]
    for index, (w, d, count, z, base) in enumerate(layers):
        height = base + count * floor_m
        turned = []
        for side, (length, shift) in enumerate(((w, -d / 2), (d, -w / 2), (w, -d / 2), (d, -w / 2))):
            if side == 2:
                continue
            face = join(facade(length, count, floor_m, base, rng, material, colour, shop and index == 0 and (side == 0 or rng.random() < 0.4)))
            angle = side * np.pi / 2
            cos, sin = np.cos(angle), np.sin(angle)
            matrix = np.array([[cos, -sin, 0, -sin * shift], [sin, cos, 0, cos * shift], [0, 0, 1, 0], [0, 0, 0, 1]])
            turned.append(face.moved(matrix))
        core = box((w - 5.0, max(d - 5.0, 1.0), height + BELOW_M), Material.PLASTER, (0.2, 0.19, 0.18), (0, 0, (height - BELOW_M) / 2)) if w > 8 and d > 8 else None
        back_wall = sheet(np.array([[[-w / 2, d / 2, -BELOW_M], [w / 2, d / 2, -BELOW_M], [w / 2, d / 2, height], [-w / 2, d / 2, height]],
                                    [[-w / 2, -d / 2, height], [w / 2, -d / 2, height], [w / 2, d / 2, height], [-w / 2, d / 2, height]]]), material, colour)
        whole = join([*turned, back_wall, *([core] if core is not None else [])])
        move = np.eye(4)
        move[:3, 3] = (0, depth / 2, z)
        parts.append(whole.moved(move))
    return join(parts)


def house(width: float, depth: float, rng: np.random.Generator) -> Mesh:
    """A family house with a pitched roof, windows, a porch, perhaps a garage wing; front middle at the origin, body towards +y."""
    material = Material.WOOD if rng.random() < 0.5 else Material.BRICK if rng.random() < 0.5 else Material.PLASTER
    colour = _wall(rng)[1] if material != Material.WOOD else np.clip(rng.uniform(0.25, 0.75) * rng.uniform(0.8, 1.1, 3), 0, 0.85)
    floors = int(rng.integers(1, 4))
    eaves = 2.9 * floors + 0.4
    parts = [box((width, depth, eaves + BELOW_M), material, colour, (0, depth / 2, (eaves - BELOW_M) / 2))]
    roof = np.array([0.12, 0.09, 0.08]) * rng.uniform(0.6, 2.0)
    turned = rng.random() < 0.4
    pieces = gable(depth if turned else width, width if turned else depth, eaves, float(rng.uniform(1.4, 3.4)), 0.45, Material.CONCRETE, roof, material, colour)
    cos, sin = (0.0, 1.0) if turned else (1.0, 0.0)
    move = np.array([[cos, -sin, 0, 0], [sin, cos, 0, depth / 2], [0, 0, 1, 0], [0, 0, 0, 1]])
    parts += [piece.moved(move) for piece in pieces]
    trim = np.clip(colour * 1.5, 0.1, 0.85)
    columns = max(2, int(width / 2.6))
    for floor in range(floors):
        x = -width / 2 + width / columns * (np.arange(columns) + 0.5)
        z = 0.4 + 2.9 * floor + 1.5
        parts.append(boxes(np.column_stack([x, np.full(columns, -0.03), np.full(columns, z)]), np.array([1.25, 0.12, 1.55]), Material.PLASTIC, trim))
        parts.append(boxes(np.column_stack([x, np.full(columns, -0.06), np.full(columns, z)]), np.array([0.95, 0.1, 1.25]), Material.FACADE_GLASS, (0.06, 0.07, 0.09)))
        for s in (-1, 1):
            y = depth * (np.arange(2) + 0.5) / 2
            parts.append(boxes(np.column_stack([np.full(2, s * width / 2), y, np.full(2, z)]), np.array([0.12, 1.1, 1.4]), Material.FACADE_GLASS, (0.06, 0.07, 0.09)))
    door = float(rng.uniform(-0.3, 0.3) * width)
    parts.append(box((1.1, 0.16, 2.1), Material.WOOD, rng.uniform(0.03, 0.4, 3), (door, -0.05, 1.45)))
    parts.append(boxes(np.array([[door, -0.5, 0.1], [door, -0.9, -0.1], [door, -1.3, -0.3]]), np.array([1.7, 0.5, 0.4]), Material.CONCRETE, (0.35, 0.34, 0.32)))
    if rng.random() < 0.55:  # a porch
        w = float(rng.uniform(0.35, 0.9) * width)
        parts.append(box((w, 1.9, 0.18), Material.WOOD, trim, (door * 0.3, -0.95, 2.75)))
        parts.append(boxes(np.array([[door * 0.3 + s * (w / 2 - 0.15), -1.75, 1.0] for s in (-1, 1)]), np.array([0.16, 0.16, 3.4]), Material.WOOD, trim))
    if rng.random() < 0.5:
        parts.append(box((0.7, 0.7, 1.8), Material.BRICK, (0.25, 0.12, 0.09), (width * 0.25, depth * 0.6, eaves + 2.0)))
    return join(parts)


def hall(width: float, depth: float, rng: np.random.Generator) -> Mesh:
    """A shop or warehouse: a big low box with pilasters, gates or a glass front, a sign and a canopy; front middle at the origin."""
    material, colour = _wall(rng)
    height = float(rng.uniform(5, 10))
    parts = [box((width, depth, height + BELOW_M), material, colour, (0, depth / 2, (height - BELOW_M) / 2))]
    count = max(3, round(width / float(rng.uniform(4, 8))))
    x = -width / 2 + width / count * np.arange(count + 1)
    trim = np.clip(colour * float(rng.uniform(0.5, 1.4)), 0, 0.9)
    parts.append(boxes(np.column_stack([x, np.full(count + 1, -0.12), np.full(count + 1, (height - BELOW_M) / 2)]), np.array([0.5, 0.3, height + BELOW_M]), material, trim))
    middle = (x[:-1] + x[1:]) / 2
    gates = rng.random() < 0.5
    for px in middle:
        if gates and rng.random() < 0.6:
            parts.append(box((3.0, 0.1, 3.6), Material.METAL, rng.uniform(0.2, 0.7, 3), (float(px), -0.04, 1.8)))
            parts.append(box((3.4, 0.5, 1.2), Material.RUBBER, (0.03, 0.03, 0.03), (float(px), -0.2, 0.3)))
        elif not gates:
            parts.append(box((width / count * 0.75, 0.1, 2.8), Material.FACADE_GLASS, (0.06, 0.07, 0.09), (float(px), -0.04, 1.6)))
    if not gates:
        parts.append(box((width * 0.8, 2.2, 0.4), Material.METAL, trim, (0, -1.1, 3.6)))
        parts.append(boxes(np.array([[s * width * 0.39, -2.0, 1.2] for s in (-1, -0.33, 0.33, 1)]), np.array([0.3, 0.3, 4.6]), Material.METAL, trim))
    parts.append(box((width * float(rng.uniform(0.2, 0.5)), 0.3, 1.3), Material.PLASTIC, rng.uniform(0.05, 0.8, 3), (float(rng.uniform(-0.2, 0.2) * width), -0.2, height - 1.2)))
    parts.append(boxes(np.column_stack([rng.uniform(-0.4, 0.4, 4) * width, rng.uniform(0.2, 0.8, 4) * depth, np.full(4, height + 0.6)]), np.array([2.2, 1.6, 1.3]),
                       Material.METAL, (0.4, 0.4, 0.4)))
    return join(parts)
