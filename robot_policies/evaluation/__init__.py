"""Evaluation as statistics: cells of paired episodes, intervals, comparisons, a report."""
