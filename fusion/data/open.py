"""Opening a data set by the name of its format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fusion.data.dgp import DgpSource
from fusion.data.kitti import KittiSource
from fusion.data.nuscenes import NuScenesSource
from fusion.data.source import SceneSource, choose_scenes
from fusion.errors import UserError

NOT_NUSCENES = ("kitti", "dgp")
"""Versions that are no folder of nuScenes tables: the devkit can score nothing there."""

LABEL_LIMITS = {"kitti": "only what image_2 sees is labelled: detections elsewhere have no truth beside them, right or wrong"}
"""Version -> what its labels leave out."""


def open_source(dataroot: str | Path, version: str, scenes: Sequence[str] | None = None, *, labelled_only: bool = False) -> SceneSource:
    """Open a data set.

    Args:
        dataroot: nuScenes: the folder with `samples/`; KITTI: the folder with `training/`; DGP: one scene's folder.
        version: "kitti", "dgp", or the folder of nuScenes tables such as "v1.0-mini".
        scenes: names to offer, in nuScenes' format also of splits (see `choose_by_name`); None offers all.
        labelled_only: for training: leave out readings of places without labels, where a data set has such (see `KittiSource`).

    Raises:
        UserError: the folder is absent, its description cannot be read, or a scene is unknown.
    """
    root = Path(dataroot)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; pass the data set's root folder")
    if version not in NOT_NUSCENES:
        return NuScenesSource(root, version, scenes)
    source: SceneSource = KittiSource(root, labelled_only=labelled_only) if version == "kitti" else DgpSource(root)
    choose_scenes(source.scenes(), scenes, str(root))
    return source
