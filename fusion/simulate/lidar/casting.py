"""Ray casting by Embree: what each beam meets first, and what that is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh  # type: ignore[import-untyped]
from embreex.rtcore_scene import EmbreeScene  # type: ignore[import-untyped]

from fusion.simulate.mesh import Mesh

STATIC = -1
"""Source of a hit on the standing world; actors are their index in `Scenery.actors`."""
EGO = -2
"""Source of a hit on the ego car itself."""
NOTHING = -3
"""Source of a ray that meets nothing."""
IN_AIR = -4
"""Source of a return from a drop in the air."""


@dataclass(frozen=True, kw_only=True)
class Hits:
    """What N rays meet.

    Attributes:
        distance_m: `(N,)` float32, infinite where a ray meets nothing.
        cos_incidence: `(N,)` float32 in [0, 1], between the ray and the face's normal: 1 head-on, 0 grazing.
        material: `(N,)` uint8.
        source: `(N,)` int32, as the meshes were given; `NOTHING` where a ray meets nothing.
        face: `(N,)` int32, number of the face among all faces of the ray caster, its meshes one after another; -1 where a ray meets nothing.
    """

    distance_m: np.ndarray
    cos_incidence: np.ndarray
    material: np.ndarray
    source: np.ndarray
    face: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.distance_m),)
        found = {name: getattr(self, name).shape for name in ("cos_incidence", "material", "source", "face")}
        if any(column != shape for column in found.values()):
            raise ValueError(f"Hits: expected {shape[0]} rows in every column, got {', '.join(f'{name} {column}' for name, column in found.items())}")

    @classmethod
    def none(cls, count: int) -> Hits:
        """Rays that meet nothing."""
        return cls(distance_m=np.full(count, np.inf, np.float32), cos_incidence=np.zeros(count, np.float32),
                   material=np.zeros(count, np.uint8), source=np.full(count, NOTHING, np.int32), face=np.full(count, -1, np.int32))

    def take(self, rows: np.ndarray) -> Hits:
        """A copy of some rows."""
        return Hits(distance_m=self.distance_m[rows], cos_incidence=self.cos_incidence[rows], material=self.material[rows],
                    source=self.source[rows], face=self.face[rows])

    def put(self, rows: np.ndarray, other: Hits) -> None:
        """Overwrite some rows, given as `(M,)` indices or `(N,)` bool."""
        self.distance_m[rows] = other.distance_m
        self.cos_incidence[rows] = other.cos_incidence
        self.material[rows] = other.material
        self.source[rows] = other.source
        self.face[rows] = other.face


class RayCaster:
    """Meshes that rays can meet; the search tree is built here, once.

    Args:
        parts: meshes in one frame, each with the source that its hits carry. Embree computes in float32: keep coordinates within a few
            hundred metres of the frame's origin.
    """

    def __init__(self, parts: Sequence[tuple[Mesh, int]]) -> None:
        kept = [(mesh, source) for mesh, source in parts if len(mesh.faces)]
        self._count = sum(len(mesh.faces) for mesh, _ in kept)
        if not self._count:
            return
        corners = np.concatenate([mesh.vertices[mesh.faces] for mesh, _ in kept]).astype(np.float32)
        if not np.isfinite(corners).all():
            raise ValueError("meshes: expected finite vertices, got NaN or infinity")
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, corners)
        self._material = np.concatenate([mesh.material for mesh, _ in kept])
        self._source = np.repeat(np.array([source for _, source in kept], np.int32), [len(mesh.faces) for mesh, _ in kept])
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self._normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)

    def cast(self, origins_m: np.ndarray, directions: np.ndarray, farthest_m: np.ndarray | float) -> Hits:
        """The first face on each ray.

        Args:
            origins_m: `(N, 3)` metres, in the meshes' frame.
            directions: `(N, 3)` unit vectors.
            farthest_m: `(N,)` or one distance from which on faces are not seen.
        """
        hits = Hits.none(len(origins_m))
        if not self._count or not len(origins_m):
            return hits
        # Embree takes a limit of 1e37 for none; where a ray meets nothing its distance stays at the limit.
        limit = np.minimum(np.broadcast_to(np.asarray(farthest_m, np.float32), (len(origins_m),)), np.float32(1e30))
        found = self._scene.run(np.ascontiguousarray(origins_m, np.float32), np.ascontiguousarray(directions, np.float32),
                                np.ascontiguousarray(limit), output=True)
        met = np.flatnonzero(found["geomID"] >= 0)
        face = found["primID"][met]
        hits.distance_m[met] = found["tfar"][met]
        hits.cos_incidence[met] = np.abs(np.einsum("ij,ij->i", self._normal[face], directions[met]))
        hits.material[met] = self._material[face]
        hits.source[met] = self._source[face]
        hits.face[met] = face
        return hits
