import pytest
from dynamixel_sdk import PortHandler
from lerobot.motors.feetech import feetech


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """The drivers wait 30 to 50 ms for an answer; an emulated bus is a thread, and waits for its turn."""  # noqa: E501

    def wait(port, length):
        port.setPacketTimeoutMillis(400.0)

    monkeypatch.setattr(feetech, "patch_setPacketTimeout", wait)
    monkeypatch.setattr(PortHandler, "setPacketTimeout", wait)
