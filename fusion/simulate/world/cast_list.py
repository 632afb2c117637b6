"""Who is in the scene in the end: movers set on the ground, and whoever would run into somebody left out."""

from __future__ import annotations

import numpy as np

from fusion.geometry.iou import bev_iou
from fusion.simulate.actor import Actor, Track
from fusion.simulate.world.ego import EGO_LWH
from fusion.simulate.world.land import Land
from fusion.simulate.world.mover import Mover
from fusion.simulate.world.site import DRIVEN, STANDS, WALKED, Site, actor_of


def reserve(site: Site, movers: list[Mover], bit: int) -> None:
    """Mark the ground that movers pass over, so that nothing is put there."""
    for mover in movers:
        length, width = (float(side) for side in mover.shape.size_lwh[:2])
        step = 4 if bit == DRIVEN else 2
        last = None
        for x, y, yaw in mover.poses[mover.times_s >= -1e-6][::step]:
            if last is None or abs(x - last[0]) + abs(y - last[1]) > 0.3:
                site.take(np.array([x, y]), float(yaw), length + 0.3, width + 0.3, bit)
                last = (x, y)


def walkable(site: Site, people: list[Mover]) -> list[Mover]:
    """Those near the ego's way who would not walk through what stands there."""
    blocked = set()
    for mover in people:
        poses = mover.poses[mover.times_s >= -1e-6]
        length, width = (float(side) for side in mover.shape.size_lwh[:2])
        if site.near(poses[len(poses) // 2, :2]) >= 75 or not all(site.free(pose[:2], float(pose[2]), length, width, STANDS) for pose in poses[::4]):
            blocked.add(mover.group)
    out = [mover for mover in people if mover.group not in blocked]
    reserve(site, out, WALKED)
    return out


def grounded(land: Land, mover: Mover) -> Actor:
    """A mover as an actor on the ground: vehicles follow its tilt, people stand upright."""
    keep = mover.times_s >= -1e-6
    times, poses = mover.times_s[keep], mover.poses[keep]
    length, width, height = (float(side) for side in mover.shape.size_lwh)
    xy, yaw = poses[:, :2], poses[:, 2]
    pitch, roll = np.zeros(len(xy)), np.zeros(len(xy))
    if mover.shape.category.startswith("vehicle"):
        pitch, roll = land.tilt(xy, yaw, length * 0.6, width * 0.8)
    track = Track(times_s=times, poses=np.column_stack([xy, land.height(xy) + height / 2, yaw, pitch, roll]))
    return actor_of(mover.shape, track, "vehicle.stopped" if mover.shape.moving == "vehicle.moving" else None)


def without_conflicts(land: Land, vehicles: list[Mover], people: list[Mover], site: Site, times_s: np.ndarray,
                      ego_poses: np.ndarray) -> list[Actor]:
    """Leave out actors until no two boxes, nor the ego's, ever overlap, but within a group: first standing ones, then people, then vehicles.
    Movers go with their whole group, standing ones alone.

    Args:
        times_s, ego_poses: `(T,)`, `(T, 3)` x, y, yaw of the ego's centre.
    """
    movers, standing = vehicles + people, site.actors
    actors = [grounded(land, mover) for mover in movers] + standing
    groups = [mover.group for mover in movers] + [-1 - group for group in site.groups]
    rank = np.array([2] * len(vehicles) + [1] * len(people) + [0] * len(standing))
    checked = times_s[::3]
    tracks = np.empty((len(checked), len(actors), 7))
    for i, actor in enumerate(actors):
        poses = actor.track.at(checked)
        tracks[:, i] = np.column_stack([poses[:, :3], np.tile(actor.size_lwh, (len(checked), 1)), poses[:, 3]])
    tracks[:, :, 3:5] += 0.08
    gone = np.zeros(len(actors), bool)
    for step, (boxes, (x, y, yaw)) in enumerate(zip(tracks, ego_poses[::3], strict=True)):
        gone |= bev_iou(boxes, np.array([[x, y, 0, EGO_LWH[0] + 0.4, EGO_LWH[1] + 0.3, 2, yaw]]))[:, 0] > 0
        alive = np.nonzero(~gone)[0]
        first = alive if step == 0 else alive[rank[alive] > 0]
        for i, j in np.argwhere(bev_iou(boxes[first], boxes[alive]) > 0):
            a, b = int(first[i]), int(alive[j])
            if a != b and not gone[a] and not gone[b] and groups[a] != groups[b]:
                gone[a if (rank[a], -a) < (rank[b], -b) else b] = True
    lost = {groups[i] for i in np.nonzero(gone)[0] if rank[i] > 0}
    return [actor for i, actor in enumerate(actors) if not gone[i] and groups[i] not in lost]
