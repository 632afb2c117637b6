"""The fusion node's own status beside those of its sensors, for `/diagnostics`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fusion.sensors.health import SensorReport
from ros_nodes.conversion import ERROR, OK, WARN, diagnostics_msg, rclpy_make, status_msg
from ros_nodes.pipeline import FusionPipeline
from ros_nodes.sparse_log import HOPELESS, hopeless

SHOWN_S = 3.0
"""An error of inference makes the node's status bad for this long, so that a report of every second shows it."""

SLOW_S, HUNG_S = 5.0, 20.0
"""Inference that answers nothing for so long is a warning, then an error."""


@dataclass(kw_only=True)
class NodeStatus:
    """What a node has to say of itself.

    Attributes:
        state: of its lifecycle.
        fault: why it could not be configured; "" where it could.
        motion: why the ego's motion is not known; "" where it is.
        clock: level and text of what is wrong with simulated time.
        errors: instants that inference failed on; `last_error` names the stamp and the reason of the last, at `failed_s` (monotonic);
            `errors_in_a_row` of them came since the last answer.
        answers: answers published.
        bad_messages: messages that were no use to anyone, such as a transform without numbers.
        stages_ms: where the time of the last answer went.
        notes: what the user should know beside, such as a message package that is not installed.
    """

    state: str = "unconfigured"
    fault: str = ""
    motion: str = ""
    clock: tuple[int, str] = (OK, "")
    errors: int = 0
    errors_in_a_row: int = 0
    last_error: str = ""
    failed_s: float = -math.inf
    answers: int = 0
    bad_messages: int = 0
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def message(self, name: str, pipeline: FusionPipeline | None) -> Any:
        """`diagnostic_msgs/DiagnosticStatus`."""
        unanswered_s = 0.0 if pipeline is None else pipeline.unanswered_s()
        if self.fault:
            level, text = ERROR, f"not configured: {self.fault}"
        elif self.clock[0] == ERROR:
            level, text = self.clock
        elif time.monotonic() - self.failed_s < SHOWN_S or self.errors_in_a_row >= HOPELESS:
            level, text = ERROR, self.last_error + hopeless(self.errors_in_a_row)
        elif unanswered_s >= SLOW_S:
            level, text = ERROR if unanswered_s >= HUNG_S else WARN, f"inference has answered nothing for {unanswered_s:.0f} s: it hangs, or is slow"
            text += "; the node needs a restart where this lasts" if level == ERROR else ""
        elif self.clock[0] == WARN:
            level, text = self.clock
        elif self.motion:
            level, text = WARN, f"sensors are taken as simultaneous: {self.motion}"
        else:
            level, text = OK, self.state
        values: dict[str, object] = {
            "state": self.state, "answers": self.answers, "inference_errors": self.errors, "inference_errors_in_a_row": self.errors_in_a_row,
            "last_error": self.last_error, "bad_messages": self.bad_messages, "ego_motion": self.motion or "known"}
        if pipeline is not None:
            worker, readings, driver = pipeline.counts()
            values |= {"reference": driver, "instants": worker.submitted, "instants_dropped": worker.dropped, "time_jumps": pipeline.jumps,
                       "answers_discarded": pipeline.discarded, "unanswered_s": unanswered_s}
            values |= {f"{sensor}.{outcome.value}": count for sensor, counts in readings.items() for outcome, count in counts.items() if count}
        values |= {f"{stage}_ms": duration for stage, duration in self.stages_ms.items()}
        values |= {f"note_{number}": note for number, note in enumerate(self.notes)}
        return status_msg(rclpy_make, name=f"{name}: node", level=level, message=text, values=values)


def report_message(status: NodeStatus, pipeline: FusionPipeline | None, reports: Mapping[str, SensorReport], *, stamp_ns: int, name: str) -> Any:
    """`diagnostic_msgs/DiagnosticArray`: every sensor, then the node."""
    return diagnostics_msg(rclpy_make, reports, stamp_ns=stamp_ns, node=name, extra=[status.message(name, pipeline)])
