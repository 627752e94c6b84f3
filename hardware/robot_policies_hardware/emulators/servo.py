"""A bus servo: a motor behind a register file, laid out as LeRobot's tables of the model say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lerobot.motors.dynamixel import tables as dynamixel
from lerobot.motors.encoding_utils import (
    decode_sign_magnitude,
    decode_twos_complement,
    encode_sign_magnitude,
    encode_twos_complement,
)
from lerobot.motors.feetech import tables as feetech

from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies_hardware.emulators.motion import SERVO, Motion, Motor

REGISTERS = 256  # bytes
FULL_TURN = 4096  # ticks
ROOM_C = 30  # Present_Temperature [degrees Celsius]


@dataclass(frozen=True)
class Family:
    """What the servos of one maker have in common.

    Attributes:
        tables: Registers of each model: name to address and length.
        encodings: Registers of each model that have a sign: name to sign bit, or to length.
        numbers: Number of each model.
        encode: Returns the unsigned form of a number with a sign.
        decode: Returns the number of an unsigned form.
        offset_sign: Present_Position is the shaft's position plus this times Homing_Offset.
        speed_unit: Unit of Present_Velocity. [ticks/s]
        new: What registers hold when it comes from its maker, beside the same of all.
        unlimited: Operating_Mode in which its position limits do not count; `None` if none is.
        turn: Ticks of a turn.
        order: Which byte of a word comes first.
        together: Whether several answer one instruction, each in its turn.
    """

    tables: Mapping[str, Mapping[str, tuple[int, int]]]
    encodings: Mapping[str, Mapping[str, int]]
    numbers: Mapping[str, int]
    encode: Callable[[int, int], int]
    decode: Callable[[int, int], int]
    offset_sign: int
    speed_unit: float
    new: Mapping[str, int]
    unlimited: int | None
    turn: int = FULL_TURN
    order: Literal["little", "big"] = "little"
    together: bool = True


FEETECH = Family(
    feetech.MODEL_CONTROL_TABLE,
    feetech.MODEL_ENCODING_TABLE,
    feetech.MODEL_NUMBER_TABLE,
    encode_sign_magnitude,
    decode_sign_magnitude,
    offset_sign=-1,
    speed_unit=1.0,
    new={"Present_Voltage": 74},  # in 0.1 V
    unlimited=None,
)
# The SCS series: Feetech's protocol 1, which is its protocol 0 but for the order of bytes.
SCS = replace(
    FEETECH,
    numbers={
        name: number
        for name, number in feetech.MODEL_NUMBER_TABLE.items()
        if feetech.MODEL_PROTOCOL[name] == 1
    },
    encodings=dict.fromkeys(feetech.MODEL_PROTOCOL, {"Present_Velocity": 15}),
    turn=1024,
    order="big",
    together=False,
)
DYNAMIXEL = Family(
    dynamixel.MODEL_CONTROL_TABLE,
    dynamixel.MODEL_ENCODING_TABLE,
    dynamixel.MODEL_NUMBER_TABLE,
    encode_twos_complement,
    decode_twos_complement,
    offset_sign=1,
    speed_unit=0.229 / 60.0 * FULL_TURN,  # 0.229 turns a minute
    new={"Operating_Mode": 3, "Present_Input_Voltage": 120},  # position; in 0.1 V
    unlimited=4,  # extended position
)


def family_of(model: str) -> Family:
    """Return what a servo has in common with others.

    Args:
        model: As LeRobot names it.

    Raises:
        ConfigError: If no such model is known.
    """
    known = {name: family for family in (DYNAMIXEL, FEETECH, SCS) for name in family.numbers}
    if model not in known:
        raise ConfigError(f"no servo '{model}'.{suggestion(model, known)}")
    return known[model]


class Servo:
    """One servo.

    Attributes:
        model: Its model.
        furthest: Longest way it was ordered to go at once. [ticks]
        held: Where a hand holds its shaft, whatever it is told; `None` if none does. [ticks]
    """

    def __init__(self, model: str, motion: Motion = SERVO) -> None:
        """Make a servo as it comes from its maker, in the middle of its turn.

        Args:
            model: As LeRobot names it.
            motion: How its motor moves.

        Raises:
            ConfigError: If no such model is known.
        """
        self.model, self._family, self.furthest = model, family_of(model), 0
        self.held: int | None = None
        self._table = self._family.tables[model]
        self._signed = self._family.encodings[model]
        self._bytes = bytearray(REGISTERS)
        self._motor = Motor(self._family.turn / 2, motion)
        self._seen: float | None = None  # time of the newest look [s]
        for name, value in {
            "Model_Number": self._family.numbers[model],
            "Max_Position_Limit": self._family.turn - 1,
            "Present_Temperature": ROOM_C,
            **self._family.new,
        }.items():
            self._store(name, value)
        self._show()

    def get(self, name: str) -> int:
        """Return what a register holds."""
        address, length = self._table[name]
        value = int.from_bytes(self._bytes[address : address + length], self._family.order)
        return self._family.decode(value, self._signed[name]) if name in self._signed else value

    def put(self, name: str, value: int) -> None:
        """Set a register, as nothing on the bus can; the shaft goes where its position says."""
        if name == "Homing_Offset":
            here = self.get("Present_Position")
            self._store(name, value)
            self._place(here)
            return
        self._store(name, value)
        if name == "Present_Position":
            self._place(value)

    @property
    def together(self) -> bool:
        """Whether it answers an instruction for several servos."""
        return self._family.together

    @property
    def torque(self) -> int:
        """Whether it has torque: 0 or 1."""
        return self.get("Torque_Enable")

    def read(self, address: int, length: int, now: float) -> bytes:
        """Return registers as they are at some time. [s]."""
        self.advance(now)
        return bytes(self._bytes[address : address + length])

    def write(self, address: int, data: bytes, now: float) -> None:
        """Set registers at some time. [s]."""
        self.advance(now)
        self._bytes[address : address + len(data)] = data
        if (goal := self._goal()) is not None:
            way = abs(round(goal - self._motor.position))
            self.furthest = max(self.furthest, way)
            self._move(0.0)
        self._show()

    def advance(self, now: float) -> None:
        """Let the motor move until some time. [s]."""
        seconds = 0.0 if self._seen is None else now - self._seen
        self._seen = now
        self._move(seconds)
        self._show()

    def is_persistent(self, address: int) -> bool:
        """Return whether a register outlives the power: it is below the torque switch."""
        return address < self._table["Torque_Enable"][0]

    def _move(self, seconds: float) -> None:
        if self.held is None:
            self._motor.advance(seconds, self._goal())
        else:
            self._motor.stand(self.held - self._offset())

    def _goal(self) -> float | None:
        """Return where the shaft is to go, within its limits; `None` without torque. [ticks]."""
        if not self.torque:
            return None
        goal = self.get("Goal_Position")
        unlimited = self._family.unlimited
        if unlimited is None or self.get("Operating_Mode") != unlimited:
            lowest, highest = self.get("Min_Position_Limit"), self.get("Max_Position_Limit")
            goal = min(max(goal, lowest), highest)
        return goal - self._offset()

    def _offset(self) -> int:
        if "Homing_Offset" not in self._table:
            return 0
        return self._family.offset_sign * self.get("Homing_Offset")

    def _place(self, present: int) -> None:
        self._motor.stand(present - self._offset())
        self._show()

    def _show(self) -> None:
        self._store("Present_Position", round(self._motor.position) + self._offset())
        self._store("Present_Velocity", round(self._motor.velocity / self._family.speed_unit))

    def _store(self, name: str, value: int) -> None:
        address, length = self._table[name]
        if name in self._signed:
            value = self._family.encode(value, self._signed[name])
        self._bytes[address : address + length] = value.to_bytes(length, self._family.order)
