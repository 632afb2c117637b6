"""The fusion node's work without ROS: readings in, answers out. One thread feeds it; inference has a thread of its own."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from fusion.runtime.perceiver import Perceiver
from fusion.runtime.worker import LatestWorker, WorkerCounts
from fusion.sensors.fingerprint import fingerprint
from fusion.sensors.health import HealthMonitor, SensorReport
from fusion.sensors.sync import Bundle, Collector, Offer
from fusion.types import Detections
from ros_nodes.assembly import Assembler, Rejection
from ros_nodes.conversion import stamp_ns, sweep_span_ns
from ros_nodes.effort import Effort
from ros_nodes.fusion_config import FusionNodeConfig
from ros_nodes.perception import LastStages
from ros_nodes.placing import Calibrations, Frames, Instant, Reading, place
from ros_nodes.transforms import TransformTree

MAX_SWEEP_AGE_NS = 600_000_000  # as with recorded data: older sweeps show another scene


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Detections and what they rest on.

    Attributes:
        detections: in the ego frame at their stamp.
        used: the sensors that they rest on, LiDARs by their own names.
        missing: every other sensor -> why it is not in the answer.
        skew_ns: sensor -> its reading's stamp minus the answer's.
        stages_ms: where the time went, from the arrival of the last reading on.
        effort: what assembling cost.
        motion: why the ego's motion was not known; "" where it was, or is not wanted.
    """

    detections: Detections
    used: tuple[str, ...]
    missing: Mapping[str, str]
    skew_ns: Mapping[str, int]
    stages_ms: dict[str, float]
    effort: Effort
    motion: str


@dataclass(frozen=True, kw_only=True)
class _Task:
    instant: Instant
    reasons: Mapping[str, str]
    submitted_s: float
    jumps: int


class FusionPipeline:
    """Collects, places, infers.

    Args:
        config: the rig.
        perceiver: the network, with `timer` as its timer.
        timer: the last time of each of its stages.
        tree: the transforms; the caller feeds it on the thread that feeds this.
        calibrations: the cameras' calibrations, likewise.
        on_answer: called with each answer, on the inference thread.
        on_error: called with the stamp of an instant and what inference raised, on the inference thread.
        right_of_way: held while the inference thread makes an input of messages.

    Attributes:
        jumps: how often time jumped back.
        discarded: answers that were still in work then, and were not given.
    """

    def __init__(self, config: FusionNodeConfig, perceiver: Perceiver, timer: LastStages, tree: TransformTree, calibrations: Calibrations,
                 *, on_answer: Callable[[Answer], None], on_error: Callable[[int, Exception], None],
                 right_of_way: AbstractContextManager[None] | None = None) -> None:
        self.config, self._perceiver, self._timer, self._tree, self._calibrations = config, perceiver, timer, tree, calibrations
        self._frames = Frames(base=config.base_frame, fixed=config.fixed_frame, sensors={name: config.sensor(name).frame for name in config.sensors})
        self._collector: Collector[Reading] = Collector(config.sync())
        self._health = HealthMonitor(config.sensors, missing_after_ns=config.missing_after_ns, frozen_after=config.frozen_after,
                                     max_latency_ns=config.max_age_ns)
        self._pending: Bundle[Reading] | None = None
        self._num_sweeps = perceiver.config.num_sweeps
        self._sweeps: dict[str, deque[Reading]] = {name: deque(maxlen=self._num_sweeps + 2) for name in config.lidars}
        self._pool = ThreadPoolExecutor(config.threads or min(os.cpu_count() or 1, 4), "images")  # starts a thread at the first need of it
        self._assembler = Assembler(config, num_sweeps=self._num_sweeps, image_width=perceiver.config.input.image_size_hw[1], pool=self._pool)
        self._on_answer, self._on_error, self._right_of_way = on_answer, on_error, nullcontext() if right_of_way is None else right_of_way
        self._outcomes: deque[tuple[str, Rejection | int]] = deque(maxlen=1000)  # sensor, and why it was rejected or the skew it was used with
        self.jumps = self.discarded = 0
        self._asked_s: float | None = None  # when inference was asked for what it has not answered yet
        self._worker: LatestWorker[_Task, Answer] = LatestWorker(
            self._answer, on_result=self._deliver, on_error=self._fail, name="inference")

    def offer(self, name: str, message: Any, now_ns: int, clock_ns: int | None = None) -> Offer | None:
        """Take a sensor's message as it arrives; None where it repeats the one before (frozen).

        Args:
            name: of the sensor.
            message: its image or cloud.
            now_ns: the time by the clock that deadlines are kept by.
            clock_ns: the time by the clock that stamps are of, where that is another.
        """
        arrived_s = time.perf_counter()
        taken_ns = stamp_ns(message.header.stamp)
        stamp = taken_ns + self.config.sensor(name).time_offset_ns
        outcome = None
        span_ns = sweep_span_ns(message) if name in self._sweeps else (0, 0)
        latency_ns = (now_ns if clock_ns is None else clock_ns) - stamp - max(0, span_ns[1])  # a sweep is complete with its last point
        if self._health.received(name, stamp, now_ns, fingerprint(message.data) if len(message.data) else None, latency_ns=latency_ns):
            reading = Reading(name=name, stamp_ns=stamp, arrived_ns=now_ns, arrived_s=arrived_s, message=message,
                              span_ns=span_ns if name in self._sweeps and self.config.lidars[name].deskew else (0, 0))
            jumps = self._collector.jumps
            outcome = self._collector.offer(name, taken_ns, now_ns, reading)
            if self._collector.jumps > jumps:
                self._tree.forget_after(stamp)
                self._after_jump()
            elif outcome is Offer.JUMP and name in self._sweeps:  # its own clock alone: the others go on
                self._sweeps[name].clear()
            if outcome in (Offer.TAKEN, Offer.JUMP) and self._num_sweeps and name in self._sweeps:
                self._sweeps[name].append(reading)
        self.poll(now_ns)
        return outcome

    def poll(self, now_ns: int) -> None:
        """Hand over to inference what is due; to be called often, and after each transform."""
        self._note_outcomes(now_ns)
        self._collector.expect(self._health.worth_waiting_for(now_ns))
        while True:
            if self._pending is None:
                jumps = self._collector.jumps
                self._pending = self._collector.due(now_ns)
                if self._collector.jumps > jumps:
                    self._after_jump()
                if self._pending is None:
                    return
                for name in self.config.sensors:
                    (self._health.left_out if name in self._pending.missing else self._health.included)(name)
            bundle = self._pending
            wait = now_ns < bundle.items[bundle.reference].arrived_ns + self.config.deadline_ns
            instant = place(bundle, self._earlier(bundle), self._tree, self._calibrations, self._frames, wait=wait)
            if instant is None:
                return
            self._pending = None
            reasons = {name: report.reason for name, report in self._health.report(now_ns).items()}
            if self._asked_s is None:
                self._asked_s = time.monotonic()
            self._worker.submit(_Task(instant=instant, reasons=reasons, submitted_s=time.perf_counter(), jumps=self.jumps))

    def jumped(self) -> None:
        """Begin anew: the clock stepped back. The transforms are the caller's to forget, who knows the time of their stamps."""
        self._collector.reset()
        self._after_jump()

    def report(self, now_ns: int) -> dict[str, SensorReport]:
        """The state of every sensor."""
        self._note_outcomes(now_ns)
        return self._health.report(now_ns)

    def counts(self) -> tuple[WorkerCounts, Mapping[str, Mapping[Offer, int]], str]:
        """What became of instants and of readings, and the sensor that calls for answers now."""
        return self._worker.counts(), self._collector.counts(), self._collector.driver

    def unanswered_s(self) -> float:
        """How long inference has been at its work without an answer or an error; 0 where it has nothing to do."""
        asked_s = self._asked_s
        return 0.0 if asked_s is None else time.monotonic() - asked_s

    def stop(self, timeout_s: float = 5.0) -> bool:
        """End the threads; no answer comes after this returned. False where inference still runs after `timeout_s`."""
        ended = self._worker.stop(timeout_s)
        self._pool.shutdown(wait=ended, cancel_futures=True)
        return ended

    def _after_jump(self) -> None:
        self.jumps += 1
        self._pending = None
        for sweeps in self._sweeps.values():
            sweeps.clear()

    def _earlier(self, bundle: Bundle[Reading]) -> list[Reading]:
        """Sweeps to accumulate under the bundle's clouds, newest first."""
        earlier: list[Reading] = []
        for name, sweeps in self._sweeps.items():
            if name in bundle.items and self._num_sweeps:
                now_ns = bundle.items[name].stamp_ns
                older = [sweep for sweep in sweeps if now_ns - MAX_SWEEP_AGE_NS <= sweep.stamp_ns < now_ns]
                earlier += sorted(older, key=lambda sweep: -sweep.stamp_ns)[:self._num_sweeps]
        return earlier

    def _answer(self, task: _Task) -> Answer:
        """On the inference thread: messages -> detections."""
        instant, started_s, self._asked_s = task.instant, time.perf_counter(), time.monotonic()
        with self._right_of_way:
            assembled = self._assembler.assemble(instant)
        assembled_s = time.perf_counter()
        self._outcomes += assembled.rejected.items()
        self._timer.last_s.clear()
        detections = self._perceiver.perceive(assembled.sensor_set)
        used = assembled.sensors(detections.sensors_used)
        self._outcomes += ((name, instant.skew_ns.get(name, 0)) for name in used)
        reasons = {**task.reasons, **{name: rejection.reason for name, rejection in assembled.rejected.items()}}
        last_s = max((placed.reading.arrived_s for placed in instant.readings.values()), default=task.submitted_s)
        stages = {"wait": task.submitted_s - last_s, "queue": started_s - task.submitted_s, "assemble": assembled_s - started_s,
                  **self._timer.last_s}
        return Answer(
            detections=detections, used=used, skew_ns=instant.skew_ns, motion=instant.motion,
            missing={name: reasons.get(name) or "no reading of this instant" for name in self.config.sensors if name not in used},
            stages_ms={name: 1e3 * seconds for name, seconds in stages.items()}, effort=assembled.effort)

    def _note_outcomes(self, now_ns: int) -> None:
        """Tell the sensors' health what inference used and could not use: here, as health follows the clock of the feeding thread."""
        while self._outcomes:
            name, outcome = self._outcomes.popleft()
            if isinstance(outcome, Rejection):
                self._health.rejected(name, outcome.state, outcome.reason, now_ns)
            else:
                self._health.used(name, outcome)

    def _deliver(self, task: _Task, answer: Answer) -> None:
        if task.jumps == self.jumps:
            self._on_answer(answer)
        else:  # an answer to a time that was left is of no use to anyone
            self.discarded += 1
        self._asked_s = None

    def _fail(self, task: _Task, error: Exception) -> None:
        self._asked_s = None
        self._on_error(task.instant.stamp_ns, error)
