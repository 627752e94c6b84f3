import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from robot_policies.data import npz
from robot_policies.data.npz import read_npz
from robot_policies.interface import ConfigError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(100.0))
    return path


def patched(path: Path, central: int, local: int, value: int) -> None:
    """Change two bytes of the only entry, in both places where it is described."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", central), (b"PK\x03\x04", local)):
        place = data.index(mark) + offset
        data[place : place + 2] = struct.pack("<H", value)
    path.write_bytes(data)


def torn(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[60:90] = b"\xff" * 30
    path.write_bytes(data)


def claiming(path: Path) -> None:
    header = io.BytesIO()
    about = {"descr": "<f8", "fortran_order": False, "shape": (10**14,)}
    np.lib.format.write_array_header_1_0(header, about)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", header.getvalue() + bytes(80))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "spoil",
    [
        torn,
        claiming,
        pipe,
        lambda path: patched(path, 10, 8, 99),  # packed in a way that is not known
        lambda path: patched(path, 8, 6, 1),  # encrypted
        lambda path: path.write_bytes(b""),
    ],
)
def test_a_damaged_archive_is_one_line(archive, spoil):
    assert read_npz(archive, ["x"])["x"].sum() == 4950.0
    spoil(archive)
    with pytest.raises(ConfigError, match=r"a\.npz: cannot be read as npz: .") as caught:
        read_npz(archive, ["x"])
    assert "\n" not in str(caught.value)


def test_a_small_archive_that_unpacks_to_more_than_there_is_memory_is_refused(
    archive, monkeypatch
):
    monkeypatch.setattr(npz, "MAX_BYTES", 500)
    with pytest.raises(ConfigError, match="would unpack to 928 bytes, limit 500"):
        read_npz(archive, ["x"])


def test_a_missing_array_is_named(archive):
    with pytest.raises(ConfigError, match=r"'y' is missing; it has \['x'\]"):
        read_npz(archive, ["y"])
