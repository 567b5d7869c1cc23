"""ClientToken: the same request again gets the first answer, another request with the same token is refused."""

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import errors, records

TOKEN = "stack_token"  # noqa: S105 - a kind of record, no secret


def known(cloud: Cloud, region: str, token: str, fingerprint: str) -> str:
    """What the request with this token made (its id), or the empty text; raises InvalidIdempotenceParameter."""
    found = cloud.store.get(TOKEN, f"{region}/{token}") if token else None
    if found is None:
        return ""
    if found["print"] != fingerprint:
        raise errors.token_mismatch(token)
    return str(found["made"])


def remember(cloud: Cloud, region: str, token: str, fingerprint: str, made: str) -> None:
    """Writes down what the request made; a request without a token is not remembered."""
    if token:
        body: records.Body = {"print": fingerprint, "made": made}
        cloud.store.put(TOKEN, f"{region}/{token}", body, region)
