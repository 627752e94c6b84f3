"""Whether a policy that is given pictures looks at them.

A vision-language-action model can lose its eyes without an error: a library that takes an empty
cache for a past, or a training that found the joints enough (openvla issue 346).
"""

from collections.abc import Iterator

import numpy as np

from robot_policies.interface import Finding, Observation, Policy
from robot_policies.interface.observation import IMAGES

TRIALS = 4  # random states in which it is asked
SHADES = (0, 255)


def audit_eyes(policy: Policy) -> Iterator[Finding]:
    """Ask a policy with black and with white pictures; warn if that makes no difference.

    Args:
        policy: It is reset.
    """
    spec = policy.observation_spec
    pictures = [name for name in spec if name.startswith(f"{IMAGES}.")]
    if not pictures:
        return
    for trial in range(TRIALS):
        example = spec.example(np.random.default_rng(trial))
        answers = []
        for shade in SHADES:
            policy.reset(0)
            shown = {name: np.full_like(example[name], shade) for name in pictures}
            answers.append(policy.act(Observation({**example, **shown}, example.stamps)).values)
        if not np.array_equal(*answers):
            return
    names = ", ".join(pictures)
    text = f"{policy.name} answers black and white pictures alike: it does not look at {names}"
    yield Finding("warning", "blind", text)
