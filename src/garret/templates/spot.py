"""Spot machines in ECS's words."""

from __future__ import annotations

from garret.spec import DeploymentSpec


def spot_strategy(spec: DeploymentSpec) -> str:
    """ECS's word for how a spec wants to pay for spare capacity."""
    if spec.charge_type != "Spot":
        return "NoSpot"
    return "SpotAsPriceGo" if spec.spot_price_limit is None else "SpotWithPriceLimit"


def price_text(price: float | None) -> str:
    """A price as ECS takes it, with three decimals at most; empty for none."""
    return "" if price is None else f"{price:.3f}".rstrip("0").rstrip(".")
