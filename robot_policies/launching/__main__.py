"""`python -m robot_policies.launching FILE name:=value ...`."""

import argparse
import sys

from robot_policies.interface import ConfigError, RobotPoliciesError
from robot_policies.launching.supervisor import launch_file, show_arguments


def parse_arguments(words: list[str]) -> dict[str, str]:
    """Return `name:=value` words as a mapping.

    Raises:
        ConfigError: If a word is of another form.
    """
    arguments = {}
    for word in words:
        name, separator, value = word.partition(":=")
        if not separator or not name:
            raise ConfigError(f"argument '{word}': expected name:=value")
        arguments[name] = value
    return arguments


def main() -> None:
    """Run a launch file from the command line."""
    parser = argparse.ArgumentParser(prog="python -m robot_policies.launching")
    parser.add_argument("file", help="a path, or the name of a shipped launch file")
    parser.add_argument("arguments", nargs="*", metavar="name:=value")
    parser.add_argument("--show-args", action="store_true", help="list the arguments and stop")
    options = parser.parse_args()
    try:
        if options.show_args:
            print(show_arguments(options.file))
            return
        status = launch_file(options.file, parse_arguments(options.arguments), own=True)
    except RobotPoliciesError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    sys.exit(status)


if __name__ == "__main__":
    main()
