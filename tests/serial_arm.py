"""Six emulated STS3215 servos that are at their goals at once, so that a test need not wait."""

import pytest
from dynamixel_sdk import PortHandler
from lerobot.motors.feetech import feetech

from robot_policies_hardware.emulators.motion import AT_ONCE
from robot_policies_hardware.emulators.serial_bus import SerialBus
from robot_policies_hardware.emulators.servo import Servo


def six_servos() -> SerialBus:
    return SerialBus({id_: Servo("sts3215", AT_ONCE) for id_ in range(1, 7)})


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """The drivers wait 30 to 50 ms for an answer; an emulated bus is a thread, and waits for its turn."""  # noqa: E501

    def wait(port, length):
        port.setPacketTimeoutMillis(400.0)

    monkeypatch.setattr(feetech, "patch_setPacketTimeout", wait)
    monkeypatch.setattr(PortHandler, "setPacketTimeout", wait)
