"""Moving actors as a turning LiDAR meets them: each posed where the beam passes it, its search tree built once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusion.geometry.transforms import invert
from fusion.simulate.actor import Actor
from fusion.simulate.lidar.casting import NOTHING, Hits, RayCaster
from fusion.simulate.lidar.firing import Firing, poses_at
from fusion.simulate.lidar.seen import seen_at
from fusion.simulate.mesh import Mesh
from fusion.simulate.rig import LidarMount, Rig
from fusion.simulate.scenery import Scenery


def moves(actor: Actor) -> bool:
    """Whether an actor's pose ever changes."""
    return bool(np.ptp(actor.track.poses, axis=0).max() > 1e-6)


@dataclass(frozen=True, kw_only=True)
class Body:
    """A shape in its own frame. Attributes: `mesh`; `caster` for it; `radius_m`, `half_height_m`: of the upright cylinder around it."""

    mesh: Mesh
    caster: RayCaster
    radius_m: float
    half_height_m: float

    def reach_m(self, axis: np.ndarray) -> float:
        """How far it reaches from its origin, across an axis `(3,)` given in its own frame."""
        return self.radius_m + self.half_height_m * float(np.hypot(*axis[:2]))

    @classmethod
    def of(cls, mesh: Mesh, source: int) -> Body:
        """Builds the search tree."""
        radius = float(np.linalg.norm(mesh.vertices[:, :2], axis=1).max()) if len(mesh.vertices) else 0.0
        return cls(mesh=mesh, caster=RayCaster([(mesh, source)]), radius_m=radius, half_height_m=float(np.abs(mesh.vertices[:, 2]).max(initial=0.0)))


@dataclass(frozen=True, kw_only=True)
class Posed:
    """A body where the beam passes it.

    Attributes:
        body: the shape.
        body_T_global: `(4, 4)` float64.
        runs: half-open runs of the turn's steps in which beams may meet it.
    """

    body: Body
    body_T_global: np.ndarray
    runs: Sequence[tuple[int, int]]

    def cast_into(self, hits: Hits, origins_m: np.ndarray, directions: np.ndarray, step: np.ndarray, shift_m: np.ndarray) -> None:
        """Overwrite the hits of those beams that meet the body sooner.

        Args:
            hits: of N beams so far.
            origins_m: `(N, 3)` global metres less `shift_m`.
            directions: `(N, 3)` unit vectors, global axes.
            step: `(N,)` of the turn, ascending.
            shift_m: `(3,)` origin of the frame of `origins_m`.
        """
        rotation = self.body_T_global[:3, :3]
        offset = rotation @ shift_m + self.body_T_global[:3, 3]
        for run in self.runs:
            first, last = np.searchsorted(step, run)
            if first == last:
                continue
            near = self.body.caster.cast(origins_m[first:last] @ rotation.T + offset, directions[first:last] @ rotation.T,
                                         hits.distance_m[first:last])
            met = np.flatnonzero(near.source != NOTHING)
            hits.put(first + met, near.take(met))


class Movers:
    """The moving actors of a scenery; each shape's search tree is built when it is first in reach, and kept."""

    def __init__(self, scenery: Scenery, mount: LidarMount, firing: Firing) -> None:
        self._scenery, self._mount, self._firing = scenery, mount, firing
        self._rig = Rig(cameras=(), lidar=mount)
        self._indices = [index for index, actor in enumerate(scenery.actors) if moves(actor)]
        self._bodies: dict[tuple[int, int], Body] = {}

    def posed(self, t_s: float) -> list[Posed]:
        """Those in reach, in the turn that ends at a time."""
        if not self._indices:
            return []
        seen = seen_at(self._scenery, self._rig, t_s)
        ego_m, global_R_ego = poses_at(self._scenery.ego, seen[self._indices])
        axis_ego = self._mount.ego_T_body[:3, 2]
        found = []
        for index, position, rotation in zip(self._indices, ego_m, global_R_ego, strict=True):
            actor = self._scenery.actors[index]
            global_T_body = actor.track.matrix(seen[index])
            forward, left, _ = self._mount.to_body(rotation.T @ (global_T_body[:3, 3] - position) - np.asarray(self._mount.position_m))
            away = float(np.hypot(forward, left))
            if away - float(np.linalg.norm(actor.size_lwh)) > self._mount.range_m[1]:
                continue
            body = self._body(index, actor.mesh_at(seen[index]))
            reach = body.reach_m(global_T_body[:3, :3].T @ rotation @ axis_ego)
            width = np.pi if away <= reach else float(np.arcsin(reach / away))
            found.append(Posed(body=body, body_T_global=invert(global_T_body),
                               runs=self._firing.runs_towards(float(np.arctan2(left, forward)), width)))
        return found

    def _body(self, index: int, mesh: Mesh) -> Body:
        key = (index, id(mesh))  # the scenery keeps its meshes alive, so that ids stay theirs
        if key not in self._bodies:
            self._bodies[key] = Body.of(mesh, index)
        return self._bodies[key]
