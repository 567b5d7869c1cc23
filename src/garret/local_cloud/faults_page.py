"""The page docs/local-cloud-faults.md, made from the code's own words; a test runs each of its examples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from garret.local_cloud.fault_names import NAMED, Field, Named
from garret.local_cloud.quotas.registry import LIMITS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "local-cloud-faults.md"

_POLICY = {
    "Version": "1",
    "Statement": [{"Effect": "Allow", "Action": ["ecs:Describe*", "ros:*"], "Resource": "*"}],
}


def _curl(door: str, body: object = None, method: str = "") -> str:
    """One example; -f makes it fail where the local cloud refuses it."""
    lines = ['curl -fsS -H "x-garret-secret: $SECRET" ' + (f"-X {method} " if method else "") + f'"$ENDPOINT/{door}"']
    if body is not None:
        lines[0] += " \\"
        lines.append(f"  -d '{json.dumps(body)}'")
    return "```sh\n" + "\n".join(lines) + "\n```\n"


_HEAD = f"""\
# Let the local cloud fail

This page is made by `python -m garret.local_cloud.coverage` from the code; a test runs each example.

The local cloud has doors of its own below `/_garret/`. They want the access key's secret in a header. Set both:

```text
garret local up --json     # endpoint and access_key_secret
ENDPOINT=http://127.0.0.1:PORT
SECRET=local-cloud-only-…
```

The most usual is there as a command as well: `garret local faults list|add|clear`; `garret local status` says what is
switched on. What is wrong with a request is answered with HTTP 400 and `{{"error": "<field>: <reason>"}}`; nothing of
that request is switched on then. Faults are kept: they outlive a restart.

## Faults

See them, switch some on, take one away by its id, take all away and fill all shelves:

{_curl("_garret/faults")}
{_curl("_garret/faults", {"faults": [{"fault": "throttle", "action": "DescribeInstances", "times": 3}]})}
{_curl("_garret/faults", method="DELETE")}
One alone goes by `DELETE /_garret/faults?id=fault-…`.
"""

_RAW = f"""\
### Raw faults

What no name is there for: any code at any action, for calls whose parameters `match`. Effects: `error` (`status`,
`code`, `message`, `retry_after_ms`; nothing is carried out), `lost` (carried out, no answer), `unsent` (neither),
`slow` (waits `seconds`, then carries it out). `times` 0 is for ever. Calls that stacks make meet faults as well.

{_curl("_garret/faults", {"faults": [{"action": "RunInstances", "effect": "error", "code": "InvalidResourceType.NotSupported", "status": 403, "match": {"ZoneId": "cn-hangzhou-i"}}]})}
### Shelves

How full the shelf of one type in one zone is shown and is: WithStock, ClosedWithStock, WithoutStock or
ClosedWithoutStock.

{_curl("_garret/faults", {"stock": {"cn-hangzhou-i/ecs.gn7i-c16g1.4xlarge": "ClosedWithStock"}})}
"""  # noqa: E501 - examples are one line each

_REST = f"""\
## Keys with policies

Make an access key that may do what a RAM policy allows, and nothing else; the reply has its id and secret. Rights are
judged before anything else, also for what a stack does on behalf of the key. `Action` and `Resource` may have `*` and
`?`; of `Condition` there is `StringEquals` on `acs:ResourceTag/<key>`, anything else is refused by name. A call that
names no thing of its own is judged by product, region and account only. `"token": true` makes a key as a role has it,
which signs with a security token.

{_curl("_garret/keys", {"name": "reader", "policy": _POLICY})}
A refused call answers 403 `Forbidden.RAM` (ECS, VPC), `NotAuthorized` (billing) or `NoPermission` (the others) with the
vendor's `AccessDeniedDetail`. GET lists the keys, `DELETE /_garret/keys?id=…` ends one.

## Calls

What was called, oldest first: product, action, key, names of parameters, error code, read or write; with `inner=1` also
what stacks called. A least policy follows from it.

{_curl("_garret/calls?since=0&inner=1")}
## Clock

Move the cloud's time on, by seconds; it never goes back. Bills, expiry and timeouts follow it; signatures are still
checked against real time.

{_curl("_garret/clock", {"advance_s": 3600})}
## Quotas

See the limits, set some, put all back (DELETE). They are per region and kept to when something is made.

{_curl("_garret/quotas", {"eip_quota_instances_num": 50})}
{_curl("_garret/quotas", method="DELETE")}
## Bill and ledger

What is billed per hour now; and every line of the ledger: since when, until when, in which state, at which rate, also
of things that are gone. `DescribeInstanceBill` and `QueryAccountBalance` of billing answer from it.

{_curl("_garret/bill")}
{_curl("_garret/ledger")}
"""


def page() -> str:
    """The whole page as text."""
    named = [_named(one) for one in NAMED.values()]
    quotas = ["| quota | what | at first | beyond it |", "|-|-|-|-|"]
    for limit in LIMITS.values():
        actions = ", ".join(limit.actions)
        quotas.append(
            f"| {limit.code} | {limit.name} | {limit.default} | {limit.error} ({limit.status}) at {actions} |"
        )
    return "\n".join([_HEAD, *named, _RAW, _REST.rstrip(), "", *quotas]) + "\n"


def _named(named: Named) -> str:
    lines = [f"### {named.name}", "", named.says, "", "| field | when not said | |", "|-|-|-|"]
    lines += [_field(field) for field in named.fields]
    # These two say in their field's name what they are.
    short: Mapping[str, Any] = {} if named.name in ("latency", "clock_skew") else {"fault": named.name}
    return "\n".join(lines) + "\n\n" + _curl("_garret/faults", {"faults": [{**short, **named.example}]})


def _field(field: Field) -> str:
    default = "must be said" if field.default is None else f"`{json.dumps(field.default)}`"
    choices = f": {', '.join(field.choices)}" if field.choices else ""
    return f"| `{field.name}` | {default} | {field.says}{choices} |"
