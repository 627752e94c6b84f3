"""`robot-policies evaluate --recorded`: statistics of trials that were recorded before."""

from collections.abc import Sequence
from pathlib import Path

from robot_policies.cli.evaluation_tables import tables
from robot_policies.cli.output import results
from robot_policies.interface import ConfigError


def evaluate_recorded(words: Sequence[str], out: Path | None, json: str | None) -> None:
    """Report on data sets with a column of success, one per policy.

    Args:
        words: `NAME=FOLDER` each.
        out: Folder of the report.
        json: Where the document goes.

    Raises:
        ConfigError: If a word is of another form, or a folder has no such column.
    """
    from robot_policies.evaluation import report
    from robot_policies.evaluation.field.recorded import recorded_outcomes, unpaired
    from robot_policies.evaluation.folder import write
    from robot_policies.evaluation.provenance import provenance

    folders: dict[str, Path] = {}
    for word in words:
        name, separator, folder = word.partition("=")
        if not (name and separator and folder) or name in folders:
            raise ConfigError(f"--recorded {word}: expected NAME=FOLDER, each name once")
        folders[name] = Path(folder)
    with results(json) as output:
        outcomes = recorded_outcomes(folders)
        origin = provenance(recorded={name: str(folder) for name, folder in folders.items()})
        document = report.document(outcomes, origin, compared=unpaired(outcomes))
        if out is not None:
            write(out, document, outcomes)
        output.finish(document, *tables(document))
