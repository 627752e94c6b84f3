"""Six emulated STS3215 servos that are at their goals at once, so that a test need not wait."""

from robot_policies_hardware.emulators.motion import AT_ONCE
from robot_policies_hardware.emulators.serial_bus import SerialBus
from robot_policies_hardware.emulators.servo import Servo


def six_servos() -> SerialBus:
    return SerialBus({id_: Servo("sts3215", AT_ONCE) for id_ in range(1, 7)})
