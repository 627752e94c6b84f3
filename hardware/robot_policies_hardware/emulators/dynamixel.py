"""Dynamixel's protocol 2.0, as far as LeRobot's bus speaks it.

A packet is FF FF FD 00 id length instruction parameters crc; length and crc have two bytes each,
the lower one first, and the length counts what follows it. Where FF FF FD stands within a packet,
another FD follows it, so that no header is seen there.
Source: https://emanual.robotis.com/docs/en/dxl/protocol2/
"""

from collections.abc import Iterator, Mapping

from robot_policies_hardware.emulators.servo import Servo

HEADER = b"\xff\xff\xfd\x00"
MARK, STUFFED = b"\xff\xff\xfd", b"\xff\xff\xfd\xfd"
BROADCAST = 0xFE
PING, READ, WRITE, STATUS, SYNC_READ, SYNC_WRITE = 0x01, 0x02, 0x03, 0x55, 0x82, 0x83
INSTRUCTION_ERROR, ACCESS_ERROR = 0x02, 0x07
FIRMWARE = 50
POLYNOMIAL = 0x8005


def packets(buffer: bytearray) -> Iterator[bytes]:
    """Take whole packets off the front of what was heard; one with a wrong sum is dropped.

    Yields:
        Each packet from its id on, without length, sum and stuffing.
    """
    while (start := buffer.find(HEADER)) >= 0:
        del buffer[:start]
        if len(buffer) < 7:
            return
        length = int.from_bytes(buffer[5:7], "little")
        if length < 3:  # no packet is so short
            del buffer[:1]
            continue
        if len(buffer) < length + 7:
            return
        packet = bytes(buffer[: length + 7])
        del buffer[: length + 7]
        if crc(packet[:-2]) == int.from_bytes(packet[-2:], "little"):
            yield packet[4:5] + packet[7:-2].replace(STUFFED, MARK)


def answer(packet: bytes, servos: Mapping[int, Servo], now: float) -> bytes:
    """Let servos follow an instruction; return what they answer.

    Args:
        packet: The instruction.
        servos: Servo by id.
        now: Time. [s]
    """
    id_, instruction, parameters = packet[0], packet[1], packet[2:]
    if instruction in (SYNC_READ, SYNC_WRITE):
        address, length = _number(parameters[0:2]), _number(parameters[2:4])
        rest = parameters[4:]
        if instruction == SYNC_READ:
            known = [one for one in rest if one in servos]
            return b"".join(status(one, servos[one].read(address, length, now)) for one in known)
        for start in range(0, len(rest), length + 1):
            if rest[start] in servos:
                data = rest[start + 1 : start + 1 + length]
                _write(servos[rest[start]], address, data, now)
        return b""
    if instruction == PING and id_ == BROADCAST:
        return b"".join(_present(one, servos[one]) for one in sorted(servos))
    if id_ not in servos:
        return b""
    if instruction == PING:
        return _present(id_, servos[id_])
    if instruction == READ:
        address, length = _number(parameters[0:2]), _number(parameters[2:4])
        return status(id_, servos[id_].read(address, length, now))
    if instruction == WRITE:
        error = _write(servos[id_], _number(parameters[0:2]), parameters[2:], now)
        return status(id_, error=error)
    return status(id_, error=INSTRUCTION_ERROR)


def status(id_: int, data: bytes = b"", error: int = 0) -> bytes:
    """Return what a servo answers."""
    return encode(id_, bytes([STATUS, error]) + data)


def encode(id_: int, body: bytes) -> bytes:
    """Return a packet.

    Args:
        id_: Of a servo.
        body: Instruction and parameters.
    """
    stuffed = body.replace(MARK, STUFFED)
    packet = HEADER + bytes([id_]) + (len(stuffed) + 2).to_bytes(2, "little") + stuffed
    return packet + crc(packet).to_bytes(2, "little")


def crc(data: bytes) -> int:
    """Return the CRC-16 of some bytes: x^16 + x^15 + x^2 + 1, highest bit first, from zero.

    Source: https://emanual.robotis.com/docs/en/dxl/crc/
    """
    rest = 0
    for byte in data:
        rest ^= byte << 8
        for _ in range(8):
            rest = (rest << 1) ^ (POLYNOMIAL if rest & 0x8000 else 0)
        rest &= 0xFFFF
    return rest


def _write(servo: Servo, address: int, data: bytes, now: float) -> int:
    """Set registers; return the error of an address that torque protects."""
    if servo.torque and servo.is_persistent(address):
        return ACCESS_ERROR
    servo.write(address, data, now)
    return 0


def _present(id_: int, servo: Servo) -> bytes:
    number = servo.get("Model_Number").to_bytes(2, "little")
    return status(id_, number + bytes([FIRMWARE]))


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
