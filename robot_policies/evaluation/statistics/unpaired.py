"""Two success rates that share no seeds, such as a policy in simulation and on the robot.

References:
    Boschloo, "Raised conditional level of significance for the 2x2-table", 1970.
    Barnard, "Significance tests for 2x2 tables", Biometrika 34, 1947.
    Newcombe, "Interval estimation for the difference between independent proportions", Statistics
    in Medicine 17, 1998, method 10.
"""

from typing import Literal

from robot_policies.evaluation.statistics.estimates import ALPHA, Difference

Test = Literal["boschloo", "barnard"]


def compare_rates(
    *, a: tuple[int, int], b: tuple[int, int], test: Test = "boschloo"
) -> Difference:
    """Compare two rates: Boschloo's or Barnard's exact test, Newcombe's interval.

    Both tests hold their error rate for every rate, and find more than Fisher's.

    Args:
        a: Successes and trials.
        b: Successes and trials.
        test: Which test; it is chosen before the data are seen.
    """
    from scipy.stats import barnard_exact, boschloo_exact
    from statsmodels.stats.proportion import confint_proportions_2indep

    tested = {"boschloo": boschloo_exact, "barnard": barnard_exact}[test]
    table = [[a[0], b[0]], [a[1] - a[0], b[1] - b[0]]]
    low, high = confint_proportions_2indep(*a, *b, method="newcomb", compare="diff", alpha=ALPHA)
    difference = a[0] / a[1] - b[0] / b[1]
    return Difference(test, float(tested(table).pvalue), difference, float(low), float(high))
