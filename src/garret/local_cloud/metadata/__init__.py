"""Instance metadata: what 100.100.100.200 says to a node about itself.

Two doors lead to the same content: a secret address for nodes that have no network of their own (`handle`), and the
node's own address in its network (`answer`).
"""

from __future__ import annotations

from garret.local_cloud.metadata.doors import PATH, answer, environment, forget, handle
from garret.local_cloud.metadata.facts import interface_of, mac_of, serial_number

__all__ = ["PATH", "answer", "environment", "forget", "handle", "interface_of", "mac_of", "serial_number"]
