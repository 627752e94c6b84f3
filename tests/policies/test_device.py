import pytest
import torch

from robot_policies.interface import ConfigError
from robot_policies.policies.device import devices, find_device, room_on


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many GPUs of NVIDIA's, or one of Apple's."""

    def make(gpus, apple=False):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)

    return make


@pytest.mark.parametrize(
    ("gpus", "apple", "asked", "found"),
    [
        (0, False, "auto", "cpu"),
        (0, False, "cpu", "cpu"),
        (2, False, "auto", "cuda:0"),
        (2, False, "cuda", "cuda"),
        (2, False, "cuda:1", "cuda:1"),
        (2, False, "cpu", "cpu"),
        (0, True, "auto", "mps"),
        (0, True, "mps", "mps"),
    ],
)
def test_a_device_is_found_by_name(machine, gpus, apple, asked, found):
    machine(gpus, apple)
    assert find_device(asked) == found


@pytest.mark.parametrize(
    ("gpus", "asked", "message"),
    [
        (0, "cuda", "device 'cuda' is not there, only cpu"),
        (2, "cuda:2", "device 'cuda:2' is not there, only cpu, cuda:0, cuda:1"),
        (1, "mps", "device 'mps' is not there, only cpu, cuda:0"),
        (1, "cuda0", "no device 'cuda0'. Did you mean 'cuda:0'"),
        (0, "meta", "no device 'meta'"),
        (0, "", "no device ''"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(machine, gpus, asked, message):
    machine(gpus)
    with pytest.raises(ConfigError) as caught:
        find_device(asked)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_processor_is_first(machine):
    machine(1, apple=True)
    assert devices() == ["cpu", "cuda:0", "mps"]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ..."),
        RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB).\nTried to allocate ..."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes\n..."),
    ],
    ids=["cuda", "mps", "cpu"],
)
def test_a_device_that_is_full_is_one_line(error):
    with (
        pytest.raises(ConfigError, match="^device 'mps' is full: .*memory") as caught,
        room_on("mps"),
    ):
        raise error
    assert "\n" not in str(caught.value)


def test_other_errors_of_a_network_are_left_alone():
    with pytest.raises(RuntimeError, match="mat1 and mat2"), room_on("cpu"):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
