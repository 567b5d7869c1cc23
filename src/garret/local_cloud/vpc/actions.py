"""The actions of VPC."""

from __future__ import annotations

from garret.local_cloud.core import Action

ACTIONS: dict[str, Action] = {}
