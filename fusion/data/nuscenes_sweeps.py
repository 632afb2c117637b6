"""The camera images between nuScenes' keyframes. Perception reads none of them, so that its index holds none; a replay plays them."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusion.data.nuscenes_tables import LIDAR, read_calibrations, read_ego_poses, read_table
from fusion.errors import UserError


@dataclass(frozen=True, kw_only=True)
class CameraSweeps:
    """R images, in the order of the table.

    Attributes:
        camera: R names.
        sample: `(R,)` int, what `sample_rows` gave for the keyframe that each belongs to.
        file: R names, relative to the data root.
        calibration: `(R,)` int, as `NuScenesIndex.reading_calibration`.
        stamp_us: `(R,)` int64.
        pose: `(R, 7)` global_T_ego as quaternion w x y z and translation x y z.
        hw: `(R, 2)` int, image height and width, 0 where the table does not tell.
    """

    camera: tuple[str, ...]
    sample: np.ndarray
    file: tuple[str, ...]
    calibration: np.ndarray
    stamp_us: np.ndarray
    pose: np.ndarray
    hw: np.ndarray


def read_camera_sweeps(folder: Path, sample_rows: Mapping[str, int]) -> CameraSweeps:
    """Read two tables once, however many scenes they hold: some twenty seconds for the full data set.

    Args:
        folder: of the tables.
        sample_rows: tokens of the keyframes whose sweeps are wanted -> a number of the caller's.

    Raises:
        UserError: a missing or corrupt table, or a record without its calibration or pose.
    """
    calibration, _, _ = read_calibrations(folder)
    cameras: list[str] = []
    files: list[str] = []
    wanted: dict[str, list[int]] = {}  # ego pose -> its images
    samples, calibrations, stamps, sizes = array("i"), array("i"), array("q"), array("i")
    try:
        for record in read_table(folder, "sample_data"):
            row = sample_rows.get(record["sample_token"])
            index, channel = calibration[record["calibrated_sensor_token"]]
            if row is None or record["is_key_frame"] or index < 0 or channel == LIDAR:
                continue
            wanted.setdefault(record["ego_pose_token"], []).append(len(files))
            cameras.append(channel)
            files.append(record["filename"])
            samples.append(row)
            calibrations.append(index)
            stamps.append(record["timestamp"])
            sizes.extend((record.get("height") or 0, record.get("width") or 0))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder}/sample_data.json: a record of it, or of a table it refers to, lacks or garbles {error}; "
                        f"extract the metadata archive of {folder.name} again") from None
    return CameraSweeps(camera=tuple(cameras), sample=np.array(samples, np.int64), file=tuple(files), calibration=np.array(calibrations, np.int64),
                        stamp_us=np.array(stamps, np.int64), pose=read_ego_poses(folder, wanted, len(files)) if files else np.zeros((0, 7)),
                        hw=np.array(sizes, np.int64).reshape(-1, 2))
