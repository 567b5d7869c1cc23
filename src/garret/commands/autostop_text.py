"""Autostop in words, for whoever looks; loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def idle_text(settings: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """After how much idleness it stops."""
    if not settings["idle_s"]:
        return "off" if settings["stop_by"] else "off: it runs, and is paid for, until somebody stops it"
    if settings["learn"]:
        so_far = f"; {span(now['waits_s'])} by what it has seen so far" if now.get("waits_s") else ""
        return f"learned, at most {span(settings['idle_s'])}{so_far}"
    return span(settings["idle_s"])


def delete_text(settings: Mapping[str, Any], at: str) -> str:
    """When the machine is deleted, and what stays then."""
    from garret.ops.release import LEFT

    if at:
        return f"at {at}, unless it is started, with its disk and models; {LEFT}"
    return f"{span(settings['delete_after_s'])} after a stop; {LEFT}" if settings["delete_after_s"] else ""


def now_text(now: Mapping[str, Any]) -> str:
    """When it will act, and why it has not."""
    idle = f"idle for {span(now.get('idle_s') or 0)} since: {now.get('last_sign')}"
    if now.get("doing"):
        idle = f"busy with {now['doing']}"
    release = f"; its release could not be changed: {now['release_refused']}" if now.get("release_refused") else ""
    if now.get("refused"):
        return f"refused {now['tries']} times, and tried again: {now['refused']}; {idle}{release}"
    if now.get("asked"):
        return f"the cloud was asked to stop it; {idle}{release}"
    if now.get("stops_in_s") is None:
        return f"it does not stop itself; {idle}{release}"
    return f"in {span(now['stops_in_s'])}; {held_text(now)}{idle}{release}"


def held_text(now: Mapping[str, Any]) -> str:
    """That somebody keeps it on, for how long still and who; empty when nobody does."""
    held = now.get("hold")
    if not held:
        return ""
    by = f" by {held['by']}" if held.get("by") else ""
    return f"kept on{by} for {span(held['left_s'])} still; "


def span(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.3g} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:.3g} days"
