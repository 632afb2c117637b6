"""ROS 2 in tests: a domain of this test run alone, node processes that end with their test, and waiting for what happens.

A test that takes one of the fixtures `ros`, `start_node` or `lifecycle` is skipped where ROS 2 is not installed. Modules that import
rclpy at their top call `pytest.importorskip("rclpy")` before. Where CI is set, such a skip is a failure: there ROS 2 must be installed.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from ros_nodes.environment import has_wheels, required_variables, ros_available
from ros_nodes.processes import NodeProcess, ProcessGroup

REPO = Path(__file__).resolve().parents[2]
DOMAINS = range(51, 101)
PATIENCE_S = 60.0  # on a busy machine discovery takes seconds and loading a model tens of them


def must_run(reason: str) -> bool:
    """Whether a skip for this reason is a failure: for lack of ROS 2, or of messages that the set-up builds, in CI."""
    return bool(os.environ.get("CI")) and re.search(r"rclpy|ROS 2|\w+_msgs", reason) is not None and "a full ROS 2 has" not in reason


def _unless_skipped_in_ci(report: Any) -> Any:
    """The report, of a failure where it is of a skip that CI must not have."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if must_run(reason):
            report.outcome, report.longrepr = "failed", f"{reason.removeprefix('Skipped: ')}; with CI set it must be"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Of a test that skipped itself."""
    return _unless_skipped_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """Of a module that skipped itself."""
    return _unless_skipped_in_ci((yield))


@pytest.fixture(scope="session")
def ros_domain() -> Iterator[int]:
    """A ROS domain that no other test run on this machine has: each holds the lock of its own."""
    held: IO[str] | None = None
    for step in range(len(DOMAINS)):
        domain = DOMAINS[(os.getpid() + step) % len(DOMAINS)]
        held = open(Path(tempfile.gettempdir(), f"bevduet-ros-domain-{domain}.lock"), "w")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            held.close()
    else:
        pytest.fail(f"all ROS domains from {DOMAINS[0]} to {DOMAINS[-1]} are taken by other test runs")
    yield domain
    held.close()


@pytest.fixture(scope="module", autouse=True)
def ros_environment(ros_domain: int) -> Iterator[None]:
    """The variables that ROS 2 and its child processes read; nothing leaves this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in required_variables(os.environ, wheels=has_wheels()).items():
            patch.setenv(name, value)
        patch.setenv("ROS_DOMAIN_ID", str(ros_domain))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(REPO), *filter(None, [os.environ.get("PYTHONPATH")])]))
        yield


@pytest.fixture(scope="module")
def needs_ros(ros_environment: None) -> None:
    reason = ros_available()
    if reason is not None:
        pytest.skip(reason)


class Probe:
    """A ROS node of the test's own. Everything is waited for by condition, with a limit."""

    def __init__(self, name: str = "probe") -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        self.context = rclpy.Context()
        rclpy.init(context=self.context, args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node(name, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def subscribe(self, topic: str, kind: Any, qos: Any = 10) -> list[Any]:
        """A list that fills with the topic's messages while the probe spins. Matching is not waited for: see `wait_for_publisher`."""
        received: list[Any] = []
        self.node.create_subscription(kind, topic, received.append, qos)
        return received

    def advertise(self, topic: str, kind: Any, qos: Any = 10, *, subscribers: int = 1) -> Any:
        """A publisher, once it is matched with so many subscribers."""
        publisher = self.node.create_publisher(kind, topic, qos)
        self.spin_until(lambda: publisher.get_subscription_count() >= subscribers, f"{subscribers} subscribers of {topic}")
        return publisher

    def wait_for_publisher(self, topic: str, count: int = 1) -> None:
        """Until so many publishers of a topic are known."""
        self.spin_until(lambda: self.node.count_publishers(topic) >= count, f"{count} publishers of {topic}")

    def call(self, service: str, kind: Any, request: Any = None, *, timeout_s: float = PATIENCE_S) -> Any:
        """The answer of a service."""
        client = self.node.create_client(kind, service)
        self.spin_until(client.service_is_ready, f"service {service}", timeout_s)
        future = client.call_async(request if request is not None else kind.Request())
        self.spin_until(future.done, f"an answer of {service}", timeout_s)
        self.node.destroy_client(client)
        return future.result()

    def spin_until(self, condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Receive until the condition holds; fails with `what` was waited for."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {timeout_s:g} s for {what}")
            self.executor.spin_once(timeout_sec=0.05)

    def spin_for(self, duration_s: float) -> None:
        """Receive for a time: only for showing that something does NOT come."""
        deadline = time.monotonic() + duration_s
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        import rclpy

        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def ros(needs_ros: None) -> Iterator[Probe]:
    """A ROS node to publish, listen and call services with."""
    probe = Probe()
    yield probe
    probe.close()


@pytest.fixture
def lifecycle(needs_ros: None) -> Iterator[Any]:
    """Leads nodes through their states: `configure(name, timeout_s)`, `activate`, `state`."""
    from ros_nodes.lifecycle_client import LifecycleClient

    with LifecycleClient() as client:
        yield client


class RunningNode:
    """A node's process, with the lines it has put out so far."""

    def __init__(self, process: NodeProcess, lines: list[str], changed: threading.Condition) -> None:
        self.process, self._lines, self._changed = process, lines, changed

    @property
    def output(self) -> str:
        """All lines so far."""
        with self._changed:
            return "\n".join(self._lines)

    def wait_for_line(self, part: str, timeout_s: float = PATIENCE_S) -> str:
        """The first line with this part, waited for."""
        with self._changed:
            self._changed.wait_for(lambda: any(part in line for line in self._lines), timeout_s)
            found = [line for line in self._lines if part in line]
        assert found, f"{self.process.name} did not say {part!r} within {timeout_s:g} s but:\n{self.output}"
        return found[0]


@pytest.fixture
def start_node(needs_ros: None) -> Iterator[Callable[..., RunningNode]]:
    """Starts node processes that end with the test.

    `start_node("fusion_node", {"device": "cpu"})` runs the module ros_nodes.fusion_node with these parameters (values in YAML's
    spelling), `arguments` added and `environment` on top; a path to a Python file instead of a name runs that file.
    """
    lines: dict[str, list[str]] = {}
    changed = threading.Condition()

    def show(name: str, line: str) -> None:
        with changed:
            lines[name].append(line)
            changed.notify_all()

    with ProcessGroup(show) as group:
        def start(node: str | Path, parameters: Mapping[str, object] | None = None, *, name: str | None = None,
                  arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> RunningNode:
            name = name or Path(node).stem
            lines.setdefault(name, [])
            what = [str(node)] if isinstance(node, Path) else ["-m", f"ros_nodes.{node}"]
            values = [word for key, value in (parameters or {}).items() for word in ("-p", f"{key}:={value}")]
            command = [sys.executable, *what, "--ros-args", "-r", f"__node:={name}", *values, *arguments]
            return RunningNode(group.start(name, command, {**os.environ, **(environment or {})}), lines[name], changed)

        yield start
    for name, said in lines.items():  # pytest shows it where the test failed
        print(*(f"[{name}] {line}" for line in said), sep="\n")
