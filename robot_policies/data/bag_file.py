"""The messages of a bag of rosbag2, also of one whose writer died; needs no ROS.

Who wrote the bag is not known: its files are data, and what is not as expected is refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_policies.data.mcap_records import whole_records
from robot_policies.documents import read_yaml
from robot_policies.interface import ConfigError, ContractError

METADATA, CONTENT = "metadata.yaml", "rosbag2_bagfile_information"
FORMAT = "cdr"


@dataclass(frozen=True)
class BagTopic:
    """A topic of a bag.

    Attributes:
        name: Full name.
        type: Message type; empty if the bag does not say.
        format: How messages are written; `cdr` is read.
    """

    name: str
    type: str
    format: str


def is_bag(path: Path) -> bool:
    """Return whether a path is a bag's folder, or an MCAP file."""
    return path.suffix == ".mcap" or (path / METADATA).is_file()


class BagFile:
    """A bag.

    Attributes:
        path: Folder or file.
        about: What its writer said of it (`custom_data`), by name.
    """

    def __init__(self, path: Path) -> None:
        """Read what the bag says of itself.

        Raises:
            ConfigError: If it is no bag of MCAP files.
        """
        from rosbags.typesys import Stores, get_typestore

        self.path, self.about = path, dict[str, str]()
        self._types: Any = get_typestore(Stores.LATEST)
        self._files = [path]
        if path.is_dir():
            content = read_yaml(path / METADATA).get(CONTENT)
            self._files = self._named(content if isinstance(content, dict) else {})

    def _named(self, content: Mapping[str, Any]) -> list[Path]:
        where, kind = self.path / METADATA, content.get("storage_identifier")
        if kind != "mcap" or content.get("compression_mode"):
            packed = content.get("compression_mode")
            found = f"compressed by {packed}" if kind == "mcap" else f"stored as {kind!r:.40}"
            raise ConfigError(f"{where}: {found}, expected mcap. `ros2 bag convert` makes it so")
        about = content.get("custom_data") or {}
        if isinstance(about, dict):
            self.about = {str(key): str(value) for key, value in about.items()}
        names = content.get("relative_file_paths")
        if not isinstance(names, list) or not names:
            raise ConfigError(f"{where}: it names no files")
        for name in names:
            if not isinstance(name, str) or Path(name).name != name:
                raise ConfigError(f"{where}: {name!r:.80} is no file of this folder")
        return [self.path / name for name in names]

    def messages(self, *only: str) -> Iterator[tuple[BagTopic, bytes]]:
        """Yield the messages as bytes, in the order in which they were written.

        Args:
            only: Names of topics; all if left out.

        Raises:
            ConfigError: If a file is missing or damaged.
        """
        from mcap.records import Channel, Message, Schema

        for file in self._files:
            schemas: dict[int, str] = {}
            topics: dict[int, BagTopic] = {}
            for record in whole_records(file):
                if isinstance(record, Schema):
                    schemas[record.id] = record.name
                elif isinstance(record, Channel):
                    kind = schemas.get(record.schema_id, "")
                    topics[record.id] = BagTopic(record.topic, kind, record.message_encoding)
                elif isinstance(record, Message):
                    topic = topics.get(record.channel_id)
                    if topic is None:
                        raise ConfigError(f"{file}: damaged: a message of no channel")
                    if not only or topic.name in only:
                        yield topic, record.data

    def read(self, topic: BagTopic, data: bytes) -> Any:
        """Return a message with the fields of its type, arrays as NumPy's.

        Raises:
            ContractError: If it cannot be read.
        """
        if topic.format != FORMAT:
            raise ContractError(f"{topic.name}: written as '{topic.format}', expected {FORMAT}")
        try:
            return self._types.deserialize_cdr(data, topic.type)
        except Exception as error:  # bytes that somebody made up raise what they like
            raise ContractError(f"{topic.name}: no {topic.type}: {error!r:.120}") from None
