"""The training of a dressing policy, from nothing to a checkpoint; what is done already is kept.

    teachers   the expert dresses and is pushed aside; a teacher for each third of the shoulder's
               range imitates it on whole clouds, dresses itself, and learns from the corrections
    distil     one student learns the teachers' answers from camera clouds and dresses itself; the
               teachers learn from the expert's corrections of it, and it from them, several times;
               beside it, if asked for, the same without teachers, or with another head

Everything lies in one folder: `episodes/`, `teachers/`, `student/`, and `done.json`, which says
what need not be done again.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from robot_policies.interface import ConfigError, RobotSpec, UnknownNameError
from robot_policies.policies.dressing.configuration_dressing import DressingConfig
from robot_policies.policies.dressing.fit import distil, fit, imitate
from robot_policies.policies.dressing.lessons import Lessons, read_lessons
from robot_policies.policies.dressing.modeling_dressing import DressingPolicy
from robot_policies.policies.dressing.processor_dressing import make_dressing_pre_post_processors

GROUPS = 3  # teachers
LEARNERS = ("distilled", "kl", "undistilled", "direct")
Progress = Callable[[str, int, int], None]  # what, done, of how many


@dataclass(frozen=True)
class Amount:
    """How much of everything; the defaults are those of the shipped checkpoint.

    Attributes:
        expert: Episodes of the expert.
        teacher: Episodes of the teachers.
        student: Episodes of the student in each round.
        rounds: How often the student dresses and learns from it.
        teacher_updates: Gradient steps of each teacher and round.
        student_updates: Gradient steps of the student and round.
        views: Randomised clouds of each decision.
        stride: Between the seeds of two episodes; with 9, three of them reach all teachers.
    """

    expert: int = 27
    teacher: int = 9
    student: int = 17
    rounds: int = 2
    teacher_updates: int = 300
    student_updates: int = 1000
    views: int = 2
    stride: int = 1


QUICK = Amount(3, 3, 3, 1, 10, 10, 1, stride=9)


class Collect(Protocol):
    """Makes episodes: of the expert, of teachers in a folder, or of a student in one."""

    def __call__(
        self,
        name: str,
        seeds: range,
        folder: Path,
        *,
        teachers: str = "",
        student: str = "",
        expert_share: float = 0.0,
    ) -> None:
        """Make the episodes `<name>-<seed>.npz` that are not in the folder yet."""
        ...


class Recipe:
    """One run in one folder."""

    def __init__(
        self,
        out: Path,
        robot: RobotSpec,
        collect: Collect,
        radii: Mapping[str, float],
        group_of_seed: Callable[[int], int],
        *,
        amount: Amount,
        seed: int,
        progress: Progress,
    ) -> None:
        """Open or begin a run.

        Args:
            out: Its folder.
            robot: The robot that learns.
            collect: Makes episodes.
            radii: Of upper arm, forearm and hand. [m]
            group_of_seed: Which teacher an episode belongs to.
            amount: How much of everything.
            seed: Of episodes, weights and order.
            progress: Told how far it is.

        Raises:
            ConfigError: If the folder holds another run.
        """
        self._out, self._robot, self._collect, self._progress = out, robot, collect, progress
        self._radii, self._group, self._amount, self._seed = radii, group_of_seed, amount, seed
        self._about = {**asdict(amount), "seed": seed}
        out.mkdir(parents=True, exist_ok=True)
        self._read: dict[str, Lessons] = {}
        self._file = out / "done.json"
        known = json.loads(self._file.read_text()) if self._file.exists() else {}
        if known and known["run"] != self._about:
            raise ConfigError(f"{out} holds the run {known['run']}, not {self._about}")
        self._done: list[str] = known.get("done", [])

    def teachers(self) -> None:
        """Make the teachers."""
        amount, folder = self._amount, self._out / "episodes"
        self._collect("expert", self._seeds(0, amount.expert), folder)
        self._train_teachers("teachers_1", ["expert"])
        self._collect(
            "teacher",
            self._seeds(10_000, amount.teacher),
            folder,
            teachers=str(self._out / "teachers"),
            expert_share=0.3,
        )
        self._train_teachers("teachers_2", ["expert", "teacher"])

    def distil(self, learner: str = "distilled") -> Path:
        """Make the student, or one it is compared with; return its checkpoint.

        Args:
            learner: `distilled`; `kl` with the other loss; `undistilled`, which imitates the
                expert alone; `direct`, distilled with one answer for the whole cloud.

        Raises:
            ConfigError: If the teachers are not there.
        """
        if learner not in LEARNERS:
            raise UnknownNameError("learner", learner, LEARNERS, "--learner")
        if "teachers_2" not in self._done:
            raise ConfigError(f"{self._out}: no teachers yet; run --stage teachers first")
        student, rounds = self._out / learner, ["expert", "teacher"]
        self._train_student(f"{learner}_0", learner, rounds)
        for number in range(1, self._amount.rounds + 1):
            name = f"{learner}_{number}"
            made, folder = self._amount.student, self._out / "episodes"
            seeds = self._seeds(20_000 + (number - 1) * made * self._amount.stride, made)
            self._collect(name, seeds, folder, student=str(student))
            rounds.append(name)
            if learner != "undistilled":
                self._train_teachers(f"teachers_{name}", rounds)
            self._train_student(name, learner, rounds)
        return student

    def _seeds(self, first: int, episodes: int) -> range:
        start, stride = self._seed + first, self._amount.stride
        return range(start, start + episodes * stride, stride)

    def _train_teachers(self, step: str, rounds: list[str]) -> None:
        if step in self._done:
            return
        lessons = self._lessons(rounds)
        for group in range(GROUPS):
            own = lessons.of_group(group)
            folder = self._out / "teachers" / str(group)
            policy = self._policy(folder, "dense", self._seed + group)
            loss = imitate(policy, own, self._seed, camera=False)
            self._fit(
                policy, loss, len(own.action), self._amount.teacher_updates, f"teacher {group}"
            )
            policy.save_pretrained(folder)
        self._finish(step)

    def _train_student(self, step: str, learner: str, rounds: list[str]) -> None:
        if step in self._done:
            return
        lessons = self._lessons(rounds)
        folder = self._out / learner
        policy = self._policy(folder, "direct" if learner == "direct" else "dense", self._seed)
        if learner == "undistilled":
            loss = imitate(policy, lessons, self._seed, camera=True)
        else:
            kind = "kl" if learner == "kl" else "transport"
            loss = distil(policy, self._teachers(), lessons, self._seed, kind)
        self._fit(policy, loss, len(lessons.action), self._amount.student_updates, learner)
        save_checkpoint(policy, folder)
        self._finish(step)

    def _fit(self, policy: DressingPolicy, loss: Any, rows: int, updates: int, what: str) -> None:
        done = 0

        def report(value: float) -> None:
            nonlocal done
            done += 1
            self._progress(f"{what}, loss {value:.4f}", done, updates)

        fit(policy, loss, rows, updates, self._seed, report)

    def _lessons(self, rounds: list[str]) -> Lessons:
        """Return the decisions of some rounds; each round is read once."""
        config, folder = DressingConfig.for_robot(self._robot), self._out / "episodes"
        for name in rounds:
            if name not in self._read:
                self._progress(f"reading {name}", 0, 1)
                self._read[name] = read_lessons(
                    folder, config, self._radii, self._group, self._amount.views, self._seed, name
                )
        return Lessons.joined([self._read[name] for name in rounds])

    def _policy(self, folder: Path, head: str, seed: int) -> DressingPolicy:
        """Return the policy of a folder, or a new one."""
        if (folder / "model.safetensors").exists():
            return DressingPolicy.from_pretrained(folder)
        torch.manual_seed(seed)
        return DressingPolicy(DressingConfig.for_robot(self._robot, head=head))

    def _teachers(self) -> list[DressingPolicy]:
        folders = (self._out / "teachers" / str(group) for group in range(GROUPS))
        return [DressingPolicy.from_pretrained(folder).eval() for folder in folders]

    def _finish(self, step: str) -> None:
        self._done.append(step)
        text = json.dumps({"run": self._about, "done": self._done}, indent=1)
        partial = self._file.with_suffix(".partial")
        partial.write_text(text)
        partial.replace(self._file)


def save_checkpoint(policy: DressingPolicy, folder: Path) -> None:
    """Write a policy with its processors."""
    policy.save_pretrained(folder)
    for pipeline in make_dressing_pre_post_processors(policy.config):
        pipeline.save_pretrained(folder)
