"""Access keys: the account's own, and others that may do what their RAM policy says."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from garret.local_cloud.store import Body, Store

KIND = "access_key"


def make(store: Store, policies: list[dict[str, Any]], name: str = "", token: bool = False) -> Body:
    """Make a key that may do what the policies say; with `token` one of a role, which signs with a security token."""
    id = f"LOCAL-CLOUD-{secrets.token_hex(6)}"
    body: Body = {
        "id": id,
        "secret": f"local-cloud-only-{secrets.token_hex(16)}",
        "name": name or id,
        "policies": policies,
        "token": f"local-cloud-token-{secrets.token_hex(24)}" if token else "",
        "deleted": False,
    }
    store.put(KIND, id, body)
    return body


def find(store: Store, id: str) -> Body | None:
    """The key of this id, deleted ones as well; None for the account's own."""
    return store.get(KIND, id)


def living(store: Store) -> list[Body]:
    """The keys that were made and not deleted, oldest first."""
    return store.find(KIND, deleted=False)


def delete(store: Store, id: str) -> bool:
    """End a key; what it set going before is refused from now on. False when there is none."""
    body = store.get(KIND, id)
    return body is not None and not body["deleted"] and bool(store.update(KIND, id, deleted=True))


def door(store: Store, method: str, query: Mapping[str, str], text: bytes) -> dict[str, Any]:
    """`/_garret/keys`: see, make and delete keys. ValueError for what is no good."""
    if method == "POST":
        return _make(store, json.loads(text))
    if method == "DELETE" and not delete(store, query.get("id", "")):
        raise ValueError(f"id: there is no key {query.get('id', '')!r}; GET /_garret/keys lists them")
    shown = [{"access_key_id": key["id"], "name": key["name"], "policies": key["policies"]} for key in living(store)]
    return {"keys": shown}


def _make(store: Store, wanted: Any) -> dict[str, Any]:
    from garret.local_cloud import rights
    from garret.local_cloud.core import ApiError
    from garret.local_cloud.ram.documents import read_policy

    known = ("policy", "name", "token")
    if not isinstance(wanted, dict) or not isinstance(wanted.get("policy"), dict) or set(wanted) - set(known):
        form = '{"policy": {"Version": "1", "Statement": [...]}, "name": "...", "token": false}'
        raise ValueError(f"the body must be {form}; only policy must be there")
    try:
        document = read_policy(json.dumps(wanted["policy"]))
    except ApiError as error:
        raise ValueError(f"policy: {error.message}") from None
    rights.check_document(document)
    key = make(store, [document], str(wanted.get("name", "")), bool(wanted.get("token", False)))
    shown = {"access_key_id": key["id"], "access_key_secret": key["secret"], "name": key["name"]}
    return shown | ({"security_token": key["token"]} if key["token"] else {})


class Keyring(Mapping[str, str]):
    """Secrets by key id, for the check of signatures: the account's own, and those in the store."""

    def __init__(self, own: Mapping[str, str], store: Store) -> None:
        self._own, self._store = own, store

    def __getitem__(self, id: str) -> str:
        """The secret of a key; KeyError when there is none, or it was deleted."""
        if id in self._own:
            return self._own[id]
        body = find(self._store, id)
        if body is None or body["deleted"]:
            raise KeyError(id)
        return str(body["secret"])

    def __iter__(self) -> Iterator[str]:
        """All key ids."""
        return iter((*self._own, *(key["id"] for key in living(self._store))))

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._own) + len(living(self._store))

    def token(self, id: str) -> str:
        """The security token that a key signs with; empty for most."""
        body = None if id in self._own else find(self._store, id)
        return "" if body is None else str(body["token"])
