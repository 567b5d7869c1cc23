"""What is wanted: one deployment as a frozen, strict record; no I/O but reading a garret.yaml, no environment."""

from garret.spec.deployment import DeploymentSpec, parse_spec
from garret.spec.fields import DEFAULT_INSTANCE_TYPE, FIELDS, SpecField, minutes
from garret.spec.password import PASSWORD_SPECIALS, check_password
from garret.spec.ranges import WHOLE_INTERNET

__all__ = [
    "DEFAULT_INSTANCE_TYPE",
    "FIELDS",
    "PASSWORD_SPECIALS",
    "WHOLE_INTERNET",
    "DeploymentSpec",
    "SpecField",
    "check_password",
    "minutes",
    "parse_spec",
]
