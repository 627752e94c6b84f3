"""From a launch file and its arguments to the list of processes to start."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.launching.log_folder import log_folder
from robot_policies.launching.processes import Argument, Description, Process, Step
from robot_policies.launching.ros_command import executable, join, parameter, quoted
from robot_policies.launching.substitutions import Context, boolean, expand
from robot_policies.launching.xml_file import Element, read_launch_file


@dataclass
class Scope:
    """What a group keeps to itself."""

    variables: dict[str, str]
    environment: dict[str, str]
    file: Path
    namespace: str = ""
    after: float = 0.0
    remaps: tuple[str, ...] = ()

    def inner(self) -> "Scope":
        """Return a copy whose changes stay inside."""
        return replace(self, variables=dict(self.variables), environment=dict(self.environment))


def describe(path: Path, given: Mapping[str, str]) -> Description:
    """Read a launch file with arguments.

    Args:
        path: The file.
        given: Argument values by name.

    Raises:
        ConfigError: On anything in the file or the arguments that cannot be, before any process
            is started.
    """
    description = Description()
    root = read_launch_file(path)
    environment = {**os.environ, **log_folder(os.environ)}
    scope = Scope(dict(given), environment, path.resolve())
    _refuse_unknown(path, root, given)
    _Reader(description).run(root, scope)
    return description


def declared(path: Path) -> dict[str, Argument]:
    """Return the arguments a file declares, without filling them in."""
    return {
        e.attributes["name"]: _argument(e)
        for e in read_launch_file(path).children
        if e.tag == "arg"
    }


def _refuse_unknown(path: Path, root: Element, given: Mapping[str, str]) -> None:
    known = {e.attributes["name"] for e in root.children if e.tag == "arg"}
    for name in given:
        if name not in known:
            raise ConfigError(f"{path.name}: no argument '{name}'.{suggestion(name, known)}")


def _argument(element: Element) -> Argument:
    return Argument(
        element.attributes.get("default"),
        element.attributes.get("description", ""),
        tuple(child.attributes["value"] for child in element.children),
    )


class _Reader:
    """Walks the elements in order, as ROS's launcher does."""

    def __init__(self, description: Description) -> None:
        self.description = description

    def run(self, parent: Element, scope: Scope) -> None:
        for element in parent.children:
            if self._wanted(element, scope):
                getattr(self, f"_{element.tag}")(element, scope)

    def _get(self, element: Element, name: str, scope: Scope, default: str = "") -> str:
        context = Context(scope.variables, scope.environment, scope.file)
        return expand(element.attributes.get(name, default), context, element.where)

    def _wanted(self, element: Element, scope: Scope) -> bool:
        wanted = True
        if "if" in element.attributes:
            wanted = boolean(self._get(element, "if", scope), element.where)
        if "unless" in element.attributes:
            wanted &= not boolean(self._get(element, "unless", scope), element.where)
        return wanted

    def _arg(self, element: Element, scope: Scope) -> None:
        name, argument = element.attributes["name"], _argument(element)
        self.description.arguments[name] = argument
        if name not in scope.variables:
            if argument.default is None:
                what = f" ({argument.description})" if argument.description else ""
                raise ConfigError(f"{element.where}: argument '{name}' is needed{what}")
            scope.variables[name] = self._get(element, "default", scope)
        value = scope.variables[name]
        if argument.choices and value not in argument.choices:
            hint = suggestion(value, argument.choices)
            raise ConfigError(f"{element.where}: {name} cannot be '{value}'.{hint}")

    def _let(self, element: Element, scope: Scope) -> None:
        scope.variables[self._get(element, "name", scope)] = self._get(element, "value", scope)

    def _set_env(self, element: Element, scope: Scope) -> None:
        scope.environment[self._get(element, "name", scope)] = self._get(element, "value", scope)

    def _set_remap(self, element: Element, scope: Scope) -> None:
        scope.remaps += ("-r", self._remap(element, scope))

    def _remap(self, element: Element, scope: Scope) -> str:
        return f"{self._get(element, 'from', scope)}:={self._get(element, 'to', scope)}"

    def _push_ros_namespace(self, element: Element, scope: Scope) -> None:
        scope.namespace = join(scope.namespace, self._get(element, "namespace", scope))

    def _group(self, element: Element, scope: Scope) -> None:
        scoped = boolean(self._get(element, "scoped", scope, "true"), element.where)
        self.run(element, scope.inner() if scoped else scope)

    def _timer(self, element: Element, scope: Scope) -> None:
        inner = scope.inner()
        inner.after += _number(self._get(element, "period", scope), element.where)
        self.run(element, inner)

    def _include(self, element: Element, scope: Scope) -> None:
        path = Path(self._get(element, "file", scope))
        if path.suffix != ".xml":
            raise ConfigError(f"{element.where}: only XML can be included, not '{path.name}'")
        for child in element.children:
            self._let(child, scope)
        here, scope.file = scope.file, path.resolve()
        self.run(read_launch_file(path), scope)
        scope.file = here

    def _log(self, element: Element, scope: Scope) -> None:
        message = self._get(element, "message", scope)
        self.description.steps.append(Step(scope.after, message))

    def _shutdown(self, element: Element, scope: Scope) -> None:
        reason = self._get(element, "reason", scope, "asked for by the launch file")
        self.description.steps.append(Step(scope.after, reason, shutdown=True))

    def _executable(self, element: Element, scope: Scope) -> None:
        command = shlex.split(self._get(element, "cmd", scope))
        command += shlex.split(self._get(element, "args", scope))
        name = self._get(element, "name", scope) or Path(command[0]).name
        self._start(element, scope, name, command, self._get(element, "cwd", scope) or None)

    def _node(self, element: Element, scope: Scope) -> None:
        package, program = self._get(element, "pkg", scope), self._get(element, "exec", scope)
        command = [*executable(package, program, scope.environment, element.where)]
        command += shlex.split(self._get(element, "args", scope))
        name = self._get(element, "name", scope)
        namespace = join(scope.namespace, self._get(element, "namespace", scope))
        ros = ["-r", f"__node:={name}"] if name else []
        ros += ["-r", f"__ns:={namespace}"] if namespace else []
        ros += scope.remaps  # the first rule that fits counts, as for ROS's launcher
        for child in element.children:
            if child.tag == "remap" and self._wanted(child, scope):
                ros += ["-r", self._remap(child, scope)]
            elif child.tag == "param" and "from" in child.attributes:
                ros += ["--params-file", self._get(child, "from", scope)]
            elif child.tag == "param":
                text = self._get(child, "value", scope)
                value = quoted(text) if "type" in child.attributes else parameter(text)
                ros += ["-p", f"{self._get(child, 'name', scope)}:={value}"]
        if ros:
            command += ["--ros-args", *ros]
        self._start(element, scope, f"{namespace}/{name or program}".lstrip("/"), command)

    def _start(
        self,
        element: Element,
        scope: Scope,
        name: str,
        command: list[str],
        directory: str | None = None,
    ) -> None:
        environment = dict(scope.environment)
        for child in element.children:
            if child.tag == "env" and self._wanted(child, scope):
                key = self._get(child, "name", scope)
                environment[key] = self._get(child, "value", scope)
        ending = self._get(element, "on_exit", scope)
        if ending not in ("", "shutdown"):
            raise ConfigError(f"{element.where}: on_exit is '{ending}', expected shutdown")
        respawn = boolean(self._get(element, "respawn", scope, "false"), element.where)
        delay = _number(self._get(element, "respawn_delay", scope, "0"), element.where)
        process = Process(
            name,
            tuple(command),
            environment,
            directory,
            delay if respawn else None,
            ending == "shutdown",
        )
        self.description.steps.append(Step(scope.after, process))


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{where}: '{text}' is no number of seconds") from None
