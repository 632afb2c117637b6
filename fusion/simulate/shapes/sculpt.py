"""Puts a mesh together from many parts at once, quickly: arrays of boxes, tubes, lofts and quads with a material and colour each."""

from __future__ import annotations

from functools import cache

import numpy as np

from fusion.simulate.mesh import Mesh

HOLE = 255
"""In place of a material: leave the face out."""

_BOX_CORNERS = np.array([[x, y, z] for z in (-0.5, 0.5) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))])
_BOX_FACES = np.array(
    [[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4], [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6], [3, 0, 4], [3, 4, 7]]
)
_MIN_AREA_M2 = 1e-7


@cache
def _strip(rings: int, across: int, closed: bool) -> np.ndarray:
    """Faces of a grid of `rings` x `across` points, two a cell, cells ring by ring; `closed` joins the last column to the first."""
    columns = across if closed else across - 1
    i, j = np.divmod(np.arange((rings - 1) * columns), columns)
    a, b = i * across + j, i * across + (j + 1) % across
    c, d = a + across, b + across
    faces: np.ndarray = np.stack([np.column_stack([a, b, d]), np.column_stack([a, d, c])], axis=1).reshape(-1, 3)
    return faces


@cache
def circle(sides: int) -> np.ndarray:
    """`(sides, 2)` points of the unit circle, first at angle 0."""
    angle = np.arange(sides) * 2 * np.pi / sides
    return np.column_stack([np.cos(angle), np.sin(angle)])


@cache
def _ball(rings: int, sides: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and faces of a unit sphere."""
    polar = np.linspace(0, np.pi, rings + 2)[1:-1, None, None]
    around = np.concatenate([np.sin(polar) * circle(sides)[None], np.repeat(np.cos(polar), sides, axis=1)], axis=2).reshape(-1, 3)
    points = np.concatenate([around, [[0.0, 0, 1], [0, 0, -1]]])
    i, j = np.arange(sides), (np.arange(sides) + 1) % sides
    top, low = np.full(sides, rings * sides), np.full(sides, rings * sides + 1)
    faces = [np.column_stack([top, i, j]), _strip(rings, sides, True), np.column_stack([low, (rings - 1) * sides + j, (rings - 1) * sides + i])]
    return points, np.concatenate(faces)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`(N, 3)` products; several times faster than `np.cross` on a few rows."""
    out = np.empty_like(a)
    out[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    out[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    out[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return out


class Sculpt:
    """A mesh in the making. Materials and colours are given once, per part `(N,)`, `(N, 3)`, or per face."""

    def __init__(self) -> None:
        self._points: list[np.ndarray] = []
        self._faces: list[np.ndarray] = []
        self._materials: list[np.ndarray] = []
        self._colours: list[np.ndarray] = []
        self._count = 0

    def add(self, points: np.ndarray, faces: np.ndarray, material: int | np.ndarray, albedo: np.ndarray | tuple[float, float, float]) -> None:
        """Raw triangles: `(V, 3)`, `(F, 3)`; a material or colour array is spread evenly over the faces."""
        self._points.append(points)
        self._faces.append(faces + self._count)
        self._materials.append(_per_face(np.asarray(material, np.uint8), len(faces), 1))
        self._colours.append(_per_face(np.asarray(albedo, np.float32), len(faces), 3))
        self._count += len(points)

    def boxes(
        self,
        centres: np.ndarray | list,
        sizes: np.ndarray | list | tuple,
        material: int | np.ndarray,
        albedo: np.ndarray | tuple,
        turn: np.ndarray | None = None,
    ) -> None:
        """`(N, 3)` centres and sizes of boxes; `turn` is a `(3, 3)` or `(N, 3, 3)` rotation about each centre."""
        centres = np.asarray(centres, np.float64).reshape(-1, 3)
        offsets = _BOX_CORNERS[None] * np.asarray(sizes, np.float64).reshape(-1, 1, 3)
        if turn is not None:
            offsets = offsets @ np.swapaxes(turn, -1, -2)
        points = (centres[:, None] + offsets).reshape(-1, 3)
        faces = (_BOX_FACES[None] + 8 * np.arange(len(centres))[:, None, None]).reshape(-1, 3)
        self.add(points, faces, material, albedo)

    def box(self, low: tuple[float, float, float], high: tuple[float, float, float], material: int, albedo: np.ndarray | tuple) -> None:
        """One box between two corners."""
        a, b = np.array(low), np.array(high)
        self.boxes((a + b) / 2, b - a, material, albedo)

    def frustum(
        self,
        centre: tuple[float, float, float],
        size_lwh: tuple[float, float, float],
        top_lw: tuple[float, float],
        material: int,
        albedo: np.ndarray | tuple,
        shift_xy: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """A box around `centre` whose top has another length and width, moved by `shift_xy`."""
        points = _BOX_CORNERS * size_lwh
        points[4:, :2] = _BOX_CORNERS[4:, :2] * top_lw + shift_xy
        self.add(points + centre, _BOX_FACES, material, albedo)

    def tubes(
        self,
        starts: np.ndarray | list,
        ends: np.ndarray | list,
        radii: np.ndarray | float,
        material: int | np.ndarray,
        albedo: np.ndarray | tuple,
        end_radii: np.ndarray | float | None = None,
        sides: int = 6,
        capped: bool = False,
    ) -> None:
        """`(N, 3)` starts and ends of round bars, radius changing from `radii` to `end_radii`; open-ended unless `capped`."""
        a, b = np.asarray(starts, np.float64).reshape(-1, 3), np.asarray(ends, np.float64).reshape(-1, 3)
        along = b - a
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        reference = np.where(np.abs(along[:, 2:]) > 0.9, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]])
        u = _cross(along, reference)
        u /= np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1e-9)
        v = _cross(along, u)
        ring = circle(sides)
        spoke = ring[None, :, :1] * u[:, None] + ring[None, :, 1:] * v[:, None]
        r0 = np.broadcast_to(np.asarray(radii, np.float64), (len(a),))[:, None, None]
        r1 = r0 if end_radii is None else np.broadcast_to(np.asarray(end_radii, np.float64), (len(a),))[:, None, None]
        points = np.stack([a[:, None] + r0 * spoke, b[:, None] + r1 * spoke], axis=1).reshape(-1, 3)
        faces = _strip(2, sides, True)
        if capped:
            fan = np.array([[0, k, k + 1] for k in range(1, sides - 1)])
            faces = np.concatenate([faces, fan[:, ::-1], fan + sides])
        self.add(points, (faces[None] + 2 * sides * np.arange(len(a))[:, None, None]).reshape(-1, 3), material, albedo)

    def loft(self, rings: np.ndarray, material: int | np.ndarray, albedo: np.ndarray | tuple, closed: bool = False) -> None:
        """A skin over `(R, K, 3)` points; material `(R-1, K-1)` and albedo `(R-1, K-1, 3)` may differ by cell; closed: K cells a ring."""
        count, across = rings.shape[:2]
        material, albedo = np.asarray(material, np.uint8), np.asarray(albedo, np.float32)
        faces = _strip(count, across, closed)
        if material.ndim == 2:
            material = material.reshape(-1)
            keep = material != HOLE
            if not keep.all():
                faces, material = faces[np.repeat(keep, 2)], material[keep]
                albedo = albedo.reshape(-1, 3)[keep] if albedo.ndim == 3 else albedo
        self.add(rings.reshape(-1, 3), faces, material, albedo.reshape(-1, 3) if albedo.ndim == 3 else albedo)

    def quads(self, corners: np.ndarray | list, material: int | np.ndarray, albedo: np.ndarray | tuple) -> None:
        """`(N, 4, 3)` corners in order."""
        points = np.asarray(corners, np.float64).reshape(-1, 3)
        faces = (np.array([[0, 1, 2], [0, 2, 3]])[None] + 4 * np.arange(len(points) // 4)[:, None, None]).reshape(-1, 3)
        self.add(points, faces, material, albedo)

    def fan(self, outline: np.ndarray, material: int, albedo: np.ndarray | tuple) -> None:
        """A convex polygon of `(N, 3)` corners."""
        k = np.arange(1, len(outline) - 1)
        self.add(np.asarray(outline, np.float64), np.column_stack([np.zeros_like(k), k, k + 1]), material, albedo)

    def prism(self, outline_xz: np.ndarray | list, y: tuple[float, float], material: int, albedo: np.ndarray | tuple) -> None:
        """A convex side view `(N, 2)` drawn out between two y."""
        outline = np.asarray(outline_xz, np.float64)
        n = len(outline)
        points = np.concatenate([np.column_stack([outline[:, 0], np.full(n, side), outline[:, 1]]) for side in y])
        fan = np.column_stack([np.zeros(n - 2, int), np.arange(1, n - 1), np.arange(2, n)])
        self.add(points, np.concatenate([_strip(2, n, True), fan, fan[:, ::-1] + n]), material, albedo)

    def balls(
        self,
        centres: np.ndarray | list,
        radii: np.ndarray | list | tuple,
        material: int | np.ndarray,
        albedo: np.ndarray | tuple,
        rings: int = 3,
        sides: int = 6,
    ) -> None:
        """`(N, 3)` centres and half axes of ellipsoids."""
        unit, unit_faces = _ball(rings, sides)
        centres = np.asarray(centres, np.float64).reshape(-1, 1, 3)
        points = centres + unit[None] * np.asarray(radii, np.float64).reshape(-1, 1, 3)
        self.add(points.reshape(-1, 3), (unit_faces[None] + len(unit) * np.arange(len(centres))[:, None, None]).reshape(-1, 3), material, albedo)

    def column(self, stations: np.ndarray | list, material: int | np.ndarray, albedo: np.ndarray | tuple, sides: int = 8, lid: bool = True) -> None:
        """An upright body of ellipses: `(N, 5)` rows of x, y, z, half axis in x, half axis in y."""
        rows = np.asarray(stations, np.float64)[:, None]
        ring = circle(sides)[None]
        rings = np.concatenate([rows[..., :2] + ring * rows[..., 3:5], np.repeat(rows[..., 2:3], sides, axis=1)], axis=2)
        self.loft(rings, material, albedo, closed=True)
        if lid:
            last = np.asarray(material).reshape(-1)[-1]
            colour = np.asarray(albedo).reshape(-1, 3)[-1]
            self.fan(rings[-1], int(last), colour)

    def put(self, mesh: Mesh, turn: np.ndarray | None = None, move: np.ndarray | tuple = (0.0, 0.0, 0.0)) -> None:
        """Another mesh, turned by `(3, 3)` about its origin, then moved."""
        points = mesh.vertices.astype(np.float64)
        self.add((points if turn is None else points @ turn.T) + np.asarray(move), mesh.faces, mesh.material, mesh.albedo)

    def bounds(self) -> np.ndarray:
        """`(2, 3)` lowest and highest corner."""
        points = np.concatenate(self._points)
        return np.stack([points.min(axis=0), points.max(axis=0)])

    def mesh(self, scale: np.ndarray | float = 1.0, shift: np.ndarray | float = 0.0) -> Mesh:
        """What stands so far, `point * scale + shift`, without triangles of no area."""
        points = np.concatenate(self._points) * scale + shift
        faces = np.concatenate(self._faces)
        a, b, c = points[faces[:, 0]], points[faces[:, 1]], points[faces[:, 2]]
        keep = np.einsum("ij,ij->i", *[_cross(b - a, c - a)] * 2) > (2 * _MIN_AREA_M2) ** 2
        return Mesh(
            vertices=points.astype(np.float32),
            faces=faces[keep].astype(np.int32),
            material=np.concatenate(self._materials)[keep],
            albedo=np.clip(np.concatenate(self._colours), 0.0, 1.0)[keep],
        )


def _per_face(values: np.ndarray, faces: int, width: int) -> np.ndarray:
    """One value, one a part, or one a face -> one a face."""
    values = values.reshape(-1, width)
    if len(values) == 1:
        spread = np.repeat(values, faces, axis=0)
    elif faces % len(values):
        raise ValueError(f"material or albedo: expected a divisor of {faces} faces, got {len(values)} values")
    else:
        spread = np.repeat(values, faces // len(values), axis=0)
    return spread[:, 0] if width == 1 else spread
