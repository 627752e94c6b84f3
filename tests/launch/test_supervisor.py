import os
import select
import signal
import subprocess
import sys
import time

import pytest

from robot_policies.interface import ConfigError
from robot_policies.launching import launch_file, lines, show_arguments
from robot_policies.launching.supervisor import DEATH

STUBBORN = "import signal,time; [signal.signal(s, signal.SIG_IGN) for s in (2, 15)]; "


def write(tmp_path, body):
    path = tmp_path / "a.launch.xml"
    path.write_text(f"<launch>{body}</launch>")
    return path


def python(code, more=""):
    return f'<executable name="p" cmd="{sys.executable} -c &quot;{code}&quot;" {more}/>'


def start(path, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "robot_policies.launching", str(path), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_output_is_prefixed_and_success_is_0(tmp_path, capfd):
    body = python("print(1); import sys; print(2, file=sys.stderr)")
    assert launch_file(write(tmp_path, body), {}, own=True) == 0
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("[p] 1\n", "[p] 2\n")


@pytest.mark.parametrize("code", ["raise SystemExit(5)", "import os; os.kill(os.getpid(), 9)"])
def test_a_failing_process_makes_the_exit_status_3(tmp_path, capfd, code):
    assert launch_file(write(tmp_path, python(code)), {}, own=True) == 3
    assert "[p] died: " in capfd.readouterr().err


def test_a_program_that_is_not_there_is_a_failure(tmp_path, capfd):
    assert launch_file(write(tmp_path, "<executable cmd='/no/such'/>"), {}, own=True) == 3
    assert "cannot start /no/such" in capfd.readouterr().err


def test_a_process_can_ask_how_another_ended(tmp_path, capfd):
    asks = """import time
from robot_policies.launching.exit_log import ExitLog
while not ExitLog().of('p'): time.sleep(0.05)
print(ExitLog().of('p'), repr(ExitLog().of('q')))"""
    (tmp_path / "asks.py").write_text(asks)
    body = python("raise SystemExit(5)")
    body += f"<executable name='q' cmd='{sys.executable} {tmp_path / 'asks.py'}'/>"
    assert launch_file(write(tmp_path, body), {}, own=True) == 3
    assert "[q] exit status 5 ''" in capfd.readouterr().out


def test_on_exit_shutdown_takes_the_others_down(tmp_path):
    body = python("import time; time.sleep(60)") + python("pass", 'on_exit="shutdown"')
    begin = time.monotonic()
    assert launch_file(write(tmp_path, body), {}, own=True) == 0
    assert time.monotonic() - begin < 10.0


def test_respawn_starts_it_again_after_the_delay(tmp_path, capfd):
    body = python("print('up')", 'respawn="true" respawn_delay="0.1"')
    body += "<timer period='1.5'><shutdown reason='enough'/></timer>"
    launch_file(write(tmp_path, body), {}, own=True)
    captured = capfd.readouterr().out
    assert captured.count("[p] up") >= 2
    assert "shutting down: enough" in captured


def test_who_ignores_sigint_and_sigterm_is_killed_and_reported(tmp_path, capfd):
    body = python(STUBBORN + "time.sleep(60)") + "<timer period='1'><shutdown/></timer>"
    assert launch_file(write(tmp_path, body), {}, own=True, patience=0.2) == 3
    assert "died: SIGKILL" in capfd.readouterr().err


def test_a_killed_supervisor_leaves_no_process_behind(tmp_path):
    run = start(write(tmp_path, python("import os,time; print(os.getpid()); time.sleep(60)")))
    child = int(run.stdout.readline().split()[-1])
    run.kill()
    run.communicate()
    deadline = time.monotonic() + 10.0
    while os.path.exists(f"/proc/{child}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{child}")


def test_sigint_leaves_no_process_behind(tmp_path):
    launcher = start(
        write(tmp_path, python("import os, time; print(os.getpid()); time.sleep(60)"))
    )
    pid = int(launcher.stdout.readline().split()[1])
    launcher.send_signal(signal.SIGINT)
    _, errors = launcher.communicate(timeout=20)

    assert launcher.returncode == 0, errors
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_wrong_file_or_argument_is_one_line_and_exit_status_2(tmp_path):
    path = write(tmp_path, "<arg name='rate'/>")
    for words, complaint in (
        ((str(tmp_path / "b.launch.xml"),), "no launch file"),
        ((str(path), "rte:=3"), "Did you mean 'rate'"),
        ((str(path), "rate=3"), "expected name:=value"),
    ):
        launcher = start(*words)
        _, errors = launcher.communicate(timeout=20)
        assert launcher.returncode == 2
        assert complaint in errors
        assert errors.count("\n") == 1


def test_arguments_are_shown_without_being_given(tmp_path):
    path = write(tmp_path, "<arg name='rate' description='ticks [Hz]'/>")
    assert show_arguments(path) == "rate:=  ticks [Hz] (needed)"


@pytest.mark.parametrize(("line", "status"), [("all is well", 0), (f"[a-1{DEATH} 7", 3)])
def test_a_death_that_ros2_launch_reports_is_a_failure(tmp_path, monkeypatch, line, status):
    ros2 = tmp_path / "bin" / "ros2"
    (tmp_path / "lib" / "robot_policies").mkdir(parents=True)
    ros2.parent.mkdir()
    ros2.write_text(f'#!/bin/sh\necho "$@ {line}"\n')
    ros2.chmod(0o755)
    monkeypatch.setenv("PATH", str(ros2.parent), prepend=":")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert launch_file(write(tmp_path, "<arg name='rate' default='1'/>"), {}) == status


def test_an_unknown_shipped_file_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"Did you mean 'policy.launch.xml'"):
        launch_file("polcy.launch.xml", {})


@pytest.mark.parametrize("reader", ["absent", "gone"])
def test_a_launcher_whose_output_nobody_reads_stops_nothing(tmp_path, reader):
    done = tmp_path / "done"
    (tmp_path / "talks.py").write_text(
        "import sys, pathlib, time\n"
        "for k in range(30_000): print('x' * 99, file=sys.stderr if k % 2 else sys.stdout)\n"
        f"pathlib.Path({str(done)!r}).touch(); time.sleep(60)"
    )
    body = f"<executable name='p' cmd='{sys.executable} {tmp_path / 'talks.py'}'/>"
    reads, writes = os.pipe()
    launcher = subprocess.Popen(
        [sys.executable, "-m", "robot_policies.launching", str(write(tmp_path, body))],
        stdout=writes,
        stderr=writes,
    )
    os.close(writes)
    if reader == "gone":
        os.close(reads)
    deadline = time.monotonic() + 30.0
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done.exists()
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(timeout=20) == 0
    if reader == "absent":
        os.close(reads)


def test_what_nobody_had_room_for_is_counted(monkeypatch):
    monkeypatch.setattr(lines, "KEPT", 2)
    reads, writes = os.pipe()
    os.set_blocking(reads, False)
    while select.select([], [writes], [], 0.0)[1]:
        os.write(writes, b"x" * 4096)
    said = lines.Lines()
    for k in range(10):
        said.say("p", str(k), writes)
    read = b""
    deadline = time.monotonic() + 10.0
    while b"[p] last" not in read and time.monotonic() < deadline:
        if select.select([reads], [], [], 0.1)[0]:
            read += os.read(reads, 1 << 20)
        said.say("p", "last", writes)
    said.close()
    os.close(reads)
    os.close(writes)
    assert b"[p] 0\n" in read
    assert b"lines are missing here" in read
