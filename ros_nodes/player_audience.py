"""When may a replay start: a message that is sent before the discovery of its subscribers is lost to them."""

from __future__ import annotations

from collections.abc import Sequence

CALM_S = 0.75
"""No new subscriber for so long, where every sensor has one. Those to transforms, such as the tracker's, are discovered with them; and a
fusion node looks at what publishers offer every quarter of a second, and may then subscribe anew."""

SETTLE_S = 1.5
"""The same where some sensors have none: those that are there are all."""


class Audience:
    """Follows how many subscribers are known.

    Args:
        now_s: of a steady clock.
    """

    def __init__(self, now_s: float) -> None:
        self._known, self._changed_s = 0, now_s

    def complete(self, sensors: Sequence[int], others: int, now_s: float) -> bool:
        """Whether nobody else is to be expected.

        Args:
            sensors: subscribers of each topic of a sensor.
            others: those of all other topics.
            now_s: of the same clock.
        """
        known = sum(sensors) + others
        if known != self._known:
            self._known, self._changed_s = known, now_s
        calm_s = now_s - self._changed_s
        return calm_s >= CALM_S if all(sensors) else any(sensors) and calm_s >= SETTLE_S
