"""The training of a dressing policy, from nothing to a checkpoint; what is done already is kept.

    teachers   the expert dresses and is pushed aside; a teacher for each third of the shoulder's
               range imitates it on whole clouds, dresses itself, and learns from the corrections
    distil     one student learns the teachers' answers from camera clouds and dresses itself; the
               teachers learn from the expert's corrections of it, and it from them, several times,
               the last time in the regions of poses where it was worst

What the student is compared with learns from the student's episodes, in as many updates: the same
without teachers, with another head or another loss.

Everything lies in one folder: `episodes/`, `teachers/`, a folder for each learner, `fits/` with
what is being learned, and `done.json`, which says what need not be done again.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch

from robot_policies.documents import read_json
from robot_policies.interface import ConfigError, RobotSpec, UnknownNameError
from robot_policies.policies.dressing.configuration_dressing import DressingConfig
from robot_policies.policies.dressing.fit import distil, fit, imitate
from robot_policies.policies.dressing.guided import load_outcome
from robot_policies.policies.dressing.lessons import Lessons, read_lessons
from robot_policies.policies.dressing.modeling_dressing import DressingPolicy
from robot_policies.policies.dressing.processor_dressing import make_dressing_pre_post_processors
from robot_policies.policies.dressing.schedule import Amount, spread, worst_again

GROUPS = 3  # teachers
DISTILLED = "distilled"
LEARNERS = (DISTILLED, "kl", "undistilled", "direct")
Progress = Callable[[str, int, int], None]  # what, done, of how many


class Collect(Protocol):
    """Makes episodes: of the expert, of teachers in a folder, or of a student in one."""

    def __call__(
        self,
        name: str,
        seeds: Sequence[int],
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
        regions: int,
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
            regions: Of poses; seeds go round them.
            amount: How much of everything.
            seed: Of episodes, weights and order.
            progress: Told how far it is.

        Raises:
            ConfigError: If the folder holds another run.
        """
        self._out, self._robot, self._collect, self._progress = out, robot, collect, progress
        self._radii, self._group, self._amount, self._seed = radii, group_of_seed, amount, seed
        self._regions, self._fits = regions, out / "fits"
        self._about = {**asdict(amount), "seed": seed}
        out.mkdir(parents=True, exist_ok=True)
        self._read: dict[str, Lessons] = {}
        self._file = out / "done.json"
        known = read_json(self._file) if self._file.exists() else {}
        if known and known.get("run") != self._about:
            raise ConfigError(f"{out} holds the run {known.get('run')}, not {self._about}")
        self._done: list[str] = known.get("done", [])

    def teachers(self) -> None:
        """Make the teachers."""
        amount, folder = self._amount, self._out / "episodes"
        self._collect("expert", spread(self._seed, amount.expert, self._regions), folder)
        self._train_teachers("teachers_1", ["expert"])
        self._collect(
            "teacher",
            spread(self._seed + 10_000, amount.teacher, self._regions),
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
            ConfigError: If the teachers are not there, or not the student whose episodes the
                others learn from.
        """
        if learner not in LEARNERS:
            raise UnknownNameError("learner", learner, LEARNERS, "--learner")
        if "teachers_2" not in self._done:
            raise ConfigError(f"{self._out}: no teachers yet; run --stage teachers first")
        rounds, last = ["expert", "teacher"], self._amount.rounds
        if learner != DISTILLED:
            if f"{DISTILLED}_{last}" not in self._done:
                raise ConfigError(f"{self._out}: no student yet; run --stage distil first")
            rounds += [f"{DISTILLED}_{number}" for number in range(1, last + 1)]
            updates = (last + 1) * self._amount.student_updates
            return self._train_student(learner, learner, rounds, updates)
        student = self._train_student(f"{DISTILLED}_0", DISTILLED, rounds)
        for number in range(1, last + 1):
            name = f"{DISTILLED}_{number}"
            seeds = self._student_seeds(number)
            self._collect(name, seeds, self._out / "episodes", student=str(student))
            rounds.append(name)
            self._train_teachers(f"teachers_{name}", rounds)
            self._train_student(name, DISTILLED, rounds)
        return student

    def _student_seeds(self, number: int) -> list[int]:
        """Return the seeds of a round; the last one's are of the worst regions of that before."""
        first = 20_000 + 1000 * number
        if number < self._amount.rounds:
            return spread(self._seed + first, self._amount.student, self._regions)
        before = f"{DISTILLED}_{number - 1}"
        ratios = load_outcome(self._out / "episodes", before, "whole_arm_ratio")
        return worst_again(ratios, self._seed + first, self._regions, self._amount.aimed)

    def _train_teachers(self, step: str, rounds: list[str]) -> None:
        if step in self._done:
            return
        lessons = self._lessons(rounds)
        for group in range(GROUPS):
            own = lessons.of_group(group)
            folder = self._out / "teachers" / str(group)
            policy = self._policy(folder, "dense", self._seed + group)
            loss = imitate(policy, own, camera=False)
            updates, what = self._amount.teacher_updates, f"{step}, teacher {group}"
            self._fit(policy, loss, len(own.action), updates, what)
            policy.save_pretrained(folder)
        self._finish(step)

    def _train_student(
        self, step: str, learner: str, rounds: list[str], updates: int | None = None
    ) -> Path:
        """Train a student on some rounds and return its checkpoint."""
        folder, updates = self._out / learner, updates or self._amount.student_updates
        if step in self._done:
            return folder
        lessons = self._lessons(rounds)
        policy = self._policy(folder, "direct" if learner == "direct" else "dense", self._seed)
        if learner == "undistilled":
            loss = imitate(policy, lessons, camera=True)
        else:
            kind = "kl" if learner == "kl" else "transport"
            loss = distil(policy, self._teachers(), lessons, kind)
        self._fit(policy, loss, len(lessons.action), updates, step)
        save_checkpoint(policy, folder)
        self._finish(step)
        return folder

    def _fit(self, policy: DressingPolicy, loss: Any, rows: int, updates: int, what: str) -> None:
        def report(value: float, done: int) -> None:
            self._progress(f"{what}, loss {value:.4f}", done, updates)

        state = self._fits / f"{what}.safetensors"
        fit(policy, loss, rows, updates, self._seed, report, state, what)

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
        shutil.rmtree(self._fits, ignore_errors=True)


def save_checkpoint(policy: DressingPolicy, folder: Path) -> None:
    """Write a policy with its processors."""
    policy.save_pretrained(folder)
    for pipeline in make_dressing_pre_post_processors(policy.config):
        pipeline.save_pretrained(folder)
