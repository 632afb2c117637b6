"""What the demo keeps of a drive while it is perceived: compressed pictures and counts, never whole readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from fusion.data.source import SceneSource
from fusion.demo.found import Found, confident, counts, find
from fusion.demo.schedule import Phase
from fusion.errors import UserError
from fusion.types import Detections, GroundTruth, SensorSet
from fusion.viz.bev_picture import BevView, draw_bev
from fusion.viz.camera_mosaic import camera_grid, draw_camera

TILE_WIDTH_PX = 480
BEV_PX = 640
WEBP_QUALITY = 78


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One keyframe as the page shows it.

    Attributes:
        time_s: since the first keyframe.
        phase: index into the phases.
        cameras: name -> WebP, None where the camera is lost; in the order of the picture.
        bev: the view from above, WebP.
        used: names of the sensors that the answer rests on.
        found: counts of the answer shown.
    """

    time_s: float
    phase: int
    cameras: Mapping[str, bytes | None]
    bev: bytes
    used: tuple[str, ...]
    found: Found


@dataclass(kw_only=True)
class Recorder:
    """Watches `answer_states` and keeps frames of the answers that the schedule shows.

    Attributes:
        source: asked for ground truth, and for a keyframe's place in the drive.
        phases: the schedule.
        min_score: boxes below are neither drawn nor counted.
        frames: filled keyframe by keyframe.
        found: state -> counts over the whole drive, whatever the schedule shows.
    """

    source: SceneSource
    phases: Sequence[Phase]
    min_score: float = 0.3
    frames: list[Frame] = field(default_factory=list)
    found: dict[str, Found] = field(default_factory=dict)
    _start_ns: int | None = None

    def watch(self, scene: str, readings: SensorSet, answers: Mapping[str, Detections]) -> None:
        """Keep one keyframe (the `watch` of `answer_states`)."""
        index = self.source.tokens(scene).index(readings.token)  # not the frames so far: a keyframe that could not be read has none
        phase = next(i for i, p in enumerate(self.phases) if p.start <= index < p.stop)
        truth = self.source.ground_truth(readings.token)
        if truth is None:
            raise UserError(f"sample {readings.token}: has no annotations; the demo needs them")
        shown = {name: confident(answer, self.min_score) for name, answer in answers.items()}
        here = {name: find(answer, truth) for name, answer in shown.items()}
        for name, found in here.items():
            self.found[name] = self.found.get(name, Found()) + found
        if self._start_ns is None:
            self._start_ns = readings.stamp_ns
        state = self.phases[phase].state
        self.frames.append(_frame(readings.without(*state.lost), shown[state.name], truth.select(counts(truth)), phase, here[state.name],
                                  1e-9 * (readings.stamp_ns - self._start_ns)))


def _frame(readings: SensorSet, answer: Detections, truth: GroundTruth, phase: int, found: Found, time_s: float) -> Frame:
    shapes = [reading.image.shape[:2] for reading in readings.cameras.values() if reading is not None]
    aspect = float(np.median([width / height for height, width in shapes])) if shapes else 16 / 9
    size_hw = (round(TILE_WIDTH_PX / aspect), TILE_WIDTH_PX)
    cameras = {name: None if readings.cameras[name] is None else webp(draw_camera(readings, name, size_hw, answer, truth))
               for row in camera_grid(tuple(readings.cameras)) for name in row}
    return Frame(time_s=time_s, phase=phase, cameras=cameras, bev=webp(draw_bev(readings, answer, truth, BevView(size_px=BEV_PX))),
                 used=answer.sensors_used, found=found)


def webp(image: np.ndarray, quality: int = WEBP_QUALITY) -> bytes:
    """`(H, W, 3)` uint8 RGB as the bytes of a WebP file."""
    done, data = cv2.imencode(".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not done:
        raise UserError("this build of OpenCV cannot write WebP; install the pinned opencv-python-headless")
    return bytes(data)
