"""Who has the right of way is waited for: no message is taken meanwhile, unless it takes too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")

import rclpy

from ros_nodes.right_of_way import GivingWay, RightOfWay

WAIT_S = 20.0


def test_gives_way_until_it_is_free() -> None:
    way = RightOfWay()
    assert way.give_way(0.0)
    with way:
        assert not way.give_way(0.0)
    assert way.give_way(0.0)


def test_long_work_is_waited_for_once() -> None:
    way = RightOfWay()
    for _ in range(2):  # each hold anew
        with way:
            begun = time.monotonic()
            assert not any(way.give_way(0.05) for _ in range(100))
            assert time.monotonic() - begun < 2.0  # a hundred waits would be five seconds
        assert way.give_way(0.0)
    with way:
        begun = time.monotonic()
        assert not way.give_way(0.05)
        assert time.monotonic() - begun >= 0.05  # a new hold is waited for again


def test_is_free_again_after_an_exception() -> None:
    way = RightOfWay()
    with pytest.raises(ValueError, match="inside"), way:
        raise ValueError("inside")
    assert way.give_way(0.0)


class Told:
    """A node that notes the numbers it is sent, spun by its executor on a thread of its own."""

    def __init__(self, context: Any, kind: Any, way: RightOfWay) -> None:
        self.numbers: list[int] = []
        self.came = threading.Event()
        self.node = rclpy.create_node("told", context=context)
        self.node.create_subscription(kind, "numbers", self._note, 10)
        self.publisher = self.node.create_publisher(kind, "numbers", 10)
        self.executor = GivingWay(way, context=context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)
        self.thread.start()

    def _note(self, message: Any) -> None:
        self.numbers.append(message.data)
        self.came.set()

    def send(self, kind: Any, number: int) -> bool:
        """Whether it came."""
        self.came.clear()
        self.publisher.publish(kind(data=number))
        return self.came.wait(WAIT_S)

    def stop(self) -> None:
        self.executor.shutdown()
        self.thread.join(WAIT_S)
        self.node.destroy_node()


@pytest.fixture
def way() -> RightOfWay:
    return RightOfWay()


@pytest.fixture
def kind() -> Any:
    from std_msgs.msg import Int32

    return Int32


@pytest.fixture
def told(ros: Any, way: RightOfWay, kind: Any) -> Iterator[Told]:
    told = Told(ros.context, kind, way)
    yield told
    told.stop()


def test_no_message_is_taken_before_the_way_is_free(told: Told, way: RightOfWay, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told.send(kind, 1)
    monkeypatch.setattr(way, "give_way", lambda: RightOfWay.give_way(way, WAIT_S))
    with way:
        told.came.clear()
        told.publisher.publish(kind(data=2))
        assert not told.came.wait(0.2)
        assert told.numbers == [1]
    assert told.came.wait(WAIT_S)
    assert told.numbers == [1, 2]


def test_messages_go_on_beside_long_work(told: Told, way: RightOfWay, kind: Any) -> None:
    with way:
        assert [told.send(kind, number) for number in (1, 2, 3)] == [True] * 3
    assert told.numbers == [1, 2, 3]


def test_a_callback_that_raises_does_not_end_the_executor(ros: Any) -> None:
    raised: list[Exception] = []
    for failed in (raised.append, None):
        executor = GivingWay(RightOfWay(), context=ros.context, failed=failed)
        node = rclpy.create_node("raises", context=ros.context)
        node.create_timer(0.001, lambda: [].pop())
        executor.add_node(node)
        if failed is None:
            with pytest.raises(IndexError):
                executor.spin_once(5.0)
        else:
            executor.spin_once(5.0)
            executor.spin_once(5.0)
            assert [type(error) for error in raised] == [IndexError] * 2
        executor.shutdown()
        node.destroy_node()
