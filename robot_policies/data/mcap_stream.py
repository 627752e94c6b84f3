"""MCAP files of any length, written with constant memory.

mcap's own writer keeps an entry of every chunk until the file is finished, whatever indexes are
wanted: 0.4 kB a chunk. A spool has a chunk for each control step, a bag at least one a second.
Files written here have no summary; a reader scans them. Source of the format: https://mcap.dev/spec
"""

import zlib
from collections.abc import Mapping
from typing import BinaryIO

import zstandard
from mcap.data_stream import RecordBuilder
from mcap.records import (
    Channel,
    Chunk,
    DataEnd,
    Footer,
    Header,
    McapRecord,
    Message,
    Metadata,
    Schema,
)
from mcap.writer import MCAP0_MAGIC


class McapStream:
    """Writes MCAP records to a file, chunk by chunk."""

    def __init__(self, file: BinaryIO, profile: str) -> None:
        """Write the beginning of a file; `profile` says what its channels mean.

        Raises:
            OSError: If it cannot be written; as from every other method.
        """
        self._file = file
        self._chunk = RecordBuilder()
        self._times: list[int] = []
        self._channels = self._schemas = 0
        file.write(MCAP0_MAGIC)
        self._append(Header(profile=profile, library=profile))

    def register_schema(self, name: str, encoding: str, text: str) -> int:
        """Say what messages of a type hold; return the number of that."""
        self._schemas += 1
        Schema(self._schemas, text.encode(), encoding, name).write(self._chunk)
        return self._schemas

    def register_channel(
        self, topic: str, encoding: str, schema: int = 0, about: Mapping[str, str] | None = None
    ) -> int:
        """Begin a channel, with what `register_schema` returned; return its number."""
        self._channels += 1
        metadata = dict(about or {})
        Channel(self._channels, topic, encoding, metadata, schema_id=schema).write(self._chunk)
        return self._channels

    def add_message(self, channel: int, log_time: int, data: bytes, publish_time: int) -> None:
        """Add a message to the chunk that is being filled; the times are in ns."""
        Message(channel, log_time, data, publish_time, sequence=0).write(self._chunk)
        self._times.append(log_time)

    def add_metadata(self, name: str, metadata: dict[str, str]) -> None:
        """Append metadata; they are not part of a chunk."""
        self._append(Metadata(name=name, metadata=metadata))

    def flush(self) -> None:
        """End the chunk, compressed and with its checksum, and hand everything to the system."""
        if self._times:
            data = self._chunk.end()
            self._append(
                Chunk(
                    compression="zstd",
                    data=zstandard.compress(data),
                    message_start_time=min(self._times),
                    message_end_time=max(self._times),
                    uncompressed_crc=zlib.crc32(data),
                    uncompressed_size=len(data),
                )
            )
            self._times.clear()
        self._file.flush()

    def finish(self) -> None:
        """Write the end of the file; the file stays open."""
        self.flush()
        self._append(DataEnd(0))
        self._append(Footer(summary_start=0, summary_offset_start=0, summary_crc=0))
        self._file.write(MCAP0_MAGIC)

    def _append(self, record: McapRecord) -> None:
        builder = RecordBuilder()
        record.write(builder)
        self._file.write(builder.end())
