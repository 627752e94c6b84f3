"""`robot-policies power`: how many episodes a difference takes to be found."""

from typing import Annotated, Any

import typer

from robot_policies.cli.options import Json
from robot_policies.cli.output import results, table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("power")(power)


def power(
    base: Annotated[
        float, typer.Option("--base", min=0.0, max=1.0, help="Success rate of one policy.")
    ],
    to: Annotated[
        float, typer.Option("--to", min=0.0, max=1.0, help="Success rate of the other.")
    ],
    pairs: Annotated[
        int | None, typer.Option("--pairs", min=1, help="Pairs of episodes there are already.")
    ] = None,
    discordant: Annotated[
        float | None,
        typer.Option(
            "--discordant",
            min=0.0,
            max=1.0,
            help="Share of pairs in which one alone succeeds; if left out, as by chance.",
        ),
    ] = None,
    chance: Annotated[
        float, typer.Option("--power", min=0.05, max=0.999, help="Chance to find the difference.")
    ] = 0.8,
    json: Json = None,
) -> None:
    """How many episodes tell two success rates apart, at a false finding in 20.

    Episodes with the same seeds are pairs, as `evaluate` makes them, compared by McNemar's exact
    test. Episodes without common seeds are arms, compared by their rates.
    """
    from robot_policies.evaluation.statistics.power import (
        detectable,
        pairs_needed,
        power_of_pairs,
        trials_per_arm,
    )

    with results(json) as output:
        needed = pairs_needed(base, to, discordant, chance)
        found: dict[str, Any] = {
            "base": base,
            "to": to,
            "power": chance,
            "alpha": 0.05,
            "pairs": needed,
            "per_arm": trials_per_arm(base, to, chance),
        }
        rows = [
            ("pairs of episodes", str(needed)),
            ("episodes per arm, without pairs", str(found["per_arm"])),
        ]
        if pairs is not None:
            found["now"] = {
                "pairs": pairs,
                "power": power_of_pairs(pairs, base, to, discordant),
                "more_pairs": max(0, needed - pairs),
                "detectable": detectable(pairs, base, chance),
            }
            least = found["now"]["detectable"]
            rows += [
                (f"power of {pairs} pairs", f"{found['now']['power']:.2f}"),
                ("still missing", f"{found['now']['more_pairs']} more pairs"),
                (f"least rate that {pairs} pairs tell from {base:g}", least or "none"),
            ]
        title = f"To tell {to:g} from {base:g} with power {chance:g}"
        output.finish(found, table(title, ("", "needed"), rows))
