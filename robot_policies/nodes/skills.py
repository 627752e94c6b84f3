"""The policy node's parameters `skills`, `skill_weights` and `skill_fallback`, changed live.

A change is checked and made ready in a thread of its own; its answer waits for that, the node
does not. What is refused leaves the parameters, and the skills that act, as they were.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_parameters
from rclpy.task import Future
from std_msgs.msg import Float64MultiArray, MultiArrayDimension

from robot_policies.interface import ConfigError, Policy, SkilledPolicy, Skills
from robot_policies.nodes.graph_node import GraphNode, one_line
from robot_policies.nodes.qos import LATCHED
from robot_policies.nodes.skill_values import SETTINGS, WEIGHTS, Wanted, checked, typed

TURN = 2e-4  # s
SERVICES = {"set_parameters": SetParameters, "set_parameters_atomically": SetParametersAtomically}


class SkillParameters:
    """The parameters of a node, and what comes of them."""

    def __init__(self, node: GraphNode) -> None:
        """Declare the parameters and take over the services that set parameters.

        rclpy's own answer at once; these answer when a skill is checked, and until then the node
        goes on. They share a callback group, so that one change is made after the other.
        """
        self._node = node
        self._skills: Skills | None = None
        self._published: Mapping[str, float] = {}
        self._thread = ThreadPoolExecutor(1, "skills")
        self._topic = node.create_publisher(Float64MultiArray, WEIGHTS, LATCHED)
        for name, text in SETTINGS.items():
            descriptor = ParameterDescriptor(description=text, dynamic_typing=True)
            node.declare_parameter(name, "none", descriptor)
        with suppress(ConfigError):  # what cannot be is refused when the node is configured
            wanted = checked(**self._current())
            node.set_parameters([typed(*pair) for pair in zip(SETTINGS, wanted, strict=True)])
        group = MutuallyExclusiveCallbackGroup()
        answers = {"set_parameters": self._set_each, "set_parameters_atomically": self._set_all}
        for service in list(node.services):
            name = service.srv_name.rpartition("/")[2]
            if name in answers:
                node.destroy_service(service)
                node.create_service(
                    SERVICES[name],
                    f"~/{name}",
                    answers[name],
                    qos_profile=qos_profile_parameters,
                    callback_group=group,
                )

    def attach(self, policy: Policy) -> None:
        """Give a policy the skills that the parameters name.

        Raises:
            RobotPoliciesError: If one is refused, or the policy takes none.
        """
        wanted = checked(**self._current())
        skills = policy.skills if isinstance(policy, SkilledPolicy) else None
        if skills is not None:
            skills.put(skills.prepare(*wanted))
        elif any(wanted):
            raise ConfigError(f"policy '{policy.name}' takes no skills")
        self._skills, self._published = skills, {}

    def detach(self) -> None:
        """Let go of the policy."""
        self._skills = None

    def publish(self) -> None:
        """Publish how much of each skill acts: one number each, labelled with their names."""
        weights = self._skills.weights if self._skills is not None else {}
        if weights or self._published:
            message = Float64MultiArray(data=list(weights.values()))
            names = ",".join(weights)
            message.layout.dim = [MultiArrayDimension(label=names, size=len(weights), stride=1)]
            self._topic.publish(message)
        self._published = weights

    async def _set_all(self, request: Any, response: Any) -> Any:
        response.result = await self._set(request.parameters)
        return response

    async def _set_each(self, request: Any, response: Any) -> Any:
        response.results = [await self._set([message]) for message in request.parameters]
        return response

    async def _set(self, messages: Sequence[Any]) -> SetParametersResult:
        try:
            parameters = [Parameter.from_parameter_msg(message) for message in messages]
            asked = {p.name: p.value for p in parameters if p.name in SETTINGS}
            ready, skills = None, self._skills
            if asked:
                wanted = checked(**{**self._current(), **asked})
                if skills is None:
                    raise ConfigError("there is no policy yet, or it takes no skills")
                ready = await self._elsewhere(skills, wanted)
                if self._skills is not skills:
                    raise ConfigError("the policy has gone while its skills were checked")
                values = dict(zip(SETTINGS, wanted, strict=True))
                parameters = [
                    typed(p.name, values[p.name]) if p.name in values else p for p in parameters
                ]
            result = self._node.set_parameters_atomically(parameters)
        except Exception as error:  # whatever it is, who asked must know and the node go on
            return SetParametersResult(successful=False, reason=one_line(error))
        if result.successful and skills is not None and ready is not None:
            skills.put(ready)
        return result

    def _current(self) -> dict[str, Any]:
        return {name: self._node.get_parameter(name).value for name in SETTINGS}

    def _elsewhere(self, skills: Skills, wanted: Wanted) -> Future:
        """Make skills ready in the other thread."""
        executor = self._node.executor
        assert executor is not None
        future = Future(executor=executor)

        def work() -> None:
            try:
                with _short_turns():
                    future.set_result(skills.prepare(*wanted))
            except Exception as error:  # it is raised where the future is awaited
                future.set_exception(error)
            executor.wake()

        self._thread.submit(work)
        return future


@contextmanager
def _short_turns() -> Iterator[None]:
    """Give the interpreter back to who acts in a fraction of a control step, not in 5 ms."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
