# SPDX-License-Identifier: BSD-3-Clause
"""Medians, ratios and how they are printed. No measurement, no policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from measure import NEVER
from rows import Case, Row

SPREAD = "median [min..max]"
HEADINGS = ("what", "unit", f"stock {SPREAD}", f"ours {SPREAD}", "ours/stock", "goal", "met")


@dataclass
class Results:
    """Every number by case, side and key, in the order of the rounds; why a case has none."""

    values: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, case: str, side: str, numbers: dict[str, float]) -> None:
        for key, value in numbers.items():
            self.values.setdefault((case, side, key), []).append(value)

    def get(self, case: Case, side: str, row: Row) -> list[float]:
        return self.values.get((case.name, side, row.key), [])


def median(values: Sequence[float]) -> float:
    """The middle one; of an even number the lower middle one, so that NEVER stays a value."""
    return sorted(values)[(len(values) - 1) // 2]


def _number(value: float) -> str:
    if value == NEVER:
        return "never"
    if value and abs(value) < 0.1:
        return f"{value:.2g}"
    if value and abs(value) < 10:
        return f"{value:.2f}"
    if abs(value) < 1000 and value != int(value):
        return f"{value:.1f}"
    return f"{value:,.0f}"


def spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    low, high = _number(min(values)), _number(max(values))
    return _number(median(values)) + ("" if low == high else f" [{low}..{high}]")


def ratio_of(stock: Sequence[float], ours: Sequence[float]) -> float | None:
    """The median of the rounds' ratios: the two sides of a round met the same weather."""
    pairs = zip(stock, ours, strict=False)
    ratios = [b / a for a, b in pairs if a and math.isfinite(a) and math.isfinite(b)]
    return median(ratios) if ratios else None


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    sign = ">=" if row.at_least else "<="
    return f"{'ratio ' if row.of == 'ratio' else ''}{sign} {row.goal:g}"


def _met(row: Row, ratio: float | None, ours: Sequence[float]) -> bool | None:
    if row.goal is None or not ours:
        return None
    value = ratio if row.of == "ratio" else median(ours)
    if value is None:
        return None
    return value >= row.goal if row.at_least else value <= row.goal


def lines(cases: Sequence[Case], results: Results) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for case in cases:
        for row in case.rows:
            stock, ours = results.get(case, "stock", row), results.get(case, "ours", row)
            if not stock and not ours:
                continue
            ratio = ratio_of(stock, ours)
            met = {None: "", True: "yes", False: "no"}[_met(row, ratio, ours)]
            shown = "-" if ratio is None else f"{ratio:.2f}"
            cells = (row.what, row.unit, spread(stock), spread(ours), shown, _goal(row), met)
            found.append(cells)
    return found


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """The first row is the headings."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = [" | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    text.insert(1, "-|-".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in text)


def render(cases: Sequence[Case], results: Results) -> str:
    text = [aligned([HEADINGS, *lines(cases, results)])]
    text += [f"{name}: not measured: {why}" for name, why in results.failures.items()]
    return "\n".join(text)


def _finite(values: Sequence[float]) -> list[float | None]:
    """JSON has no infinity: what never came is null."""
    return [value if math.isfinite(value) else None for value in values]


def as_json(cases: Sequence[Case], results: Results) -> list[dict[str, Any]]:
    found = []
    for case in cases:
        for row in case.rows:
            stock, ours = results.get(case, "stock", row), results.get(case, "ours", row)
            ratio = ratio_of(stock, ours)
            entry: dict[str, Any] = {"case": case.name, "key": row.key, "what": row.what.strip()}
            entry |= {"unit": row.unit, "stock": _finite(stock), "ours": _finite(ours)}
            entry |= {"ratio": ratio, "goal": _goal(row) or None, "met": _met(row, ratio, ours)}
            entry["why_not"] = results.failures.get(case.name)
            found.append(entry)
    return found
