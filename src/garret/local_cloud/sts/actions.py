"""The actions of STS."""

from __future__ import annotations

from garret.local_cloud.core import ACCOUNT_ID, Action, Call, Cloud
from garret.local_cloud.params import Reply


def get_caller_identity(call: Call, _cloud: Cloud) -> Reply:
    """The made-up account behind the local access key."""
    del call
    return {
        "AccountId": ACCOUNT_ID,
        "UserId": ACCOUNT_ID,
        "PrincipalId": ACCOUNT_ID,
        "IdentityType": "Account",
        "Arn": f"acs:ram::{ACCOUNT_ID}:root",
    }


ACTIONS = {"GetCallerIdentity": Action(get_caller_identity, note="always the same made-up account")}
