"""What an instance wrote to its console: the last that a person reads of a machine nobody can log in to."""

from __future__ import annotations

import base64
import re

from garret.local_cloud.clock import minute_stamp
from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.ecs import lifecycle
from garret.local_cloud.params import Reply, flag

KEPT = 64 * 1024
_SYMBOLS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def get_instance_console_output(call: Call, cloud: Cloud) -> Reply:
    """The end of the console, Base64; with RemoveSymbols without colours and control characters."""
    id = call.params["InstanceId"]
    lifecycle.find_instance(cloud, id)
    said = cloud.driver.console(id)[-KEPT:]
    if flag(call.params, "RemoveSymbols"):
        said = _SYMBOLS.sub(b"", said)
    return {
        "InstanceId": id,
        "ConsoleOutput": base64.b64encode(said).decode("ascii"),
        "LastUpdateTime": minute_stamp(cloud.clock.now()),
    }
