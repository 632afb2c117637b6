"""What the fusion node was asked to do: its rig, and how readings are brought together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fusion.errors import UserError
from fusion.runtime.backends.names import BackendName
from fusion.sensors.sync import SyncConfig


def maybe_rectified(camera: str, topic: str, setting: str) -> tuple[str, ...]:
    """A line to tell of a camera whose images are undistorted, although its topic sounds as if they were so already, or none."""
    if not any(word.startswith("image_rect") for word in topic.split("/")):
        return ()
    return (f"{camera}: the images on {topic} are taken for raw ones and undistorted; are they rectified already ({setting})?",)


@dataclass(frozen=True, kw_only=True)
class SensorParameters:
    """One sensor: the topic of its readings, what to add to their stamps, its frame where its messages name a wrong one, and whether it is
    subscribed to reliably (None: as its publishers offer)."""

    name: str
    topic: str
    time_offset_ns: int = 0
    frame: str = ""
    reliable: bool | None = None


@dataclass(frozen=True, kw_only=True)
class CameraParameters(SensorParameters):
    """One camera: its images come in `transport`, its CameraInfo on `info_topic`; `rectified` images have no distortion left in them."""

    info_topic: str
    transport: str
    rectified: bool = False


@dataclass(frozen=True, kw_only=True)
class LidarParameters(SensorParameters):
    """One LiDAR: intensities are divided by `intensity_max`; points within `near_m` of it (a square in x and y) are the vehicle
    itself and are removed, as nuScenes does; points with times of their own are moved to the sweep's stamp (`deskew`), unless its driver
    has done so."""

    intensity_max: float = 255.0
    near_m: float = 1.0
    deskew: bool = True


@dataclass(frozen=True, kw_only=True)
class FusionNodeConfig:
    """What the fusion node was asked to do; times in nanoseconds, sensors by name in the order given."""

    model: str
    config: str
    overrides: tuple[str, ...]
    cameras: Mapping[str, CameraParameters]
    lidars: Mapping[str, LidarParameters]
    reference_sensor: str
    deadline_ns: int
    max_age_ns: int
    takeover_ns: int
    missing_after_ns: int
    frozen_after: int
    base_frame: str
    fixed_frame: str
    reduced_decoding: bool
    markers_min_score: float
    backend: BackendName | None
    device: str
    threads: int
    bf16: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """What looks like a mistake, and is not refused."""
        return tuple(note for camera in self.cameras.values() if not camera.rectified
                     for note in maybe_rectified(camera.name, camera.topic, f"sensors.{camera.name}.rectified"))

    @property
    def sensors(self) -> tuple[str, ...]:
        """Names, cameras first."""
        return (*self.cameras, *self.lidars)

    def sync(self) -> SyncConfig:
        """How readings are brought together."""
        return SyncConfig(
            sensors=self.sensors, reference=self.reference_sensor, deadline_ns=self.deadline_ns, max_age_ns=self.max_age_ns,
            offsets_ns={name: self.sensor(name).time_offset_ns for name in self.sensors}, takeover_ns=self.takeover_ns)

    def sensor(self, name: str) -> SensorParameters:
        """One sensor of `sensors`."""
        return self.cameras[name] if name in self.cameras else self.lidars[name]

    def read_by(self, *, camera: bool, lidar: bool) -> FusionNodeConfig:
        """The same without the sensors that a model does not read; UserError where none is left or the reference is lost."""
        cameras, lidars = self.cameras if camera else {}, self.lidars if lidar else {}
        names = (*cameras, *lidars)
        reads = " and ".join(kind for kind, is_read in (("cameras", camera), ("LiDARs", lidar)) if is_read)
        if not names:
            raise UserError(f"model {self.model!r} reads {reads} only, and none is named; name some, or choose another model")
        reference = self.reference_sensor
        if reference not in names:
            raise UserError(f"reference_sensor {reference!r}: model {self.model!r} reads {reads} only; expected one of {', '.join(names)}")
        return replace(self, cameras=cameras, lidars=lidars)
