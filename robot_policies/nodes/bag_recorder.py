"""Records the messages of this graph as they travel into a bag of rosbag2.

It subscribes from the process that watches, so the robot's node does nothing for it but publish.
Recorded is what the nodes of the robot and of the policy publish and listen to, whoever says it.
"""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from robot_policies.control.records import EpisodeResult, StepRecord
from robot_policies.interface import BackendError, ConfigError, Policy, RobotSpec, Task
from robot_policies.nodes.bag_listeners import BagListeners

if TYPE_CHECKING:
    from robot_policies.data.bag_writer import BagWriter

BAG = "bag"  # what `record` says for a bag, and what its folder's name stands behind: `bag:DIR`
TAKE = 0.005  # s; between two times that waiting messages are taken
LOOK = 0.03  # s; between two looks for topics, which take 0.3 ms
PATIENCE = 10.0  # s; until the nodes must have been found


def bag_folder(record: str) -> Path | None:
    """Return the folder of the bag that `record` asks for; `None` if it asks for no bag.

    `bag` alone names it by the time, as `ros2 bag record` does.
    """
    if record == BAG:
        return Path(f"rosbag2_{datetime.now():%Y_%m_%d-%H_%M_%S}").absolute()
    kind, colon, folder = record.partition(":")
    return Path(folder).absolute() if kind == BAG and colon and folder else None


class BagRecorder:
    """Observer that records each trial as one bag.

    Attributes:
        name: What people call it.
        lacks: Messages that did not come, by topic.
        notes: What people should know of what it wrote.
    """

    def __init__(self, folder: Path, nodes: Sequence[str]) -> None:
        """Name the bag.

        Args:
            folder: Where; must not exist. A second trial gets `_1` behind it, and so on.
            nodes: Full names of the nodes whose topics are recorded, the robot's first.
        """
        self._folder, self._nodes = folder, nodes
        self.name = f"recording {folder}"
        self.lacks: Counter[str] = Counter()
        self.notes: list[str] = []
        self._trials, self._fault = 0, ""
        self._thread: threading.Thread | None = None

    def begin(
        self, robot: RobotSpec, policy: Policy, task: Task, initial: Mapping[str, Any]
    ) -> None:
        """Make the bag and begin to listen.

        Raises:
            ConfigError: If the folder is there, or cannot be written.
        """
        from robot_policies.data.bag_writer import BagWriter

        folder = self._folder
        if self._trials:
            folder = folder.with_name(f"{folder.name}_{self._trials}")
        if folder.exists():
            raise ConfigError(f"record: {folder} is there already; a bag is a new folder")
        about = {"robot": robot.name, "rate": f"{robot.control_rate:g}"}
        about |= {"policy": policy.name, "task": task.name}
        try:
            writer = BagWriter(folder, about)
        except BackendError as error:
            raise ConfigError(f"recording: {error}") from None
        self._trials += 1
        self._fault, self._going, self._found = "", True, threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(writer,), daemon=True)
        self._thread.start()
        if not self._found.wait(PATIENCE) or self._fault:
            self.close()
            raise BackendError(self._fault or f"recorder: {self._nodes[0]} was not found")

    def step(self, record: StepRecord) -> None:
        """Say what went wrong; the messages come by themselves.

        Raises:
            BackendError: If the disk is full, or listening failed.
        """
        if self._fault:
            raise BackendError(self._fault)

    def end(self, result: EpisodeResult) -> None:
        """Finish the bag.

        Raises:
            BackendError: If it is not whole.
        """
        self.close()
        if self._fault:
            raise BackendError(self._fault)

    def close(self) -> None:
        """Finish the bag, also in the middle of a trial; may be called twice."""
        self._going = False
        thread, self._thread = self._thread, None
        if thread:
            thread.join()

    def _listen(self, writer: "BagWriter") -> None:
        context = rclpy.Context()
        try:
            # The signals of this process are those of who watches.
            rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
            node = Node(
                "recorder",
                context=context,
                namespace=self._nodes[0].rpartition("/")[0],
                enable_rosout=False,
                start_parameter_services=False,
                use_global_arguments=False,
            )
            listeners = BagListeners(node, self._nodes, writer, self.lacks)
            looked = 0.0
            while self._going:
                if time.monotonic() - looked > LOOK:
                    looked = time.monotonic()
                    if listeners.look():
                        self._found.set()
                listeners.take()
                writer.keep_up()
                time.sleep(TAKE)
            listeners.take()
            listeners.take()  # what came in the meantime
            self.notes += listeners.unknown
            if not writer.close():
                self.notes.append(f"{writer.folder}: no message came")
            node.destroy_node()
        except Exception as error:  # it is said at the next step
            known = isinstance(error, BackendError)
            self._fault = f"{error}; the bag ends here" if known else f"recorder: {error!r}"
        finally:
            self._found.set()
            context.try_shutdown()
            context.destroy()
