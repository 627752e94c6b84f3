"""Six STS3215 servos on a pseudo-terminal, so that LeRobot's own SO-101 driver can be run.

Speaks Feetech protocol 0 as far as the driver does: ping, read, write, sync read, sync write.
Packets are FF FF id length instruction parameters checksum, the checksum being the inverted sum
of everything after the header. A servo with torque on is at its goal at once, whoever set it, and
no further than its own limits.
"""

import os
import pty
import select
import threading
import tty
from collections.abc import Iterator

PING, READ, WRITE, SYNC_READ, SYNC_WRITE = 0x01, 0x02, 0x03, 0x82, 0x83
BROADCAST = 0xFE
MODEL, MIN_LIMIT, MAX_LIMIT, HOMING_OFFSET = 3, 9, 11, 31
TORQUE_ENABLE, GOAL_POSITION, PRESENT_POSITION = 40, 42, 56
STS3215 = 777


class FeetechBus:
    """A thread that answers on the far end of a serial port.

    Attributes:
        port: Path of the near end.
        servos: Register file of each servo, by id.
        furthest: Longest way each servo went at once. [ticks]
    """

    def __init__(self, ids: range = range(1, 7)) -> None:
        self._far, self._near = pty.openpty()
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)
        self.servos = {id_: bytearray(128) for id_ in ids}
        for id_ in ids:
            self.put(id_, MODEL, STS3215)
            self.put(id_, MIN_LIMIT, 0)
            self.put(id_, MAX_LIMIT, 4095)
            self.put(id_, PRESENT_POSITION, 2048)
        self.furthest = dict.fromkeys(ids, 0)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, id_: int, address: int, value: int) -> None:
        """Set a two-byte register."""
        self.servos[id_][address : address + 2] = value.to_bytes(2, "little")

    def get(self, id_: int, address: int) -> int:
        """Return a two-byte register."""
        return int.from_bytes(self.servos[id_][address : address + 2], "little")

    def torque(self) -> set[int]:
        """Return which values the torque switches of the servos have."""
        return {servo[TORQUE_ENABLE] for servo in self.servos.values()}

    def close(self) -> None:
        self._closing.set()
        self._thread.join(timeout=5.0)
        os.close(self._far)
        os.close(self._near)

    def _run(self) -> None:
        buffer = bytearray()
        while not self._closing.is_set():
            if not select.select([self._far], [], [], 0.05)[0]:
                continue
            buffer += os.read(self._far, 4096)
            for packet in _packets(buffer):
                answer = self._answer(packet)
                if answer:
                    os.write(self._far, answer)

    def _answer(self, packet: bytes) -> bytes:
        id_, instruction, parameters = packet[0], packet[2], packet[3:-1]
        if instruction == SYNC_READ:
            address, length, *ids = parameters
            return b"".join(self._status(i, address, length) for i in ids if i in self.servos)
        if instruction == SYNC_WRITE:
            address, length, *data = parameters
            for start in range(0, len(data), length + 1):
                if data[start] in self.servos:
                    self._store(data[start], address, bytes(data[start + 1 : start + 1 + length]))
            return b""
        if id_ not in self.servos:
            return b""
        if instruction == PING:
            return self._status(id_, 0, 0)
        if instruction == READ:
            return self._status(id_, parameters[0], parameters[1])
        if instruction == WRITE:
            self._store(id_, parameters[0], parameters[1:])
            return self._status(id_, 0, 0)
        raise AssertionError(f"instruction {instruction:#x} is not known to this bus")

    def _status(self, id_: int, address: int, length: int) -> bytes:
        body = bytes([id_, length + 2, 0]) + self.servos[id_][address : address + length]
        return b"\xff\xff" + body + bytes([_checksum(body)])

    def _store(self, id_: int, address: int, data: bytes) -> None:
        servo = self.servos[id_]
        servo[address : address + len(data)] = data
        if servo[TORQUE_ENABLE]:
            lowest, highest = self.get(id_, MIN_LIMIT), self.get(id_, MAX_LIMIT)
            goal = min(max(self.get(id_, GOAL_POSITION), lowest), highest)
            way = abs(goal - self.get(id_, PRESENT_POSITION))
            self.furthest[id_] = max(self.furthest[id_], way)
            self.put(id_, PRESENT_POSITION, goal)


def _packets(buffer: bytearray) -> Iterator[bytes]:
    """Take whole packets off the front of the buffer; yields them without their header."""
    while True:
        start = buffer.find(b"\xff\xff")
        if start < 0:
            return
        del buffer[:start]
        if len(buffer) < 4 or len(buffer) < buffer[3] + 4:
            return
        packet = bytes(buffer[2 : buffer[3] + 4])
        del buffer[: buffer[3] + 4]
        assert _checksum(packet[:-1]) == packet[-1], f"checksum of {packet.hex()}"
        yield packet


def _checksum(body: bytes) -> int:
    return ~sum(body) & 0xFF
