"""The quantile of a symmetric beta distribution, for one spacing of noise levels: not worth a dependency on scipy."""

from __future__ import annotations

import math


def beta_quantile(share: float, shape: float) -> float:
    """Return where a Beta(shape, shape) variable stays below with this probability; good to 1e-12."""
    if share <= 0 or share >= 1:
        return min(max(share, 0.0), 1.0)
    if share > 0.5:
        return 1 - beta_quantile(1 - share, shape)
    low, high = 0.0, 0.5
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _probability(middle, shape) < share else (low, middle)
    return (low + high) / 2


def _probability(place: float, shape: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction (Numerical Recipes, 6.4)."""
    log_beta = 2 * math.lgamma(shape) - math.lgamma(2 * shape)
    front = math.exp(shape * math.log(place) + shape * math.log1p(-place) - log_beta) / shape
    return front * _fraction(place, shape)


def _fraction(place: float, shape: float) -> float:
    """Return the continued fraction, by Lentz's method."""
    c, d = 1.0, 1 / (1 - 2 * shape * place / (shape + 1))
    found = d
    for index in range(1, 200):
        even = index * (shape - index) * place / ((shape + 2 * index - 1) * (shape + 2 * index))
        odd = -(shape + index) * (2 * shape + index) * place / ((shape + 2 * index) * (shape + 2 * index + 1))
        change = 1.0
        for term in (even, odd):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            change = c * d
            found *= change
        if abs(change - 1) < 1e-15:
            break
    return found
