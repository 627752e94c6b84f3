"""Jobs that wait for a worker, and what becomes of one whose process died under it."""

from collections.abc import Sequence
from dataclasses import replace

from robot_policies.evaluation.episode import Job, Outcome, crashed

MOST_ATTEMPTS = 2


class Waiting:
    """The jobs that no worker has yet, in order; a job that is put back is the next.

    Attributes:
        outcomes: What became of the others, by the job's place.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        """Let all jobs wait."""
        self._jobs = jobs
        self._places = list(reversed(range(len(jobs))))
        self._attempts = [0] * len(jobs)
        self.outcomes: dict[int, Outcome] = {}

    def __bool__(self) -> bool:
        return bool(self._places)

    def take(self) -> tuple[int, Job]:
        """Return the next job and its place; it is begun."""
        place = self._places.pop()
        self._attempts[place] += 1
        return place, self._jobs[place]

    def finished(self, place: int, outcome: Outcome) -> Outcome:
        """Keep what became of a job, with how often it was begun."""
        self.outcomes[place] = replace(outcome, attempts=self._attempts[place])
        return self.outcomes[place]

    def died(self, place: int, cause: str) -> Outcome | None:
        """Put a job back whose process died, or return its outcome where it died before.

        Args:
            place: Of the job.
            cause: How the process died, for people.
        """
        if self._attempts[place] < MOST_ATTEMPTS:
            self._places.append(place)
            return None
        return self.finished(place, crashed(self._jobs[place], f"{cause}, for the second time"))
