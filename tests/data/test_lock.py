"""One process at a time writes to a folder, and the others are told which."""

import subprocess
import sys

import pytest
import sample_episode as sample

from robot_policies.data.lock import FolderLock
from robot_policies.data.recorder import Recorder
from robot_policies.interface import ConfigError

HOLDER = """
import sys, time
from pathlib import Path
from robot_policies.data.lock import FolderLock
FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600.0)
"""


def test_a_second_recorder_is_refused_by_the_first_ones_number_until_that_has_ended(tmp_path):
    spec = sample.robot()
    begin = spec, sample.policy(spec), sample.task(), {}
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "ds")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=rf"ds: process {holder.pid} \(.*is writing to it"):
            Recorder(tmp_path / "ds").begin(*begin)
        assert not (tmp_path / "ds").exists()
        holder.kill()
    FolderLock(tmp_path / "ds").release()
    assert list(tmp_path.iterdir()) == []
