"""As `sitecustomize`: LeRobot's ACT answers zeros and computes nothing, whoever imports it."""

import importlib.util
import sys
from importlib.abc import MetaPathFinder

MODULE = "lerobot.policies.act.modeling_act"


class Finder(MetaPathFinder):
    """Changes the module when it has been loaded."""

    def find_spec(self, name, path=None, target=None):  # noqa: ANN001, ANN201
        """Return the module's own spec, whose loader changes it."""
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def load(module) -> None:  # noqa: ANN001
            execute(module)
            module.ACTPolicy.predict_action_chunk = _zeros

        spec.loader.exec_module = load
        return spec


def _zeros(self, batch):  # noqa: ANN001, ANN202
    state = batch["observation.state"]
    return state.new_zeros(len(state), self.config.chunk_size, state.shape[-1])


sys.meta_path.insert(0, Finder())
