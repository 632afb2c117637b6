"""The player: recorded drives on topics, as if the sensors were there.

Sensor topics are sent reliably with a short history, which serves reliable and best-effort subscribers alike. Playing again from the
start (`loop`) and going from one scene to the next, time jumps, backwards too, as with a bag: those who listen must start anew.
"""

# rclpy is typed in parts only
# mypy: disallow-untyped-calls=False
from __future__ import annotations

import threading
import time
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile

from ros_nodes.conversion import clock_msg, message_available, message_class, rclpy_make
from ros_nodes.managed_node import ManagedNode, spin
from ros_nodes.player import Player
from ros_nodes.player_audience import Audience
from ros_nodes.player_codec import rclpy_codec
from ros_nodes.player_events import Event
from ros_nodes.player_settings import PARAMETERS, PlayerSettings, messages, open_source, read_settings
from ros_nodes.player_topics import CLOCK, IMAGE, Topic

_BOOL, _TRIGGER = "std_msgs/msg/Bool", "std_srvs/srv/Trigger"
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_POLL_S = 0.02


class PlayerNode(ManagedNode):
    """Plays while active; deactivated and activated again, it goes on where it was.

    Publishes the topics of its source (see `ros_nodes.player_topics`), `/clock`, and `~/finished` (std_msgs/Bool, latched), true at the
    end. `~/pause` and `~/resume` (std_srvs/Trigger) stop time and let it go on.
    """

    def __init__(self, name: str = "player_node") -> None:
        super().__init__(name, PARAMETERS)
        self._settings: PlayerSettings | None = None
        self._player: Player | None = None
        self._publishers_by_topic: dict[str, Any] = {}
        self._heard_on: tuple[str, ...] = ()
        self._clock_publisher: Any = None
        self._starter: threading.Thread | None = None
        self._active, self._wanted, self._over = False, False, False
        self._finished = self.create_publisher(message_class(_BOOL), "~/finished", _LATCHED)
        trigger = message_class(_TRIGGER)
        self.create_service(trigger, "~/pause", lambda request, response: self._serve(response, self._stand))
        self.create_service(trigger, "~/resume", lambda request, response: self._serve(response, self._go))

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open what is to be played and announce its topics. On failure the reason is logged, and the node can be tried again."""
        try:
            settings = read_settings(self.values())
            codec = rclpy_codec()
            source = open_source(settings, codec, self.get_logger().warning)
            stream = messages(settings, source, codec)
            for topic in source.topics:
                if message_available(topic.kind):
                    self._publishers_by_topic[topic.name] = self.create_publisher(message_class(topic.kind), topic.name, qos_of(topic))
                else:
                    self.get_logger().warning(f"{topic.name}: not played, its type {topic.kind} is not installed")
            if settings.clock:
                self._clock_publisher = self.create_publisher(message_class(CLOCK), "/clock", 10)
        except Exception as error:
            self.release()
            self.not_configured(error)
            return TransitionCallbackReturn.FAILURE
        self._heard_on = tuple(dict.fromkeys(topic for sensor in source.sensors.values() for topic in sensor.heard_on()))
        self._settings, self._over = settings, False
        self._finished.publish(message_class(_BOOL)(data=False))
        self._player = Player(stream, self._send, tick=self._tell if settings.clock else None, ended=self._end, rate=settings.rate)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start as soon as the subscribers are there, or go on."""
        assert self._settings is not None and self._player is not None
        self._active = True
        if self._player.sent or not self._settings.start_paused:
            self._go()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Pause."""
        self._active = False
        self._stand()
        return super().on_deactivate(state)

    def release(self) -> None:
        self._active = False
        self._stand()
        if self._player is not None:
            self._player.stop()
            self._player = None
        for publisher in (*self._publishers_by_topic.values(), self._clock_publisher):
            if publisher is not None:
                self.destroy_publisher(publisher)
        self._publishers_by_topic, self._clock_publisher = {}, None

    # Time goes on, or stands

    def _go(self) -> None:
        assert self._player is not None
        self._wanted = True
        if self._player.sent:
            self._player.resume()
        elif self._starter is None or not self._starter.is_alive():
            self._starter = threading.Thread(target=self._go_when_heard, name="player start", daemon=True)
            self._starter.start()

    def _go_when_heard(self) -> None:
        """Wait for the audience, then start."""
        assert self._settings is not None and self._player is not None
        sensors = {name: self._publishers_by_topic[name] for name in self._heard_on if name in self._publishers_by_topic}
        others = [publisher for name, publisher in self._publishers_by_topic.items() if name not in sensors]
        audience = Audience(time.monotonic())
        end_s = time.monotonic() + self._settings.wait_for_subscribers_s
        while self._wanted and time.monotonic() < end_s:
            counts = [publisher.get_subscription_count() for publisher in sensors.values()]
            if audience.complete(counts, sum(publisher.get_subscription_count() for publisher in others), time.monotonic()):
                break
            time.sleep(_POLL_S)
        deaf = [name for name, publisher in sensors.items() if not publisher.get_subscription_count()]
        if self._wanted:
            if deaf:
                self.get_logger().info(f"playing without a subscriber to {', '.join(deaf)}")
            self._player.resume()

    def _stand(self) -> None:
        self._wanted = False
        if self._starter is not None:
            self._starter.join()
            self._starter = None
        if self._player is not None:
            self._player.pause()

    def _serve(self, response: Any, action: Any) -> Any:
        response.success = self._active and not self._over
        response.message = "" if response.success else "finished" if self._over else "not active"
        if response.success:
            action()
        return response

    # On the playing thread

    def _send(self, event: Event) -> None:
        publisher = self._publishers_by_topic.get(event.topic)
        if publisher is not None:
            publisher.publish(event.data)

    def _tell(self, clock_ns: int) -> None:
        self._clock_publisher.publish(clock_msg(rclpy_make, clock_ns))

    def _end(self, error: BaseException | None) -> None:
        assert self._player is not None
        if not self.context.ok():  # interrupted: nobody can be told any more
            return
        if error is not None:
            self.get_logger().error(f"playing ended: {error}")
        self.get_logger().info(f"finished: {self._player.sent} messages, at most {self._player.latest_ns * 1e-6:.1f} ms late, "
                               f"{self._player.stalls} stalls")
        self._over = True
        self._finished.publish(message_class(_BOOL)(data=True))


def qos_of(topic: Topic) -> QoSProfile:
    """How a topic is sent; see the top of this file."""
    if topic.latched:
        return _LATCHED
    return QoSProfile(depth=2 if topic.kind == IMAGE else 10)  # raw images are large, and only the latest are of use


def run(args: list[str] | None = None) -> None:
    """Run the node until it is told to stop."""
    spin(PlayerNode, args)
