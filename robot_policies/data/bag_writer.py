"""A bag of rosbag2: a folder with an MCAP file of messages as they travel, and `metadata.yaml`.

Both are brought up to date once a second, so that a writer that is killed leaves a bag which lacks
its last second. Format: version 9 of rosbag2's metadata (Jazzy and later), and the profile `ros2`
of https://mcap.dev/spec/registry.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from robot_policies.data.bag_file import CONTENT, FORMAT, METADATA
from robot_policies.data.mcap_stream import McapStream
from robot_policies.data.spool_writer import named

VERSION = 9
PERIOD = 1.0  # s; between two times that everything is handed to the system
EARLY = 1 << 22  # bytes that are not kept back for so long: some pictures


@dataclass
class Topic:
    """A topic of a bag.

    Attributes:
        name: Full name.
        type: Such as `std_msgs/msg/String`.
        qualities: Of service that its publishers offer, as rosbag2 writes them.
        digest: The type's hash (`RIHS01_...`).
        channel: Its number in the file.
        count: Messages so far.
    """

    name: str
    type: str
    qualities: list[dict[str, Any]]
    digest: str
    channel: int
    count: int = 0


class BagWriter:
    """Writes a bag that can be read at any time, also after its writer was killed."""

    def __init__(self, folder: Path, about: Mapping[str, str]) -> None:
        """Make the folder.

        Args:
            folder: Where; must not exist.
            about: Kept as rosbag2's `custom_data`.

        Raises:
            BackendError: If it cannot be written; as from every other method.
        """
        from rosbags.typesys import Stores, get_typestore

        self.folder, self._about = folder, dict(about)
        self._types, self._schemas = get_typestore(Stores.LATEST), dict[str, int]()
        self._topics: dict[str, Topic] = {}
        self._first, self._last, self._kept = 0, 0, 0
        self._file_name = f"{folder.name}_0.mcap"
        with named(folder):
            folder.mkdir(parents=True)
            self._file = (folder / self._file_name).open("xb")
            self._stream = McapStream(self._file, profile="ros2")
        self._flush()

    def knows(self, kind: str) -> bool:
        """Return whether the definition of a message type is known."""
        return kind in self._types.fielddefs

    def add(self, name: str, kind: str, qualities: list[dict[str, Any]], digest: str) -> None:
        """Begin a topic; see `Topic`."""
        if kind not in self._schemas:
            text, _ = self._types.generate_msgdef(kind, ros_version=2)
            self._schemas[kind] = self._stream.register_schema(kind, "ros2msg", text)
        said = {"offered_qos_profiles": yaml.safe_dump(qualities), "topic_type_hash": digest}
        channel = self._stream.register_channel(name, FORMAT, self._schemas[kind], said)
        self._topics[name] = Topic(name, kind, qualities, digest, channel)

    def write(self, name: str, data: bytes, received: int, published: int) -> None:
        """Append a message of a topic; the times are in ns."""
        topic = self._topics[name]
        self._stream.add_message(topic.channel, received, data, published)
        topic.count += 1
        self._first = min(self._first or received, received)
        self._last = max(self._last, received)
        self._kept += len(data)
        if self._kept > EARLY:
            self._flush()

    def keep_up(self) -> None:
        """Hand everything to the system where that is due; to be called all the time."""
        if time.monotonic() - self._flushed > PERIOD:
            self._flush()

    def _flush(self) -> None:
        self._flushed, self._kept = time.monotonic(), 0
        with named(self.folder):
            self._stream.flush()
            self._sum_up()

    def close(self) -> int:
        """Finish the bag and return the number of messages; may be called twice."""
        if not self._file.closed:
            with named(self.folder), self._file:
                self._stream.finish()
                self._sum_up()
        return sum(topic.count for topic in self._topics.values())

    def _sum_up(self) -> None:
        new = self.folder / f".{METADATA}"
        new.write_text(yaml.safe_dump({CONTENT: self._metadata()}, sort_keys=False))
        new.replace(self.folder / METADATA)

    def _metadata(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "storage_identifier": "mcap",
            **self._span(),
            "topics_with_message_count": [_said(topic) for topic in self._topics.values()],
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [self._file_name],
            "files": [{"path": self._file_name, **self._span()}],
            "custom_data": self._about,
            "ros_distro": self._about.get("ros_distro", ""),
        }

    def _span(self) -> dict[str, Any]:
        return {
            "duration": {"nanoseconds": self._last - self._first},
            "starting_time": {"nanoseconds_since_epoch": self._first},
            "message_count": sum(topic.count for topic in self._topics.values()),
        }


def _said(topic: Topic) -> dict[str, Any]:
    return {
        "topic_metadata": {
            "name": topic.name,
            "type": topic.type,
            "serialization_format": FORMAT,
            "offered_qos_profiles": topic.qualities,
            "type_description_hash": topic.digest,
        },
        "message_count": topic.count,
    }
