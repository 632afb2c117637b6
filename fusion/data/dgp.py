"""A scene in TRI's DGP format as a `SceneSource`: a rig of any cameras and one LiDAR, each datum with its own stamp and pose."""

from __future__ import annotations

import json
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from fusion.data.classes import DGP_NAME, label_of
from fusion.data.readers import check_points, read_bytes, read_image
from fusion.data.source import WarningLog, check_sweeps, unknown
from fusion.errors import BadSensorData, UserError
from fusion.geometry.transforms import invert, pose
from fusion.types import CameraReading, GroundTruth, LidarReading, SensorSet

BOX_3D = "1"
"""DGP's key of 3D box annotations."""
DISTORTION = ("fisheye", "k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2", "s1", "s2", "s3", "s4", "taux", "tauy", "alpha", "w", "xi",
              "equirectangular")
"""Terms of a camera's intrinsics that bend straight lines, by their names in DGP's `geometry.proto`; of its other ones, `fov` is a pinhole's,
too, and `beta` counts for nothing without `alpha`."""
Record = dict[str, Any]


class DgpSource:
    """One DGP scene folder (`scene_*.json`, `calibration/`, `point_cloud/`, `rgb/` ...).

    Ego frame: DGP's vehicle frame (x forward, y left, z up, on the ground), to which the calibration's extrinsics refer. A
    datum's pose is global_T_sensor, so global_T_ego = global_T_sensor @ inverse(ego_T_sensor). The reference is the
    LiDAR's stamp. Tokens are "<scene>/<index>", such as "scene_01/000000". Boxes are given in the LiDAR's frame. A camera whose
    calibration has distortion gives nothing, with a warning: what reads the images takes them for those of a pinhole.

    Args:
        scene_dir: the scene's folder; its name is the scene's name.

    Raises:
        UserError: a missing or malformed description file.
    """

    def __init__(self, scene_dir: str | Path) -> None:
        self.folder = Path(scene_dir)
        self._bent: dict[tuple[str, str], str] = {}  # calibration and camera -> its distortion, "" for none
        self._name = self.folder.resolve().name
        found = sorted(self.folder.glob("scene_*.json"))
        if len(found) != 1:
            raise UserError(f"{self.folder}: found {len(found)} files named scene_*.json; pass the folder of one DGP scene")
        scene = _read_json(found[0])
        try:
            data = {datum["key"]: datum for datum in scene["data"]}
            samples = sorted(scene["samples"], key=lambda s: _stamp_ns(s["id"]["timestamp"]))
            self._samples: dict[str, list[Record]] = {
                f"{self._name}/{i:06d}": [data[key] for key in sample["datum_keys"]] for i, sample in enumerate(samples)}
            self._calibration = {key: self._rig(key) for key in {s["calibration_key"] for s in samples}}
            self._calibration_key = dict(zip(self._samples, (s["calibration_key"] for s in samples), strict=True))
            self._labels = self._ontology(scene["ontologies"].get(BOX_3D))
            everything = [datum for sample in self._samples.values() for datum in sample]
            self._cameras = tuple(sorted({d["id"]["name"] for d in everything if "image" in d["datum"]}))
            lidars = sorted({d["id"]["name"] for d in everything if "point_cloud" in d["datum"]})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{found[0]}: a record lacks or garbles {error}; restore the scene's files") from None
        if len(lidars) != 1:
            raise UserError(f"{found[0]}: expected one LiDAR, got {lidars or 'none'}")
        self._lidar = lidars[0]

    def scenes(self) -> list[str]:
        """The folder's name."""
        return [self._name]

    def tokens(self, scene: str) -> list[str]:
        """Instants in time order."""
        if scene != self._name:
            raise unknown("scene", scene, self.scenes(), str(self.folder))
        return list(self._samples)

    def sensors(self) -> tuple[str, ...]:
        """Cameras by name, then the LiDAR."""
        return (*self._cameras, self._lidar)

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        """The readings of an instant (see `SceneSource.load`); there are no sweeps, so `num_sweeps` adds nothing."""
        check_sweeps(num_sweeps)
        data = self._data(token)
        log = WarningLog()
        images = {name: self._camera(token, name, data.get(name), log) if cameras else None for name in self._cameras}
        cloud = self._cloud(token, data.get(self._lidar), log) if lidar else None
        reference = data.get(self._lidar) or next(iter(data.values()))
        return SensorSet(cameras=images, lidar=cloud, stamp_ns=_stamp_ns(reference["id"]["timestamp"]),
                         global_T_ego=self._global_T_ego(token, reference), token=token, lidar_name=self._lidar,
                         warnings=tuple(log.lines))

    def ground_truth(self, token: str) -> GroundTruth | None:
        """Boxes that have a detection class; velocity and visibility are unknown. None where the LiDAR is not annotated."""
        datum = self._data(token).get(self._lidar)
        name = datum["datum"]["point_cloud"]["annotations"].get(BOX_3D) if datum else None
        if datum is None or name is None:
            return None
        path = self.folder / name
        boxes, labels, counts, instances = [], [], [], []
        ego_T_lidar = self._extrinsics(token, self._lidar)[0]
        try:
            for annotation in _read_json(path)["annotations"]:
                label = self._labels[annotation["class_id"]]
                if label < 0:
                    continue
                box = annotation["box"]
                ego_T_box = ego_T_lidar @ _pose(box["pose"])
                yaw = np.arctan2(ego_T_box[1, 0], ego_T_box[0, 0])
                boxes.append([*ego_T_box[:3, 3], box["length"], box["width"], box["height"], yaw, np.nan, np.nan])
                labels.append(label)
                counts.append(int(annotation.get("num_points", -1)))
                instances.append(str(annotation["instance_id"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: a record lacks or garbles {error}; restore the annotation file") from None
        return GroundTruth(
            boxes=np.array(boxes, np.float32).reshape(-1, 9), labels=np.array(labels, np.int64), attributes=("",) * len(boxes),
            num_lidar_pts=np.array(counts, np.int64), visibility=np.zeros(len(boxes), np.int64), tokens=tuple(instances),
        )

    def _data(self, token: str) -> dict[str, Record]:
        if token not in self._samples:
            raise unknown("token", token, list(self._samples), str(self.folder))
        return {datum["id"]["name"]: datum for datum in self._samples[token]}

    def _rig(self, key: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Sensor name -> (ego_T_sensor, intrinsics)."""
        path = self.folder / "calibration" / f"{key}.json"
        rig = _read_json(path)
        try:
            self._bent |= {(key, name): ", ".join(f"{term} {k[term]}" for term in DISTORTION if k.get(term))
                           for name, k in zip(rig["names"], rig["intrinsics"], strict=True)}
            return {name: (_pose(extrinsics),
                           np.array([[k["fx"], k["skew"], k["cx"]], [0, k["fy"], k["cy"]], [0, 0, 1]], np.float64))
                    for name, extrinsics, k in zip(rig["names"], rig["extrinsics"], rig["intrinsics"], strict=True)}
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: a record lacks or garbles {error}; restore the calibration file") from None

    def _ontology(self, key: str | None) -> dict[int, int]:
        """Class id -> detection label, -1 where the class is not part of the task."""
        if key is None:
            return {}
        path = self.folder / "ontology" / f"{key}.json"
        return {item["id"]: label_of(DGP_NAME.get(item["name"])) for item in _read_json(path)["items"]}

    def _extrinsics(self, token: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        rig = self._calibration[self._calibration_key[token]]
        if name not in rig:
            path = self.folder / "calibration" / f"{self._calibration_key[token]}.json"
            raise UserError(f"{path}: no sensor {name!r}; found {', '.join(rig)}")
        return rig[name]

    def _global_T_ego(self, token: str, datum: Record) -> np.ndarray:
        (content,) = datum["datum"].values()
        global_T_ego: np.ndarray = _pose(content["pose"]) @ invert(self._extrinsics(token, datum["id"]["name"])[0])
        return global_T_ego

    def _camera(self, token: str, name: str, datum: Record | None, log: WarningLog) -> CameraReading | None:
        if datum is None:
            log.lines.append(f"{name}: no image for this instant; taken as absent")
            return None
        content = datum["datum"]["image"]
        bent = self._bent.get((self._calibration_key[token], name))
        if bent:
            log.lines.append(f"{name}: distorted images ({bent}), expected those of a pinhole camera; straighten them; taken as absent")
            return None
        try:
            image = read_image(self.folder / content["filename"], expected_hw=(content["height"], content["width"]))
        except BadSensorData as error:
            log.add(name, error)
            return None
        ego_T_cam, intrinsics = self._extrinsics(token, name)
        return CameraReading(image=image, intrinsics=intrinsics, ego_T_cam=ego_T_cam,
                             stamp_ns=_stamp_ns(datum["id"]["timestamp"]), global_T_ego=self._global_T_ego(token, datum))

    def _cloud(self, token: str, datum: Record | None, log: WarningLog) -> LidarReading | None:
        if datum is None:
            log.lines.append(f"{self._lidar}: no points for this instant; taken as absent")
            return None
        try:
            stored = _read_npz(self.folder / datum["datum"]["point_cloud"]["filename"])
        except BadSensorData as error:
            log.add(self._lidar, error)
            return None
        points = np.zeros((len(stored), 5), np.float32)
        points[:, :4] = stored
        points[:, 3] = points[:, 3].clip(0, 1)
        return LidarReading(points=points, ego_T_lidar=self._extrinsics(token, self._lidar)[0],
                            stamp_ns=_stamp_ns(datum["id"]["timestamp"]), global_T_ego=self._global_T_ego(token, datum))


def _read_json(path: Path) -> Record:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); restore the scene's files") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); restore the scene's files") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a JSON object; restore the scene's files")
    return content


def _read_npz(path: Path) -> np.ndarray:
    """`(P, 4)` x y z intensity; BadSensorData where the archive cannot be used."""
    read_bytes(path)  # missing and empty files
    try:
        with np.load(path, allow_pickle=False) as archive:
            points: np.ndarray = archive["data"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BadSensorData(f"{path}: not a readable point archive ({error}); restore it from the data set's archive") from None
    if points.ndim != 2 or points.shape[1] < 4:
        raise BadSensorData(f"{path}: expected points of shape (P, 4), got {points.shape}")
    return check_points(path, points[:, :4])


def _pose(record: Record) -> np.ndarray:
    """A DGP pose as a 4x4 transform."""
    rotation, translation = record["rotation"], record["translation"]
    return pose(np.array([rotation[k] for k in ("qw", "qx", "qy", "qz")]), np.array([translation[k] for k in ("x", "y", "z")]))


def _stamp_ns(text: str) -> int:
    """Nanoseconds since 1970 of "2463-05-15T00:38:58.203752Z", exactly; there may be up to nine decimals, or none."""
    whole, _, decimals = text.removesuffix("Z").partition(".")
    if not text.endswith("Z") or len(decimals) > 9 or not (decimals or "0").isdigit():
        raise ValueError(f"time {text!r}, expected one such as 2019-05-15T00:38:58.203752Z")
    passed = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000_000 + int(decimals.ljust(9, "0"))
