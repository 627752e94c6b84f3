"""Feetech's protocols 0 and 1, as far as LeRobot's bus speaks them.

A packet is FF FF id length instruction parameters checksum. The length counts what follows it, and
the checksum is the inverted sum of everything between the header and itself.
In protocol 1, that of the SCS series, words have their high byte first, and no instruction is
answered by several servos (`Servo.together`).
Source: Feetech, SMS/STS communication protocol manual; `scservo_sdk` speaks the other end.
"""

from collections.abc import Iterator, Mapping

from robot_policies_hardware.emulators.servo import Servo

HEADER = b"\xff\xff"
BROADCAST = 0xFE
PING, READ, WRITE, SYNC_READ, SYNC_WRITE = 0x01, 0x02, 0x03, 0x82, 0x83
INSTRUCTION_ERROR = 0x40


def packets(buffer: bytearray) -> Iterator[bytes]:
    """Take whole packets off the front of what was heard; one with a wrong checksum is dropped.

    Yields:
        Each packet without its header and its checksum.
    """
    while (start := buffer.find(HEADER)) >= 0:
        del buffer[:start]
        if len(buffer) < 4 or len(buffer) < buffer[3] + 4:
            return
        if buffer[3] < 2:  # no packet is so short
            del buffer[:1]
            continue
        packet = bytes(buffer[2 : buffer[3] + 4])
        del buffer[: buffer[3] + 4]
        if checksum(packet[:-1]) == packet[-1]:
            yield packet[:-1]


def answer(packet: bytes, servos: Mapping[int, Servo], now: float) -> bytes:
    """Let servos follow an instruction; return what they answer.

    Args:
        packet: The instruction.
        servos: Servo by id.
        now: Time. [s]
    """
    id_, instruction, parameters = packet[0], packet[2], packet[3:]
    if instruction == SYNC_READ:
        address, length, *ids = parameters
        known = [one for one in ids if one in servos and servos[one].together]
        return b"".join(status(one, servos[one].read(address, length, now)) for one in known)
    if instruction == SYNC_WRITE:
        address, length, *data = parameters
        for start in range(0, len(data), length + 1):
            if data[start] in servos:
                values = bytes(data[start + 1 : start + 1 + length])
                servos[data[start]].write(address, values, now)
        return b""
    if instruction == PING and id_ == BROADCAST:
        return b"".join(status(one) for one in sorted(servos) if servos[one].together)
    if id_ not in servos:
        return b""
    if instruction == PING:
        return status(id_)
    if instruction == READ:
        address, length = parameters
        return status(id_, servos[id_].read(address, length, now))
    if instruction == WRITE:
        servos[id_].write(parameters[0], parameters[1:], now)
        return status(id_)
    return status(id_, error=INSTRUCTION_ERROR)


def status(id_: int, data: bytes = b"", error: int = 0) -> bytes:
    """Return what a servo answers."""
    body = bytes([id_, len(data) + 2, error]) + data
    return HEADER + body + bytes([checksum(body)])


def checksum(body: bytes) -> int:
    """Return the inverted sum of some bytes, as one byte."""
    return ~sum(body) & 0xFF
