"""What a tracker assumes about how objects move, and how long it keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from fusion.types import DETECTION_CLASSES

TRACKING_CLASSES = ("bicycle", "bus", "car", "motorcycle", "pedestrian", "trailer", "truck")
"""The seven classes of nuScenes' tracking task: what can move."""

GATE_INTERVAL_S = 0.4
"""The gates below hold from here on: for the keyframes of nuScenes, which are 0.4 to 0.6 s apart."""


@dataclass(frozen=True, kw_only=True)
class ClassMotion:
    """How objects of a class move and how well a detector places them.

    Attributes:
        gate_m: farthest a detection may lie from where its track is expected, half a second after the track was detected.
        position_std_m: of a detected centre, along each axis.
        speed_std_m_s: of the speed of an object that was seen only once.
        acceleration_std_m_s2: what a constant velocity leaves out.
    """

    gate_m: float
    position_std_m: float
    speed_std_m_s: float
    acceleration_std_m_s2: float


CLASS_MOTION: Mapping[str, ClassMotion] = MappingProxyType({
    "car": ClassMotion(gate_m=4.0, position_std_m=0.5, speed_std_m_s=6.0, acceleration_std_m_s2=3.0),
    "truck": ClassMotion(gate_m=4.0, position_std_m=0.8, speed_std_m_s=5.0, acceleration_std_m_s2=2.0),
    "bus": ClassMotion(gate_m=5.5, position_std_m=0.8, speed_std_m_s=5.0, acceleration_std_m_s2=2.0),
    "trailer": ClassMotion(gate_m=3.0, position_std_m=1.0, speed_std_m_s=4.0, acceleration_std_m_s2=2.0),
    "construction_vehicle": ClassMotion(gate_m=3.0, position_std_m=1.0, speed_std_m_s=2.0, acceleration_std_m_s2=1.0),
    "pedestrian": ClassMotion(gate_m=1.0, position_std_m=0.3, speed_std_m_s=1.5, acceleration_std_m_s2=1.5),
    "motorcycle": ClassMotion(gate_m=13.0, position_std_m=0.5, speed_std_m_s=6.0, acceleration_std_m_s2=4.0),
    "bicycle": ClassMotion(gate_m=3.0, position_std_m=0.4, speed_std_m_s=3.0, acceleration_std_m_s2=2.0),
    "traffic_cone": ClassMotion(gate_m=1.0, position_std_m=0.3, speed_std_m_s=0.1, acceleration_std_m_s2=0.1),
    "barrier": ClassMotion(gate_m=1.0, position_std_m=0.4, speed_std_m_s=0.1, acceleration_std_m_s2=0.1),
})
"""Gates of the seven tracking classes as CenterPoint (arXiv 2006.11275) uses them on nuScenes; the others and all deviations are ours."""

OTHER_CLASS = ClassMotion(gate_m=3.0, position_std_m=0.5, speed_std_m_s=4.0, acceleration_std_m_s2=2.0)
"""For the classes of other detectors."""


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """Settings of a `Tracker`.

    The defaults are what scored best on the detections of the shipped `nano`, whose velocities are guesses: see `bevduet track --help`.

    Attributes:
        method: "greedy": CenterPoint's; detections, best first, are moved back by their velocity and take the closest track.
            "kalman": a constant-velocity Kalman filter for each track; the closest pairs are taken first.
        classes: names of the classes to track; () tracks every class.
        use_detected_velocity: trust the detections' velocity; False estimates it from the positions, as is right for detectors that
            cannot tell it from one sweep, and for messages that do not carry it.
        velocity_std_m_s: of a detected velocity, along each axis (Kalman).
        min_score: detections below are left out.
        min_scores: the same for single classes, by name.
        gates_m: `ClassMotion.gate_m` for single classes, by name.
        max_unseen_s: a track that was not detected for longer ends; 1.6 bridges two missing keyframes of nuScenes, as CenterPoint does.
        min_hits: a track is reported from this many detections on.
        report_unseen_s: a track is also reported, where it is expected to be, while it was not detected for up to so long.
    """

    method: Literal["greedy", "kalman"] = "kalman"
    classes: tuple[str, ...] = TRACKING_CLASSES
    use_detected_velocity: bool = False
    velocity_std_m_s: float = 1.5
    min_score: float = 0.1
    min_scores: Mapping[str, float] = field(default_factory=dict)
    gates_m: Mapping[str, float] = field(default_factory=dict)
    max_unseen_s: float = 1.6
    min_hits: int = 1
    report_unseen_s: float = 0.0

    def __post_init__(self) -> None:
        if self.method not in ("greedy", "kalman"):
            raise ValueError(f"method: expected greedy or kalman, got {self.method!r}")
        for where, score in {"min_score": self.min_score, **{f"min_scores.{k}": v for k, v in self.min_scores.items()}}.items():
            if not 0 <= score <= 1:
                raise ValueError(f"{where}: expected 0 to 1, got {score}")
        positive = {"velocity_std_m_s": self.velocity_std_m_s, "max_unseen_s": self.max_unseen_s,
                    **{f"gates_m.{k}": v for k, v in self.gates_m.items()}}
        for where, value in positive.items():
            if not 0 < value < float("inf"):
                raise ValueError(f"{where}: expected a positive number, got {value}")
        if self.min_hits < 1:
            raise ValueError(f"min_hits: expected at least 1, got {self.min_hits}")
        if not 0 <= self.report_unseen_s <= self.max_unseen_s:
            raise ValueError(f"report_unseen_s: expected 0 to max_unseen_s = {self.max_unseen_s}, got {self.report_unseen_s}")
        for where, names in {"classes": self.classes, "min_scores": self.min_scores, "gates_m": self.gates_m}.items():
            for name in names:
                if name not in DETECTION_CLASSES:
                    raise ValueError(f"{where}: expected names of {list(DETECTION_CLASSES)}, got {name!r}")

    def tracks_class(self, name: str) -> bool:
        """Whether detections of this class are followed."""
        return not self.classes or name in self.classes

    def min_score_of(self, name: str) -> float:
        """The score from which a detection of this class counts."""
        return self.min_scores.get(name, self.min_score)

    def motion_of(self, name: str) -> ClassMotion:
        """How objects of this class are taken to move."""
        return CLASS_MOTION.get(name, OTHER_CLASS)

    def gate_m_of(self, name: str, unseen_s: float) -> float:
        """Farthest a detection may lie from where its track is expected, `unseen_s` seconds after the track's latest detection.

        What a wrong velocity adds shrinks with the time, what a wrong position adds does not: half of a gate is taken for each. As in
        CenterPoint, a track that was missed is not searched for farther away.
        """
        whole = self.gates_m.get(name, self.motion_of(name).gate_m)
        return whole * (0.5 + 0.5 * min(1.0, unseen_s / GATE_INTERVAL_S))
