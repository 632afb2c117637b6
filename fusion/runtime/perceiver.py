"""One call from readings to detections, whichever sensors are there."""

from __future__ import annotations

import torch

from fusion.errors import UserError
from fusion.inputs import decode_output, prepare_inputs
from fusion.model import ModelConfig
from fusion.runtime.backends.protocol import Backend
from fusion.runtime.timing import StageTimer
from fusion.sensors.preprocess import to_batch
from fusion.types import Detections, SensorBatch, SensorSet


class Perceiver:
    """A backend with the host's part around it, ready to answer.

    Args:
        backend: what runs the network; see `fusion.runtime.backends.open.open_backend`.
        config: in place of the backend's own; only preprocessing and decoding may differ.
        timer: collects the time of every stage.
        external: the model learnt from other data than nuScenes', which its submissions tell.
    """

    def __init__(self, backend: Backend, *, config: ModelConfig | None = None, timer: StageTimer | None = None, external: bool = False) -> None:
        self.backend, self.config, self.timer = backend, config or backend.config, timer or StageTimer()
        self.external = external

    def sensors_used(self, sensor_set: SensorSet) -> tuple[str, ...]:
        """Names of the sensors that are present and that this network reads."""
        network = self.config.network
        reads_camera, reads_lidar = network.camera is not None, network.lidar is not None
        return tuple(name for name in sensor_set.sensors_present
                     if (reads_lidar if name == sensor_set.lidar_name else reads_camera))

    def batch(self, sensor_set: SensorSet) -> SensorBatch:
        """Readings as tensors, B = 1; a rig with fewer cameras than the backend has slots leaves the last ones empty.

        Raises:
            UserError: a rig with more cameras than slots.
        """
        slots, rig = self.backend.cameras, list(sensor_set.cameras)
        if slots is None:
            return to_batch([sensor_set], self.config.input)
        if len(rig) > slots:
            raise UserError(f"the rig has {len(rig)} cameras ({', '.join(rig)}), but the exported model has {slots} camera slots;"
                            f" export it again with --cameras {len(rig)}")
        return to_batch([sensor_set], self.config.input, [*rig, *[""] * (slots - len(rig))])

    def warm_up(self, sensor_set: SensorSet) -> None:
        """Answer once off the clock: the first call compiles and allocates."""
        timer, self.timer = self.timer, StageTimer()
        try:
            self.perceive(sensor_set)
        finally:
            self.timer = timer

    @torch.inference_mode()
    def perceive(self, sensor_set: SensorSet) -> Detections:
        """Detect objects at the set's reference stamp, in the ego frame of that stamp; no boxes where no sensor gave anything."""
        used, network = self.sensors_used(sensor_set), self.config.network
        if not used:
            return Detections.empty(stamp_ns=sensor_set.stamp_ns, token=sensor_set.token, classes=network.classes)
        with self.timer.stage("preprocess"):
            batch = self.batch(sensor_set)
        with self.timer.stage("prepare"):
            inputs = prepare_inputs(network, batch)
        with self.timer.stage("network"):
            output = self.backend(inputs)
        with self.timer.stage("decode"):
            raw = decode_output(network, output, inputs)[0]
        return Detections(boxes=raw.boxes, scores=raw.scores, labels=raw.labels, attributes=raw.attribute_names,
                          stamp_ns=sensor_set.stamp_ns, sensors_used=used, token=sensor_set.token, classes=network.classes)
