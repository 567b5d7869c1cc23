"""A local cloud that keeps watch over rights: which actions were asked of it, and which the keys may not ask for."""

from __future__ import annotations

from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud

# What RAM calls a product, where that is not the product's own name in lower case.
RAM_NAMES = {"BssOpenApi": "bssapi"}
FREE = "sts:GetCallerIdentity"  # everybody may ask who they are


class GuardedCloud(Cloud):
    """Notes every action, of callers and of the stacks that act in their name; `allowed` None allows all."""

    @property
    def seen(self) -> set[str]:
        """The actions that were asked for."""
        found: set[str] = self.extras.setdefault("seen", set())
        return found

    def allow(self, actions: set[str] | None) -> None:
        """From now on, only these."""
        self.extras["allowed"] = actions

    def perform(self, call: Call) -> dict[str, Any]:
        """Carry a call out if it is allowed, and refuse it as RAM does if it is not."""
        name = f"{RAM_NAMES.get(call.product, call.product.lower())}:{call.action}"
        self.seen.add(name)
        allowed = self.extras.get("allowed")
        if allowed is not None and name not in allowed and name != FREE:
            text = f"User not authorized to operate on the specified resource, or this API doesn't support RAM: {name}."
            raise ApiError("Forbidden.RAM", text, 403)
        return super().perform(call)
