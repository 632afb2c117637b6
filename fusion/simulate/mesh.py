"""Triangle meshes with a material and a colour per face: what both the LiDAR and the cameras see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fusion.simulate.materials import Material
from fusion.types.checks import check_shape


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """Triangles; faces may be open, and are seen from both sides.

    Attributes:
        vertices: `(V, 3)` float32, metres.
        faces: `(F, 3)` int32 indices into `vertices`.
        material: `(F,)` uint8, values of `Material`.
        albedo: `(F, 3)` float32 linear RGB in [0, 1].
    """

    vertices: np.ndarray
    faces: np.ndarray
    material: np.ndarray
    albedo: np.ndarray

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        check_shape("vertices", self.vertices, ("V", 3), dims)
        check_shape("faces", self.faces, ("F", 3), dims)
        check_shape("material", self.material, ("F",), dims)
        check_shape("albedo", self.albedo, ("F", 3), dims)
        if dims["F"] and (self.faces.min() < 0 or self.faces.max() >= dims["V"]):
            raise ValueError(f"faces: expected indices into {dims['V']} vertices, got {self.faces.min()}..{self.faces.max()}")

    @classmethod
    def of(cls, vertices: np.ndarray, faces: np.ndarray, material: Material, albedo: tuple[float, float, float] | np.ndarray) -> Mesh:
        """A mesh of one material; `albedo` is one colour or `(F, 3)`."""
        faces = np.asarray(faces, np.int32).reshape(-1, 3)
        colours = np.broadcast_to(np.asarray(albedo, np.float32), (len(faces), 3))
        return cls(vertices=np.asarray(vertices, np.float32).reshape(-1, 3), faces=faces,
                   material=np.full(len(faces), int(material), np.uint8), albedo=np.ascontiguousarray(colours))

    @classmethod
    def empty(cls) -> Mesh:
        """No triangles."""
        return cls.of(np.zeros((0, 3)), np.zeros((0, 3)), Material.CONCRETE, (0.5, 0.5, 0.5))

    def moved(self, dst_T_src: np.ndarray) -> Mesh:
        """The mesh under a `(4, 4)` affine transform."""
        matrix = np.asarray(dst_T_src, np.float64)
        vertices = (self.vertices @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
        return Mesh(vertices=vertices, faces=self.faces, material=self.material, albedo=self.albedo)

    @property
    def bounds(self) -> np.ndarray:
        """`(2, 3)` lowest and highest corner, metres."""
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])


def join(meshes: Iterable[Mesh]) -> Mesh:
    """One mesh of many."""
    parts = [mesh for mesh in meshes if len(mesh.faces)]
    if not parts:
        return Mesh.empty()
    offsets = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    return Mesh(vertices=np.concatenate([part.vertices for part in parts]),
                faces=np.concatenate([part.faces + np.int32(offset) for part, offset in zip(parts, offsets, strict=True)]),
                material=np.concatenate([part.material for part in parts]),
                albedo=np.concatenate([part.albedo for part in parts]))
