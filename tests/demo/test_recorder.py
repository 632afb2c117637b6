"""What the demo keeps of a drive, keyframe by keyframe."""

from __future__ import annotations

from dataclasses import replace

from fusion.demo.recorder import Recorder
from fusion.demo.schedule import demo_states, schedule
from fusion.types import Detections, GroundTruth, SensorSet

READINGS = SensorSet.example(cameras=2, points=5, size_hw=(18, 32))


class Drive:
    """Eight keyframes, two in each phase."""

    def scenes(self) -> list[str]:
        return ["drive"]

    def tokens(self, scene: str) -> list[str]:
        return [str(number) for number in range(8)]

    def sensors(self) -> tuple[str, ...]:
        return READINGS.sensors_present

    def load(self, token: str, *, num_sweeps: int = 0, cameras: bool = True, lidar: bool = True) -> SensorSet:
        return replace(READINGS, token=token, stamp_ns=int(token) * 500_000_000)

    def ground_truth(self, token: str) -> GroundTruth:
        return GroundTruth.example()


def test_a_keyframe_that_could_not_be_read_shifts_no_phase() -> None:
    drive = Drive()
    states = demo_states(drive.sensors())
    recorder = Recorder(source=drive, phases=schedule(states, 8))
    for token in ("0", "3", "4", "5", "7"):
        recorder.watch("drive", drive.load(token), {state.name: Detections.example() for state in states})
    assert [frame.phase for frame in recorder.frames] == [0, 1, 2, 2, 3]
    assert [frame.time_s for frame in recorder.frames] == [0.0, 1.5, 2.0, 2.5, 3.5]
    assert [frame.cameras["CAM_0"] is None for frame in recorder.frames] == [False, True, True, True, False]
