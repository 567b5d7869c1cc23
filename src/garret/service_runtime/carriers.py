"""What brings a job's end to others, made from the settings: webhooks, and the folder in OSS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from garret.service_runtime.fetching import Policy
from garret.service_runtime.metadata import Metadata
from garret.service_runtime.oss import is_public_or_inside
from garret.service_runtime.oss_results import OssResults
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.webhooks import TIMEOUT_S, Webhooks, secret_in

_UPLOAD_TIMEOUT_S = 60.0


def webhooks_of(settings: ServiceSettings) -> Webhooks:
    """Return how addresses are told, signed with the secret that was set or with one made once."""
    allowed = settings.allow_private_webhook
    policy = Policy(allow_private=allowed, allow_plain_http=allowed, timeout_s=TIMEOUT_S)
    file = settings.state_dir / "webhook.secret"
    return Webhooks(lambda: settings.webhook_secret or secret_in(file), policy)


def oss_of(settings: ServiceSettings, path: Callable[[str], Path]) -> OssResults:
    """Return how pictures get to OSS; a door that was set by hand may be anywhere."""
    by_hand = bool(settings.oss_endpoint)
    policy = Policy(
        allow_private=by_hand, allow_plain_http=by_hand, public=is_public_or_inside, timeout_s=_UPLOAD_TIMEOUT_S
    )
    metadata = Metadata(settings.metadata_url)
    return OssResults(metadata, path, policy, settings.results_oss_region, settings.oss_endpoint)
