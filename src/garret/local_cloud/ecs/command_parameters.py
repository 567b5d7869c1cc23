"""Custom parameters of a command: `{{ name }}` in its text becomes the value that the call gives."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping

from garret.local_cloud.core import ApiError, invalid
from garret.local_cloud.params import flag

COUNT, KEY_LENGTH = 20, 64
_PLACE = re.compile(r"\{\{\s*([A-Za-z0-9_:-]+)\s*\}\}")


def filled(content: str, params: Mapping[str, str]) -> str:
    """The command (in Base64) as it is to run; refused when a parameter is missing, or given and not enabled."""
    values = _values(params.get("Parameters", ""))
    if not flag(params, "EnableParameter"):
        if values:
            raise ApiError("Parameter.Disabled", "Parameters are given, but EnableParameter is not true.", 404)
        return content
    try:
        text = base64.b64decode(content).decode()
    except UnicodeDecodeError:
        raise invalid("CommandContent", "with EnableParameter it must be a text") from None
    for name in _PLACE.findall(text):
        if name.startswith("ACS::"):
            raise ApiError("InvalidParameter.NotSupported", f"{name}: the local cloud fills in the call's own only.")
        if name.lower() not in values:
            raise ApiError(
                "Parameter.NotMatched", f"The command asks for the parameter {name!r}, which is missing.", 403
            )
    return base64.b64encode(_PLACE.sub(lambda found: values[found[1].lower()], text).encode()).decode("ascii")


def _values(text: str) -> dict[str, str]:
    """Names do not mind their letters' case, as with the vendor."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise invalid("Parameters", "it is a JSON map of names and values")
    if len(found) > COUNT:
        raise ApiError("ParameterCount.ExceedLimit", f"A command has at most {COUNT} parameters.", 403)
    if any(len(key) > KEY_LENGTH for key in found):
        raise ApiError("ParameterKey.ExceedLimit", f"A parameter's name has at most {KEY_LENGTH} characters.", 403)
    return {str(key).lower(): value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
