"""Z-buffered triangles: which face each pixel sees, and how far away.

Pixel centres are at integer coordinates. A pixel belongs to a triangle if its centre does; triangles that share an edge share no
pixel and leave none out. "Nearness" is the depth buffer's quantity, larger for what is in front: 1 / depth for a pinhole
camera, minus depth for parallel light; both are linear in the image plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.camera.kernel import Scalar, exact_kernel

NEAR_M = 0.1
"""Nothing closer to a pinhole camera than this is drawn."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What maps a frame's points to pixels: u = fx X / Z + cx for a pinhole camera, u = fx X + cx for parallel light.

    Attributes:
        view_T_origin: `(4, 4)` float64; x right, y down, z away from the eye.
        lens: fx, fy, cx, cy, pixels (pixels per metre for parallel light).
        size_wh: image size, pixels.
        parallel: light is parallel (a shadow map).
    """

    view_T_origin: np.ndarray
    lens: tuple[float, float, float, float]
    size_wh: tuple[int, int]
    parallel: bool = False

    def planes(self) -> np.ndarray:
        """`(P, 4)` planes n, d of what the image shows, inside where n . p + d >= 0, in the origin frame."""
        fx, fy, cx, cy = self.lens
        width, height = self.size_wh
        left, right, top, bottom = (-0.5 - cx) / fx, (width - 0.5 - cx) / fx, (-0.5 - cy) / fy, (height - 0.5 - cy) / fy
        if self.parallel:
            rows = np.array([[1, 0, 0, -left], [-1, 0, 0, right], [0, 1, 0, -top], [0, -1, 0, bottom]], np.float64)
        else:
            rows = np.array([[1, 0, -left, 0], [-1, 0, right, 0], [0, 1, -top, 0], [0, -1, bottom, 0], [0, 0, 1, -NEAR_M]], np.float64)
            rows /= np.linalg.norm(rows[:, :3], axis=1, keepdims=True)
        planes: np.ndarray = rows @ self.view_T_origin
        return planes


def draw(corners: np.ndarray, hole: np.ndarray, ranges: np.ndarray, matrices: np.ndarray, view: View, nearness: np.ndarray,
         face: np.ndarray) -> None:
    """Draw faces into a depth and a face buffer.

    Args:
        corners: `(F, 3, 3)` float32, metres.
        hole: `(F,)` uint8 kind of holes (`Faces.hole`).
        ranges: `(R, 2)` int64 first face and number of faces.
        matrices: `(R, 4, 4)` float64 view_T_faces of each range.
        view: lens and size.
        nearness: `(H, W)` float32, changed; 0 (pinhole) or -inf (parallel) where nothing is.
        face: `(H, W)` int32, changed, or `(0, 0)` to keep depth alone.
    """
    if len(ranges):
        _draw(corners, hole, ranges, np.ascontiguousarray(matrices), *view.lens, view.parallel, NEAR_M, nearness, face)


def coverage(corners: np.ndarray, ranges: np.ndarray, matrices: np.ndarray, view: View, stamp: np.ndarray) -> np.ndarray:
    """How many pixels each range of faces covers if drawn alone; arguments as `draw`, `stamp` `(H, W)` int32 scratch -> `(R,)` int64."""
    counts = np.zeros(len(ranges), np.int64)
    if len(ranges):
        stamp[:] = -1
        _coverage(corners, ranges, np.ascontiguousarray(matrices), *view.lens, view.parallel, NEAR_M, stamp, counts)
    return counts


@exact_kernel
def count_owners(face: np.ndarray, owner: np.ndarray, owners: int) -> np.ndarray:
    """How many pixels of a `(H, W)` face buffer show a face of each owner: `(owners,)` int64."""
    counts = np.zeros(owners, np.int64)
    for row in range(face.shape[0]):
        for column in range(face.shape[1]):
            if face[row, column] >= 0:
                counts[owner[face[row, column]]] += 1
    return counts


@exact_kernel
def _hash3(i: int, j: int, k: int) -> Scalar:
    """A number in [0, 1) for a cell of space."""
    h = np.uint32((i * 73856093) ^ (j * 19349663) ^ (k * 83492791))
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(1274126177))
    h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(2246822519))
    return np.float64(np.uint32(h >> np.uint32(8))) * (1.0 / 16777216.0)


@exact_kernel
def _noise3(x: float, y: float, z: float) -> Scalar:
    """Smooth noise in [0, 1) with cells of size 1."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    u, v, w = x - i, y - j, z - k
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    low = ((1 - u) * (1 - v) * _hash3(i, j, k) + u * (1 - v) * _hash3(i + 1, j, k)
           + (1 - u) * v * _hash3(i, j + 1, k) + u * v * _hash3(i + 1, j + 1, k))
    high = ((1 - u) * (1 - v) * _hash3(i, j, k + 1) + u * (1 - v) * _hash3(i + 1, j, k + 1)
            + (1 - u) * v * _hash3(i, j + 1, k + 1) + u * v * _hash3(i + 1, j + 1, k + 1))
    return (1 - w) * low + w * high


@exact_kernel
def _is_hole(kind: int, x: float, y: float, z: float, along_x: float, along_y: float, pixel_m: float) -> Scalar:
    """Whether one looks through a surface at a point of its own frame; `pixel_m` is a pixel's width there."""
    if kind == 1:  # leaves: clumps with gaps, coarser with distance so that a pixel never mixes many
        cell = 0.11
        while cell < 1.5 * pixel_m:
            cell *= 2.0
        coarse = _noise3(x * 2.2, y * 2.2, z * 2.2)
        fine = _noise3(x / cell, y / cell, z / cell)
        return 0.55 * fine + 0.45 * coarse < 0.44
    across = x * along_x + y * along_y  # a wire mesh, as a lattice while its wires are wider than a pixel, else as a sieve
    mesh_m = 0.07
    if pixel_m < 0.2 * mesh_m:
        a, b = (across + z) / mesh_m, (across - z) / mesh_m
        return (a - np.floor(a)) > 0.22 and (b - np.floor(b)) > 0.22
    cell = max(mesh_m, pixel_m)
    return _hash3(int(np.floor(across / cell)), int(np.floor(z / cell)), 7) < 0.6


@exact_kernel
def _to_screen(corner: np.ndarray, m: np.ndarray, fx: float, fy: float, cx: float, cy: float, parallel: bool, near: float,
               poly: np.ndarray) -> int:
    """Corners in the image, cut at the near plane: rows u, v, nearness, local x, y, z of `poly` (4, 6); returns how many."""
    count = 0
    for i in range(3):
        for c in range(3):
            poly[4 + i, c] = (m[c, 0] * corner[i, 0] + m[c, 1] * corner[i, 1] + m[c, 2] * corner[i, 2]) + m[c, 3]
    if parallel:
        for i in range(3):
            poly[i, 0] = fx * poly[4 + i, 0] + cx
            poly[i, 1] = fy * poly[4 + i, 1] + cy
            poly[i, 2] = -poly[4 + i, 2]
            for c in range(3):
                poly[i, 3 + c] = corner[i, c]
        return 3
    if poly[4, 2] < near and poly[5, 2] < near and poly[6, 2] < near:
        return 0
    for i in range(3):
        j = i + 1 if i < 2 else 0
        zi, zj = poly[4 + i, 2], poly[4 + j, 2]
        if zi >= near:
            q = 1.0 / zi
            poly[count, 0] = fx * poly[4 + i, 0] * q + cx
            poly[count, 1] = fy * poly[4 + i, 1] * q + cy
            poly[count, 2] = q
            for c in range(3):
                poly[count, 3 + c] = corner[i, c]
            count += 1
        if (zi >= near) != (zj >= near):
            a, b = (i, j) if zi >= near else (j, i)  # always from inside out: neighbours cut a shared edge at the same point
            t = (poly[4 + a, 2] - near) / (poly[4 + a, 2] - poly[4 + b, 2])
            poly[count, 0] = fx * (poly[4 + a, 0] + t * (poly[4 + b, 0] - poly[4 + a, 0])) / near + cx
            poly[count, 1] = fy * (poly[4 + a, 1] + t * (poly[4 + b, 1] - poly[4 + a, 1])) / near + cy
            poly[count, 2] = 1.0 / near
            for c in range(3):
                poly[count, 3 + c] = corner[a, c] + t * (corner[b, c] - corner[a, c])
            count += 1
    return count


@exact_kernel
def _misses(corner: np.ndarray, m: np.ndarray, fx: float, fy: float, cx: float, cy: float, parallel: bool, near: float, width: int,
            height: int) -> bool:
    """Whether a face surely holds no pixel centre of the image: most of a scene's faces are tiny or outside, and end here."""
    low_u, high_u, low_v, high_v = np.inf, -np.inf, np.inf, -np.inf
    behind = 0
    for i in range(3):
        a, b, c = corner[i, 0], corner[i, 1], corner[i, 2]
        q = 1.0
        if not parallel:
            z = (m[2, 0] * a + m[2, 1] * b + m[2, 2] * c) + m[2, 3]
            if z < near:
                behind += 1
                continue
            q = 1.0 / z
        u = fx * ((m[0, 0] * a + m[0, 1] * b + m[0, 2] * c) + m[0, 3]) * q + cx
        v = fy * ((m[1, 0] * a + m[1, 1] * b + m[1, 2] * c) + m[1, 3]) * q + cy
        low_u, high_u, low_v, high_v = min(low_u, u), max(high_u, u), min(low_v, v), max(high_v, v)
    if behind:
        return behind == 3
    return not (np.ceil(max(low_u, 0.0)) <= np.floor(min(high_u, width - 1.0)) and np.ceil(max(low_v, 0.0)) <= np.floor(min(high_v, height - 1.0)))


@exact_kernel
def _edges(poly: np.ndarray, k: int, width: int, height: int, edge: np.ndarray, box: np.ndarray) -> bool:
    """Prepare triangle 0, k, k + 1 of a polygon: per edge a, slope, offset of x = slope y + offset, b, c; and its pixel box."""
    x0, y0, x1, y1, x2, y2 = poly[0, 0], poly[0, 1], poly[k, 0], poly[k, 1], poly[k + 1, 0], poly[k + 1, 1]
    low_x, high_x = min(x0, x1, x2), max(x0, x1, x2)
    low_y, high_y = min(y0, y1, y2), max(y0, y1, y2)
    if not (high_x >= 0.0 and low_x <= width - 1.0 and high_y >= 0.0 and low_y <= height - 1.0):
        return False
    box[0], box[1] = int(np.ceil(max(low_x, 0.0))), int(np.floor(min(high_x, width - 1.0)))
    box[2], box[3] = int(np.ceil(max(low_y, 0.0))), int(np.floor(min(high_y, height - 1.0)))
    if box[0] > box[1] or box[2] > box[3]:
        return False
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if area == 0.0:
        return False
    sign = 1.0 if area > 0 else -1.0
    for e in range(3):
        if e == 0:
            ax, ay, bx, by = x0, y0, x1, y1
        elif e == 1:
            ax, ay, bx, by = x1, y1, x2, y2
        else:
            ax, ay, bx, by = x2, y2, x0, y0
        a, b, c = (ay - by) * sign, (bx - ax) * sign, (ax * by - bx * ay) * sign
        edge[e, 0], edge[e, 3], edge[e, 4] = a, b, c
        if a != 0.0:
            edge[e, 1], edge[e, 2] = -b / a, -c / a
    edge[3, 0] = area
    return True


@exact_kernel
def _span(edge: np.ndarray, y: int, first: int, last: int) -> tuple[int, int]:
    """First and last pixel of a row inside three edges; empty where last < first."""
    low, high = float(first), float(last)
    for e in range(3):
        a = edge[e, 0]
        if a > 0.0:
            low = max(low, np.ceil(edge[e, 1] * y + edge[e, 2]))
        elif a < 0.0:
            high = min(high, np.ceil(edge[e, 1] * y + edge[e, 2]) - 1.0)
        else:
            value = edge[e, 3] * y + edge[e, 4]
            if value < 0.0 or (value == 0.0 and edge[e, 3] < 0.0):
                return 1, 0
    if not low <= high:
        return 1, 0
    return int(low), int(high)


@exact_kernel
def _gradient(poly: np.ndarray, k: int, area: float, f0: float, f1: float, f2: float) -> tuple[float, float]:
    """d/du and d/dv of a quantity that is linear over triangle 0, k, k + 1."""
    x1, y1, x2, y2 = poly[k, 0] - poly[0, 0], poly[k, 1] - poly[0, 1], poly[k + 1, 0] - poly[0, 0], poly[k + 1, 1] - poly[0, 1]
    return ((f1 - f0) * y2 - (f2 - f0) * y1) / area, ((f2 - f0) * x1 - (f1 - f0) * x2) / area


@exact_kernel
def _porous(poly: np.ndarray, k: int, area: float, parallel: bool, pixel_scale: float, corner: np.ndarray, grad: np.ndarray) -> None:
    """Fill `grad` (4, 2): slopes over the image of local x, y, z (times nearness for a pinhole); row 3: direction along the face."""
    for c in range(3):
        if parallel:
            g = _gradient(poly, k, area, poly[0, 3 + c], poly[k, 3 + c], poly[k + 1, 3 + c])
        else:
            g = _gradient(poly, k, area, poly[0, 3 + c] * poly[0, 2], poly[k, 3 + c] * poly[k, 2], poly[k + 1, 3 + c] * poly[k + 1, 2])
        grad[c, 0], grad[c, 1] = g[0], g[1]
    ux, uy, uz = corner[1, 0] - corner[0, 0], corner[1, 1] - corner[0, 1], corner[1, 2] - corner[0, 2]
    vx, vy, vz = corner[2, 0] - corner[0, 0], corner[2, 1] - corner[0, 1], corner[2, 2] - corner[0, 2]
    nx, ny = uy * vz - uz * vy, uz * vx - ux * vz
    length = np.sqrt(nx * nx + ny * ny) + 1e-12
    grad[3, 0], grad[3, 1] = -ny / length, nx / length


@exact_kernel
def _through(kind: int, poly: np.ndarray, grad: np.ndarray, dx: float, dy: float, q: Scalar, parallel: bool, fx: float) -> Scalar:
    """Whether a pixel of a porous triangle is a hole."""
    start = 1.0 if parallel else poly[0, 2]
    scale = 1.0 if parallel else 1.0 / q
    x = (poly[0, 3] * start + grad[0, 0] * dx + grad[0, 1] * dy) * scale
    y = (poly[0, 4] * start + grad[1, 0] * dx + grad[1, 1] * dy) * scale
    z = (poly[0, 5] * start + grad[2, 0] * dx + grad[2, 1] * dy) * scale
    return _is_hole(kind, x, y, z, grad[3, 0], grad[3, 1], scale / fx)


@exact_kernel
def _draw(corners: np.ndarray, hole: np.ndarray, ranges: np.ndarray, matrices: np.ndarray, fx: float, fy: float, cx: float, cy: float,
          parallel: bool, near: float, nearness: np.ndarray, face: np.ndarray) -> None:
    height, width = nearness.shape
    keep_face = face.shape[0] > 0
    poly, edge, box, grad = np.empty((7, 6)), np.zeros((4, 5)), np.empty(4, np.int64), np.empty((4, 2))
    for r in range(ranges.shape[0]):
        for f in range(ranges[r, 0], ranges[r, 0] + ranges[r, 1]):
            if _misses(corners[f], matrices[r], fx, fy, cx, cy, parallel, near, width, height):
                continue
            count = _to_screen(corners[f], matrices[r], fx, fy, cx, cy, parallel, near, poly)
            for k in range(1, count - 1):
                if not _edges(poly, k, width, height, edge, box):
                    continue
                area = edge[3, 0]
                q0, q1, q2 = poly[0, 2], poly[k, 2], poly[k + 1, 2]
                slope_x, slope_y = _gradient(poly, k, area, q0, q1, q2)
                low_q, high_q = np.float32(min(q0, q1, q2)), np.float32(max(q0, q1, q2))
                kind = hole[f]
                if kind:
                    _porous(poly, k, area, parallel, fx, corners[f], grad)
                for y in range(box[2], box[3] + 1):
                    first, last = _span(edge, y, box[0], box[1])
                    row = q0 + slope_y * (y - poly[0, 1]) - slope_x * poly[0, 0]
                    for x in range(first, last + 1):
                        q = min(max(np.float32(row + slope_x * x), low_q), high_q)
                        if q > nearness[y, x]:
                            if kind and _through(kind, poly, grad, x - poly[0, 0], y - poly[0, 1], q, parallel, fx):
                                continue
                            nearness[y, x] = q
                            if keep_face:
                                face[y, x] = f


@exact_kernel
def _coverage(corners: np.ndarray, ranges: np.ndarray, matrices: np.ndarray, fx: float, fy: float, cx: float, cy: float,
              parallel: bool, near: float, stamp: np.ndarray, counts: np.ndarray) -> None:
    height, width = stamp.shape
    poly, edge, box = np.empty((7, 6)), np.zeros((4, 5)), np.empty(4, np.int64)
    for r in range(ranges.shape[0]):
        covered = 0
        for f in range(ranges[r, 0], ranges[r, 0] + ranges[r, 1]):
            if _misses(corners[f], matrices[r], fx, fy, cx, cy, parallel, near, width, height):
                continue
            count = _to_screen(corners[f], matrices[r], fx, fy, cx, cy, parallel, near, poly)
            for k in range(1, count - 1):
                if not _edges(poly, k, width, height, edge, box):
                    continue
                for y in range(box[2], box[3] + 1):
                    first, last = _span(edge, y, box[0], box[1])
                    for x in range(first, last + 1):
                        if stamp[y, x] != r:
                            stamp[y, x] = r
                            covered += 1
        counts[r] = covered
