"""Entry point: registers the commands and turns every outcome into an exit status.

0 done; 1 the thing asked about is not so; 2 usage, a wrong name or setting included; 3 a fault.
A fault is one line on stderr, with its traceback only under `--debug`.
"""

import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from robot_policies.cli import (
    align,
    bench,
    check,
    contract,
    data,
    demo,
    doctor,
    drive,
    emulate,
    evaluate,
    export,
    launch,
    listing,
    migrate,
    operate,
    policy,
    power,
    robot,
    run,
    serve,
    skill,
    sysid,
    train,
)
from robot_policies.interface import ConfigError, RobotPoliciesError

DONE, NOT_SO, USAGE, FAULT = 0, 1, 2, 3
INTERRUPTED = 130  # 128 + SIGINT, what a shell reports

app = typer.Typer(
    name="robot-policies",
    help="Run learned policies on robots, in simulation and on hardware, through ROS 2.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)
for module in (
    doctor,
    listing,
    check,
    contract,
    migrate,
    run,
    serve,
    launch,
    operate,
    policy,
    drive,
    emulate,
    evaluate,
    export,
    power,
    sysid,
    train,
    align,
    skill,
    robot,
    data,
    bench,
    demo,
):
    module.register(app)


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of a fault; goes anywhere.")
    ] = False,
) -> None:
    """Declare `--debug` for the help text; `main` has already taken it out of the arguments."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        arguments: Command line without the program's name; `None` takes the process's own.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    try:
        with _quiet(debug), _terminated_like_interrupted():
            return app(args=given, prog_name="robot-policies", standalone_mode=False) or DONE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has left: nothing more to say, nor at interpreter shutdown.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE
    except Exception as error:  # the last line of defence of a command line
        if debug:
            traceback.print_exc()
        return _say(*explain(error))


def explain(error: Exception) -> tuple[str, int]:
    """Return the line and the exit status of an error."""
    if isinstance(error, typer.TyperException):
        return error.format_message(), USAGE
    if isinstance(error, ConfigError):
        return str(error), USAGE
    if isinstance(error, RobotPoliciesError):
        return str(error), FAULT
    if isinstance(error, ModuleNotFoundError):
        return f"the Python package '{error.name}' is missing; see robot-policies doctor", FAULT
    return f"{type(error).__name__}: {error} (--debug shows where)", FAULT


def _say(message: str, status: int) -> int:
    if message:  # there is none where the help was shown instead
        print("robot-policies:", " ".join(message.split()), file=sys.stderr)
    return status


@contextmanager
def _quiet(debug: bool) -> Iterator[None]:
    """Keep third-party warnings from the one line that a fault gets."""
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
            # 80 lines where there is no FFmpeg for torchcodec; LeRobot then reads with PyAV.
            logging.getLogger("lerobot.utils.import_utils").setLevel(logging.ERROR)
        yield


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that a robot is stopped and files are closed."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
