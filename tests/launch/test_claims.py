import os
import signal
import subprocess
import sys

import pytest

from robot_policies.interface import ConfigError
from robot_policies.launching import launch_file
from robot_policies.launching.claims import claim, holder, keep

DOMAIN = 100_000 + os.getpid()  # none that ROS has: names of this test alone


def test_a_name_is_had_once_in_a_domain_and_given_back():
    claimed = claim(DOMAIN, "/left/backend")
    with pytest.raises(ConfigError, match=rf"namespace /left: .* is process {os.getpid()}"):
        claim(DOMAIN, "/left/backend")
    claim(DOMAIN, "/right/backend").close()
    claim(DOMAIN + 1, "/left/backend").close()
    assert holder(DOMAIN, "/left/backend") == os.getpid()
    claimed.close()
    assert holder(DOMAIN, "/left/backend") is None


def test_a_killed_process_has_no_name():
    code = f"""
from robot_policies.launching.claims import claim
kept = claim({DOMAIN}, "/backend")
print("claimed", flush=True)
import time; time.sleep(60)"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        assert holder(DOMAIN, "/backend") == process.pid
        process.kill()
    assert holder(DOMAIN, "/backend") is None


def test_a_process_ends_with_who_keeps_its_name_and_not_with_who_looks():
    code = f"""
from robot_policies.launching.claims import claim
kept = claim({DOMAIN}, "/backend")
kept.end_with_keeper()
print("claimed", flush=True)
import time; time.sleep(60)"""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        assert process.stdout.readline()
        assert holder(DOMAIN, "/backend") == process.pid
        keeping = keep(DOMAIN, "/backend")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        keeping.close()
        assert process.wait(10.0) == -signal.SIGINT
    assert keep(DOMAIN, "/backend") is None


def test_a_second_launch_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN))
    touched = tmp_path / "touched"
    path = tmp_path / "a.launch.xml"
    node = "<node pkg='robot_policies' exec='backend_node' name='backend' namespace='/left'/>"
    path.write_text(f"<launch><executable cmd='touch {touched}'/>{node}</launch>")
    claimed = claim(DOMAIN, "/left/backend")
    with pytest.raises(ConfigError, match="a graph already runs in namespace /left"):
        launch_file(path, {}, own=True)
    claimed.close()
    assert not touched.exists()
