# SPDX-License-Identifier: BSD-3-Clause
"""The table of the Python readers. No measurement, no policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from python_cases import CASES, PythonCase
from python_measure import PythonResults
from table import SPREAD, aligned, median, ratio_of, spread

HEADINGS = ("library", "what", "unit", SPREAD, "beside", "ratio", "goal", "met")
_BY_NAME = {case.name: case for case in CASES}


def ratio(case: PythonCase, results: PythonResults) -> float | None:
    """To the case beside, of the rounds' own ratios the median."""
    if case.beside is None:
        return None
    return ratio_of(results.values.get(case.beside, []), results.values.get(case.name, []))


def worst(case: PythonCase, values: Sequence[float]) -> float:
    return min(values) if case.traffic.is_rate else max(values)


def met(case: PythonCase, results: PythonResults) -> bool | None:
    """None: there is no goal, or it was not measured."""
    values = results.values.get(case.name)
    if case.goal is None or not values:
        return None
    value = ratio(case, results) if case.of == "ratio" else worst(case, values)
    if value is None:
        return None
    return value >= case.goal if case.traffic.is_rate else value <= case.goal


def goal(case: PythonCase) -> str:
    if case.goal is None:
        return ""
    return f"{case.of} {'>=' if case.traffic.is_rate else '<='} {case.goal:g}"


def _beside(case: PythonCase) -> str:
    if case.beside is None:
        return ""
    other = _BY_NAME[case.beside]
    return f"{other.library} {other.what.partition(',')[0]}"


def _cells(case: PythonCase, results: PythonResults) -> tuple[str, ...]:
    shown = ratio(case, results)
    return (
        case.library,
        case.what,
        case.traffic.unit,
        spread(results.values.get(case.name, [])),
        _beside(case),
        "" if case.beside is None else "-" if shown is None else f"{shown:.2f}",
        goal(case),
        {None: "", True: "yes", False: "no"}[met(case, results)],
    )


def render(cases: Sequence[PythonCase], results: PythonResults) -> str:
    text = aligned([HEADINGS, *(_cells(case, results) for case in cases)])
    # A library that is not there is so for each of its cases.
    why = {why: name for name, why in reversed(results.failures.items())}
    return "\n".join([text, *(f"{name}: not measured: {text}" for text, name in why.items())])


def as_json(cases: Sequence[PythonCase], results: PythonResults) -> list[dict[str, Any]]:
    return [
        {
            "case": case.name,
            "library": case.library.strip(),
            "what": case.what,
            "unit": case.traffic.unit,
            "values": results.values.get(case.name, []),
            "median": median(results.values[case.name]) if case.name in results.values else None,
            "beside": case.beside,
            "ratio": ratio(case, results),
            "goal": goal(case) or None,
            "met": met(case, results),
            "why_not": results.failures.get(case.name),
        }
        for case in cases
    ]
