"""All triangles of a scene in flat arrays, as the rasteriser and the shading passes read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.geometry.transforms import invert
from fusion.simulate.camera.tracks import Tracks, matrices
from fusion.simulate.materials import MATERIALS, Material
from fusion.simulate.mesh import Mesh, join
from fusion.simulate.scenery import Scenery

STATIC, EGO, FIRST_ACTOR = 0, 1, 2
"""Owners of faces: the standing world, the ego car, then the actors in the scenery's order."""

_CHUNK_M = 12.0
_HOLES = {"leaves": 1, "metal": 2}


@dataclass(frozen=True, kw_only=True)
class Faces:
    """Every face of a scene, each in the frame of its owner; the static world's frame is the global one moved to `origin`.

    Attributes:
        corners: `(F, 3, 3)` float32, face, corner, metres.
        normal: `(F, 3)` float32 unit; zero for a face without area.
        material, hole: `(F,)` uint8; `hole` is 0 for solid faces, 1 for leaves, 2 for a wire mesh.
        albedo: `(F, 3)` float32 linear RGB.
        owner: `(F,)` int32.
        origin: `(3,)` float64 global metres that are subtracted from the static world, so that float32 keeps millimetres.
        chunks: `(K, 2)` int64 first face and number of faces of the static world's chunks.
        chunk_low, chunk_high: `(K, 3)` float64 bounds of the chunks.
        ego_range: first face and number of faces of the ego car.
        actor_ranges: `(A, G, 2)` int64 per actor, per phase of its gait (padded), first face and number of faces.
        tracks: of the actors.
    """

    corners: np.ndarray
    normal: np.ndarray
    material: np.ndarray
    hole: np.ndarray
    albedo: np.ndarray
    owner: np.ndarray
    origin: np.ndarray
    chunks: np.ndarray
    chunk_low: np.ndarray
    chunk_high: np.ndarray
    ego_range: tuple[int, int]
    actor_ranges: np.ndarray
    tracks: Tracks

    @classmethod
    def of(cls, scenery: Scenery) -> Faces:
        """Flatten a scene; done once."""
        origin = np.zeros(3) if not len(scenery.static.vertices) else np.round(scenery.static.bounds.mean(axis=0))
        static = _moved_to(scenery.static, origin)
        static, chunks, low, high = _chunked(static)
        parts, owners = [static, scenery.ego_body], [STATIC, EGO]
        ranges = np.zeros((len(scenery.actors), max([1, *(len(actor.meshes) for actor in scenery.actors)]), 2), np.int64)
        at = len(static.faces) + len(scenery.ego_body.faces)
        for index, actor in enumerate(scenery.actors):
            for phase, mesh in enumerate(actor.meshes):
                parts.append(mesh)
                owners.append(FIRST_ACTOR + index)
                ranges[index, phase] = at, len(mesh.faces)
                at += len(mesh.faces)
        everything = join(parts)
        corners = np.ascontiguousarray(everything.vertices[everything.faces], np.float32)
        return cls(corners=corners, normal=_normals(corners), material=everything.material, hole=_holes(everything.material),
                   albedo=np.ascontiguousarray(everything.albedo, np.float32),
                   owner=np.repeat(np.array(owners, np.int32), [len(part.faces) for part in parts]), origin=origin,
                   chunks=chunks, chunk_low=low, chunk_high=high, ego_range=(len(static.faces), len(scenery.ego_body.faces)),
                   actor_ranges=ranges, tracks=Tracks.of(scenery.actors))

    def chunks_in_view(self, planes: np.ndarray) -> np.ndarray:
        """Rows of `chunks` that are not entirely behind one of `(P, 4)` planes (inside: n . p + d >= 0), nearest order kept."""
        middle, half = (self.chunk_low + self.chunk_high) / 2, (self.chunk_high - self.chunk_low) / 2
        reach = middle @ planes[:, :3].T + half @ np.abs(planes[:, :3]).T + planes[:, 3]
        seen: np.ndarray = self.chunks[(reach >= 0).all(axis=1)]
        return seen


@dataclass(frozen=True, kw_only=True)
class Posed:
    """The owners of faces at one instant.

    Attributes:
        origin_T_owner: `(O, 4, 4)` float64 from each owner's frame to the global frame moved to `Faces.origin`.
        ranges: `(A, 2)` int64 first face and number of faces of every actor.
    """

    origin_T_owner: np.ndarray
    ranges: np.ndarray

    @classmethod
    def at(cls, scenery: Scenery, faces: Faces, t_s: float) -> Posed:
        """Everything where it is at a time."""
        poses = faces.tracks.at(t_s)
        origin_T_owner = np.concatenate([np.eye(4)[None], scenery.ego.matrix(t_s)[None], matrices(poses)])
        origin_T_owner[1:, :3, 3] -= faces.origin
        return cls(origin_T_owner=origin_T_owner, ranges=faces.actor_ranges[np.arange(len(poses)), faces.tracks.phase(poses)])

    @property
    def owner_T_origin(self) -> np.ndarray:
        """`(O, 4, 4)` float64."""
        return invert(self.origin_T_owner)


def _moved_to(mesh: Mesh, origin: np.ndarray) -> Mesh:
    shift = np.eye(4)
    shift[:3, 3] = -origin
    return mesh.moved(shift)


def _chunked(mesh: Mesh) -> tuple[Mesh, np.ndarray, np.ndarray, np.ndarray]:
    """The mesh with faces sorted into square columns of ground, and the columns' ranges and bounds."""
    if not len(mesh.faces):
        return mesh, np.zeros((0, 2), np.int64), np.zeros((0, 3)), np.zeros((0, 3))
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    cell = np.floor(corners.mean(axis=1)[:, :2] / _CHUNK_M).astype(np.int64)
    key = (cell[:, 0] << 32) + cell[:, 1]
    order = np.argsort(key, kind="stable")
    _, first, count = np.unique(key[order], return_index=True, return_counts=True)
    corners = corners[order]
    low = np.minimum.reduceat(corners.min(axis=1), first)
    high = np.maximum.reduceat(corners.max(axis=1), first)
    sorted_mesh = Mesh(vertices=mesh.vertices, faces=mesh.faces[order], material=mesh.material[order], albedo=mesh.albedo[order])
    return sorted_mesh, np.column_stack([first, count]).astype(np.int64), low, high


def _normals(corners: np.ndarray) -> np.ndarray:
    wide = corners.astype(np.float64)
    normal = np.cross(wide[:, 1] - wide[:, 0], wide[:, 2] - wide[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return np.asarray(normal / np.where(length > 0, length, 1.0), np.float32)


def _holes(material: np.ndarray) -> np.ndarray:
    kinds = np.zeros(len(Material), np.uint8)
    for name in (Material.FOLIAGE, Material.FENCE):
        kinds[name] = _HOLES[MATERIALS[name].texture]
    return np.asarray(kinds[material], np.uint8)
