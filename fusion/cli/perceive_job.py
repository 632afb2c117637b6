"""The offline job: whole scenes through a perceiver, one keyframe in memory at a time."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fusion.data.source import SceneSource, check_sweeps
from fusion.errors import UserError
from fusion.evaluate.submission import SubmissionWriter, to_submission
from fusion.runtime.perceiver import Perceiver
from fusion.runtime.timing import write_timing
from fusion.types import GroundTruth, SensorSet
from fusion.viz.camera_mosaic import draw_instant
from fusion.viz.video import write_jpeg, write_video


@dataclass(frozen=True, kw_only=True)
class PerceiveJob:
    """What to do.

    Attributes:
        scenes: names, in order.
        out: folder for `results_nusc.json`, `pictures/SCENE/NNN_TOKEN.jpg`, `SCENE.mp4` and `timing.json`.
        cameras, lidar: whether to read these sensors at all.
        drop: names of sensors to treat as missing.
        num_sweeps: LiDAR sweeps to accumulate.
        draw_every: draw every so many keyframes; 0 draws none.
        draw_min_score: boxes below are not drawn.
    """

    scenes: tuple[str, ...]
    out: Path
    cameras: bool = True
    lidar: bool = True
    drop: tuple[str, ...] = ()
    num_sweeps: int = 0
    draw_every: int = 1
    draw_min_score: float = 0.3


@dataclass(kw_only=True)
class JobSummary:
    """What was done: counts."""

    samples: int = 0
    failed: int = 0
    boxes: int = 0
    warnings: int = 0

    def warn(self, line: str) -> None:
        """Print one warning line without breaking the progress bar."""
        self.warnings += 1
        tqdm.write(f"bevduet: warning: {' '.join(line.split())}", file=sys.stderr)


def run_job(source: SceneSource, perceiver: Perceiver, job: PerceiveJob, *, model_name: str = "") -> JobSummary:
    """Detect, write and draw every keyframe of the job's scenes.

    A keyframe that cannot be read gives a warning and an empty answer; the others go on. Files of earlier runs are replaced one
    by one, each only when the new one is complete.

    Raises:
        UserError: an unknown scene, or no keyframe could be read at all.
    """
    check_sweeps(job.num_sweeps)
    summary = JobSummary()
    tokens = {scene: source.tokens(scene) for scene in job.scenes}
    total = sum(len(t) for t in tokens.values())
    if not total:
        raise UserError(f"scenes {', '.join(job.scenes) or '(none)'}: no keyframes; choose other scenes")
    try:
        job.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {job.out}: cannot be made ({error.strerror}); give a folder that can be written") from None
    warm = False
    with (SubmissionWriter(job.out / "results_nusc.json", use_external=perceiver.external) as writer,
          tqdm(total=total, unit="keyframe", disable=None) as progress):
        for scene in job.scenes:
            pictures: list[Path] = []
            for number, token in enumerate(tokens[scene]):
                progress.update()
                summary.samples += 1
                sensor_set = _load(source, perceiver, job, token, summary)
                if sensor_set is None:
                    writer.add(token, [])
                    continue
                if not warm and sensor_set.sensors_present:
                    perceiver.warm_up(sensor_set)
                    warm = True
                with perceiver.timer.stage("detect"):
                    detections = perceiver.perceive(sensor_set)
                writer.use_lidar |= sensor_set.lidar_name in detections.sensors_used
                writer.use_camera |= any(name in sensor_set.cameras for name in detections.sensors_used)
                summary.boxes += len(detections)
                with perceiver.timer.stage("write"):
                    pose = np.eye(4) if sensor_set.global_T_ego is None else sensor_set.global_T_ego
                    writer.add(token, to_submission(detections, pose, token))
                if job.draw_every and number % job.draw_every == 0:
                    path = job.out / "pictures" / scene / f"{number:03d}_{token.replace('/', '_')}.jpg"
                    title = f"{scene}  {number + 1}/{len(tokens[scene])}"
                    truth = _truth(source, token, summary)
                    with perceiver.timer.stage("draw"):
                        write_jpeg(path, draw_instant(sensor_set, detections, truth, title=title, min_score=job.draw_min_score))
                    pictures.append(path)
            if pictures:
                write_video(pictures, job.out / f"{scene}.mp4", fps=2.0 / job.draw_every)
        if summary.failed == total:
            raise UserError(f"none of the {total} keyframes could be read; the warnings above say why")
    write_timing(job.out / "timing.json", perceiver.timer, model=model_name, backend=perceiver.backend.describe(), samples=summary.samples,
                 failed=summary.failed, note="milliseconds; `detect` is the sum of preprocess, prepare, network and decode;"
                                             " the first, warming call is not counted")
    return summary


def _load(source: SceneSource, perceiver: Perceiver, job: PerceiveJob, token: str, summary: JobSummary) -> SensorSet | None:
    """The readings of one keyframe with the dropped sensors gone; None, with a warning, where nothing can be had."""
    try:
        with perceiver.timer.stage("load"):
            sensor_set = source.load(token, num_sweeps=job.num_sweeps, cameras=job.cameras, lidar=job.lidar)
    except (UserError, ValueError, OSError) as error:  # one bad keyframe must not cost the others
        summary.failed += 1
        summary.warn(f"{token}: left out: {error}")
        return None
    for line in sensor_set.warnings:
        summary.warn(f"{token}: {line}")
    known = {*sensor_set.cameras, sensor_set.lidar_name}
    return sensor_set.without(*(name for name in job.drop if name in known))


def _truth(source: SceneSource, token: str, summary: JobSummary) -> GroundTruth | None:
    """Annotations to draw; None, with a warning, where they cannot be read."""
    try:
        return source.ground_truth(token)
    except (UserError, ValueError, OSError) as error:
        summary.warn(f"{token}: drawn without ground truth: {error}")
        return None
