"""The actions of STS."""

from __future__ import annotations

from garret.local_cloud import keys
from garret.local_cloud.core import ACCOUNT_ID, Action, Call, Cloud
from garret.local_cloud.params import Reply


def get_caller_identity(call: Call, cloud: Cloud) -> Reply:
    """The made-up account behind the account's own key, or the user whose key it is."""
    key = keys.find(cloud.store, call.access_key_id)
    if key is None:
        kind, who, arn = "Account", ACCOUNT_ID, f"acs:ram::{ACCOUNT_ID}:root"
    elif key["token"]:
        kind, who, arn = "AssumedRoleUser", key["id"], f"acs:ram::{ACCOUNT_ID}:assumed-role/{key['name']}/{key['id']}"
    else:
        kind, who, arn = "RAMUser", key["id"], f"acs:ram::{ACCOUNT_ID}:user/{key['name']}"
    return {"AccountId": ACCOUNT_ID, "UserId": who, "PrincipalId": who, "IdentityType": kind, "Arn": arn}


ACTIONS = {"GetCallerIdentity": Action(get_caller_identity, note="one made-up account")}
