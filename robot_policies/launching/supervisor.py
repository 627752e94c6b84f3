"""Start the processes of a launch file, show what they say, and leave none behind.

Where ROS's own launcher is installed and knows this package, it does the job instead; the file
is the same. Nothing of ROS is imported here.
"""

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.launching.claims import ESCALATION, PATIENCE, already_runs, holder
from robot_policies.launching.description import declared, describe
from robot_policies.launching.exit_log import VARIABLE, ExitLog
from robot_policies.launching.lines import STDERR, STDOUT, Lines
from robot_policies.launching.parent import end_with_parent
from robot_policies.launching.processes import Description, Process, Step
from robot_policies.shared_files import PACKAGE, share_directory

FAULT = 3  # exit status: something that ran failed
DEATH = "]: process has died [pid"  # said by ros2 launch, which then exits with 0 all the same
TERMINATED = (0, -signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM)


def launch_file(
    name: str | Path,
    arguments: Mapping[str, str],
    *,
    own: bool = False,
    patience: float = PATIENCE,
) -> int:
    """Run a launch file until its processes end or a signal comes.

    Args:
        name: A path, or the name of a shipped launch file.
        arguments: Values of the file's arguments.
        own: Whether to do without `ros2 launch` even where it is installed.
        patience: Time a process gets to follow each signal at shutdown. [s]

    Returns:
        Exit status: 0 if every process ended well, 3 if one did not.

    Raises:
        ConfigError: If the file or an argument is wrong; nothing has been started then.
    """
    path = find_launch_file(name)
    description = describe(path, arguments)
    _refuse_second(description)
    launcher = None if own else _ros2_launch()
    if launcher:
        command = (launcher, "launch", str(path), *(f"{k}:={v}" for k, v in arguments.items()))
        process = Process("", command, dict(os.environ), failure=DEATH)
        description = Description(steps=[Step(0.0, process)])
        patience *= len(ESCALATION)  # it escalates for its children itself
    return asyncio.run(Supervisor(description, patience).run())


def show_arguments(name: str | Path) -> str:
    """Return the arguments of a launch file, for people."""
    lines = []
    for argument, entry in declared(find_launch_file(name)).items():
        default = "needed" if entry.default is None else f"default '{entry.default}'"
        choices = f"; one of {', '.join(entry.choices)}" if entry.choices else ""
        lines.append(f"{argument}:=  {entry.description} ({default}{choices})")
    return "\n".join(lines)


def find_launch_file(name: str | Path) -> Path:
    """Return the path of a launch file.

    Raises:
        ConfigError: If it is neither a file nor the name of a shipped one.
    """
    shipped = {path.name: path for path in (share_directory() / "launch").glob("*.launch.xml")}
    if Path(name).is_file():
        return Path(name)
    if str(name) in shipped:
        return shipped[str(name)]
    raise ConfigError(f"no launch file '{name}'.{suggestion(str(name), shipped)}")


def _refuse_second(description: Description) -> None:
    """Refuse names that a running graph has, before anything is started."""
    for step in description.steps:
        if isinstance(step.action, Process):
            domain = step.action.environment.get("ROS_DOMAIN_ID", "")
            name = f"/{step.action.name}"
            if process := holder(int(domain) if domain.isdecimal() else 0, name):
                raise ConfigError(already_runs(name, process))


def _ros2_launch() -> str | None:
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    known = any((Path(prefix) / "lib" / PACKAGE).is_dir() for prefix in prefixes if prefix)
    return shutil.which("ros2") if known else None


class Supervisor:
    """Runs the steps of a description."""

    def __init__(self, description: Description, patience: float = PATIENCE) -> None:
        """Keep what to do.

        Args:
            description: The processes.
            patience: Time a process gets to follow each signal at shutdown. [s]
        """
        self._steps = description.steps
        self._patience = patience
        self._stopping = asyncio.Event()
        self._failed = False
        self._lines = Lines()

    async def run(self) -> int:
        """Start everything, wait for the end, and return the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop, f"{signal.Signals(number).name} received")
        with TemporaryDirectory() as folder:
            self._exit_log = ExitLog(Path(folder) / "exit_log")
            await asyncio.gather(*(self._do(step) for step in self._steps))
        self._lines.close()
        return FAULT if self._failed else 0

    def _stop(self, reason: str) -> None:
        if not self._stopping.is_set():
            self._lines.say("launch", f"shutting down: {reason}")
        self._stopping.set()

    async def _do(self, step: Step) -> None:
        if await self._stopped_within(step.after):
            return
        if isinstance(step.action, Process):
            await self._keep(step.action)
        elif step.shutdown:
            self._stop(step.action)
        else:
            self._lines.say("launch", step.action)

    async def _keep(self, process: Process) -> None:
        while True:
            status = await self._run(process)
            good = status in TERMINATED if self._stopping.is_set() else status == 0
            if not good:
                self._lines.say(process.name, f"died: {_meaning(status)}", STDERR)
            if self._stopping.is_set() or process.respawn_delay is None:
                break
            if await self._stopped_within(process.respawn_delay):
                return
        self._exit_log.tell(process.name, _meaning(status))
        self._failed |= not good
        if process.ends_launch:
            self._stop(f"{process.name} has ended")

    async def _run(self, process: Process) -> int:
        try:
            child = await asyncio.create_subprocess_exec(
                *process.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                env={
                    "PYTHONUNBUFFERED": "1",
                    **process.environment,
                    VARIABLE: str(self._exit_log.path),
                },
                cwd=process.directory,
                # An own session: a Ctrl-C in the terminal reaches it once, through this process.
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        except OSError as error:
            reason = f"cannot start {process.command[0]}: {error.strerror}"
            self._lines.say(process.name, reason, STDERR)
            return 127
        assert child.stdout
        assert child.stderr
        pumps = [
            asyncio.create_task(self._pump(process, child.stdout, STDOUT)),
            asyncio.create_task(self._pump(process, child.stderr, STDERR)),
        ]
        ended = asyncio.create_task(child.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for number in ESCALATION:
            if ended.done():
                break
            _signal(child.pid, number)
            await asyncio.wait((ended,), timeout=self._patience)
        status = await ended
        # A grandchild may hold the pipes open; what it would still say is not waited for.
        await asyncio.wait(pumps, timeout=1.0)
        for pump in pumps:
            pump.cancel()
        return status

    async def _pump(self, process: Process, stream: asyncio.StreamReader, target: int) -> None:
        rest = b""
        while data := await stream.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                text = line.decode(errors="replace")
                self._failed |= bool(process.failure) and process.failure in text
                self._lines.say(process.name, text, target)
        if rest:
            self._lines.say(process.name, rest.decode(errors="replace"), target)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds if seconds > 0.0 else 1e-3)
        except TimeoutError:
            return False
        return True


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        if number is signal.SIGKILL:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass  # it ended in the meantime


def _meaning(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"
