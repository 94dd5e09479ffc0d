"""Break detection by harmonic regression, written the slow and obvious way: METHODS 5.7 with NumPy's least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rules:
    harmonics: int = 2
    consecutive: int = 3
    rmse_factor: float = 3.0
    min_obs: int = 12
    min_span: float = 365.0


def design(years: F64, centre: float, harmonics: int) -> F64:
    columns = [np.ones_like(years), years - centre]
    for h in range(1, harmonics + 1):
        columns += [np.cos(2 * np.pi * h * years), np.sin(2 * np.pi * h * years)]
    return np.stack(columns, axis=1)


class Fit:
    """Least squares of `values` (dates, bands)."""

    def __init__(self, years: F64, values: F64, harmonics: int) -> None:
        self.centre, self.harmonics = years.mean(), harmonics
        a = design(years, self.centre, harmonics)
        self.beta = np.linalg.lstsq(a, values, rcond=None)[0]
        squares = ((values - a @ self.beta) ** 2).sum(0)
        self.rmse = np.maximum(np.sqrt(squares / (len(years) - a.shape[1])), 1e-4)

    def residual(self, year: float, value: F64) -> F64:
        return value - (design(np.array([year]), self.centre, self.harmonics) @ self.beta)[0]

    def size(self, numbers: F64) -> float:
        return float(np.sqrt(np.mean((numbers / self.rmse) ** 2)))


@dataclass
class Answer:
    modelled: bool = False
    breaks: int = 0
    date: int = -1
    statistic: float = 0.0
    magnitude: F64 | None = None
    direction: int = 0


def search(days: F64, values: F64, rules: Rules) -> Answer:
    """`values` (dates, bands) of one pixel, NaN where missing; `Answer.date` counts the dates given."""
    answer = Answer()
    valid = np.flatnonzero(np.isfinite(values).all(1))
    days, values = days[valid], values[valid]
    years, start = days / 365.25, 0
    while True:
        first = first_model(days, years, values, start, rules)
        if first is None:
            return answer
        answer.modelled = True
        found = next_break(years, values, *first, rules)
        if found is None:
            return answer
        start, sizes, residuals, rmse = found
        answer.breaks += 1
        if np.mean(sizes) > answer.statistic:
            scaled = np.mean(residuals, axis=0) / rmse
            answer.date, answer.statistic = int(valid[start]), float(np.mean(sizes))
            answer.magnitude = np.mean(residuals, axis=0)
            answer.direction = int(np.sign(scaled[np.argmax(np.abs(scaled))]))


def first_model(days: F64, years: F64, values: F64, start: int, rules: Rules) -> tuple[list[int], Fit] | None:
    least = max(rules.min_obs, int(np.ceil(1.5 * (2 + 2 * rules.harmonics))))
    for first in range(start, len(days)):
        ends = [end for end in range(first + least, len(days) + 1) if days[end - 1] - days[first] >= rules.min_span]
        if not ends:
            return None
        chosen = list(range(first, ends[0]))
        fit = Fit(years[chosen], values[chosen], rules.harmonics)
        sizes = [fit.size(fit.beta[1]), *(fit.size(fit.residual(years[i], values[i])) for i in (chosen[0], chosen[-1]))]
        if max(sizes) < 3:
            return chosen, fit
    return None


def next_break(
    years: F64, values: F64, accepted: list[int], fit: Fit, rules: Rules
) -> tuple[int, list[float], list[F64], F64] | None:
    fitted, run = len(accepted), []
    for i in range(accepted[-1] + 1, len(years)):
        residual = fit.residual(years[i], values[i])
        if fit.size(residual) > rules.rmse_factor:
            run.append((i, fit.size(residual), residual))
            if len(run) == rules.consecutive:
                return run[0][0], [size for _, size, _ in run], [r for _, _, r in run], fit.rmse
            continue
        run = []
        accepted = [*accepted, i]
        if len(accepted) >= fitted * 4 / 3:
            fit, fitted = Fit(years[accepted], values[accepted], rules.harmonics), len(accepted)
    return None
