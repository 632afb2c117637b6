"""One call from readings to detections, whichever sensors are there."""

from __future__ import annotations

import torch

from fusion.model import ModelConfig
from fusion.network import BevDuetNet
from fusion.runtime.timing import StageTimer
from fusion.sensors.preprocess import to_batch
from fusion.types import Detections, SensorSet


class Perceiver:
    """A network with its preprocessing, ready to answer.

    Args:
        network: put into eval mode here.
        config: the model's config.
        device: where the network runs.
        timer: collects the time of every stage.
    """

    def __init__(self, network: BevDuetNet, config: ModelConfig, *, device: torch.device | str = "cpu",
                 timer: StageTimer | None = None) -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device).eval()
        self.config = config
        self.timer = timer or StageTimer()

    def sensors_used(self, sensor_set: SensorSet) -> tuple[str, ...]:
        """Names of the sensors that are present and that this network reads."""
        network = self.config.network
        reads_camera, reads_lidar = network.camera is not None, network.lidar is not None
        return tuple(name for name in sensor_set.sensors_present
                     if (reads_lidar if name == sensor_set.lidar_name else reads_camera))

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
        used = self.sensors_used(sensor_set)
        classes = self.config.network.classes
        if not used:
            return Detections.empty(stamp_ns=sensor_set.stamp_ns, token=sensor_set.token, classes=classes)
        with self.timer.stage("preprocess"):
            batch = to_batch([sensor_set], self.config.input)
        with self.timer.stage("prepare"):
            inputs = self.network.prepare(batch).to(self.device)
        with self.timer.stage("network"):
            output = self.network(inputs)
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
        with self.timer.stage("decode"):
            raw = self.network.decode(output)[0]
        return Detections(boxes=raw.boxes, scores=raw.scores, labels=raw.labels, attributes=raw.attribute_names,
                          stamp_ns=sensor_set.stamp_ns, sensors_used=used, token=sensor_set.token, classes=classes)
