"""What docs/jobs.md tells receivers of webhooks to do, done to what the service sends."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.webhooks import read_secret, sign

PAGE = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text("utf-8")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_example_verifies_what_is_sent_and_nothing_else() -> None:
    """As it stands on the page."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  (the page's own example)
    verified, body, now = names["verified"], b'{"type":"job.success"}', int(time.time())

    def headers(at: int, signed: bytes = body) -> dict[str, str]:
        signature = sign(read_secret(SECRET), "msg_1", at, signed)
        return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": signature}

    assert verified(SECRET, headers(now), body)
    assert not verified(SECRET, headers(now), body + b" ")
    assert not verified(SECRET, headers(now, b"other"), body)
    assert not verified(SECRET, headers(now - 3600), body)


def test_the_settings_are_those_of_the_service_with_their_defaults() -> None:
    """Every one in the table."""
    rows = re.findall(r"^\| `([A-Z_]+)` \|([^|]*)\|", PAGE, re.MULTILINE)
    defaults = vars(ServiceSettings())
    assert len(rows) == 8
    for name, shown in rows:
        default = defaults[name.lower()]
        assert shown.strip() == (str(int(default)) if isinstance(default, (int, float)) else default)
