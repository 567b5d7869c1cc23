"""The words for each field of a deployment, in one place: its flag, what it means, what to type, what a change does.

`--help`, garret.yaml's manual, the errors and the documentation take their words from here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

FILE_NAME = "garret.yaml"
FAMILY = "ecs.gn7i"
DEFAULT_INSTANCE_TYPE = "ecs.gn7i-c8g1.2xlarge"
"""The smallest gn7i: one A10 with 24 GB, which holds SDXL's base and refiner in fp16, and 30 GiB to load them in."""

DEFAULT_AUTOSTOP_MIN = 60
"""Too early a stop costs somebody two minutes and a command; none at all costs a GPU's night."""
SHORTEST_AUTOSTOP_MIN = 5

Effect = Literal["live", "restart", "replace", "free"]
"""What a change does to a deployed node: nothing that users notice, a stop and start, a new node, nothing at all."""


@dataclass(frozen=True)
class SpecField:
    """One field; `sentence` says what it means, `hint` what to type when it was wrong."""

    name: str
    flag: str
    sentence: str
    hint: str
    effect: Effect = "replace"


_ALL = (
    SpecField("name", "--name", "What the deployment is called: its stack is garret-NAME.",
              "a name is 1 to 40 lower-case letters, digits and dashes and starts with a letter: --name my-pictures"),
    SpecField("region", "--region", "The cloud's region.", "for example --region cn-hangzhou"),
    SpecField("zone", "--zone", "Zone of the region; else the best stocked one is taken.",
              "a zone belongs to its region, for example --region cn-hangzhou --zone cn-hangzhou-k; or leave it out"),
    SpecField("instance_type", "--instance-type",
              f"The machine, of the gn7i family; {DEFAULT_INSTANCE_TYPE} is the smallest that SDXL fits.",
              f"for example --instance-type {DEFAULT_INSTANCE_TYPE}", "restart"),
    SpecField("charge_type", "--charge-type",
              "How the machine is paid: PayAsYouGo by the hour, Subscription in advance, Spot by the hour for less, "
              "and the cloud may take it back.",
              "--charge-type PayAsYouGo, Subscription or Spot"),
    SpecField("period", "--period", "How long a Subscription is paid for; 1 when it is not said.",
              "1 to 9, 12, 24, 36, 48 or 60 months, or 1 to 5 years: --charge-type Subscription --period 1 "
              "--period-unit Month"),
    SpecField("period_unit", "--period-unit", "What the period counts: Month or Year.",
              "--period-unit Month, or --period-unit Year"),
    SpecField("spot_price_limit", "--spot-price-limit",
              "The most that a Spot machine may cost an hour; without it, the market's price.",
              "for example --charge-type Spot --spot-price-limit 4.5"),
    SpecField("image_id", "--image-id",
              "Image; else the best of your own that `garret image bake` made, else the newest Ubuntu with NVIDIA "
              "driver and CUDA, which is also what `base` says.",
              "an image id of the region such as m-bp1…, or base; or leave it out"),
    SpecField("disk_category", "--disk-category", "Kind of the system disk: cloud_essd, or cloud_auto.",
              "gn7i takes ESSD disks only: cloud_essd or cloud_auto"),
    SpecField("disk_size_gib", "--disk-size", "System disk in GiB, 100 or more; models live on it.",
              "the GPU image needs at least 100 GiB, and a disk can grow but not shrink: --disk-size 200", "live"),
    SpecField("vpc_id", "--vpc-id", "A VPC that exists, instead of a new one; with --vswitch-id.",
              "--vpc-id vpc-… --vswitch-id vsw-…, both of them"),
    SpecField("vswitch_id", "--vswitch-id", "A VSwitch of that VPC; its zone is the machine's.",
              "--vpc-id vpc-… --vswitch-id vsw-…, both of them"),
    SpecField("vpc_cidr", "--vpc-cidr", "Private range of the new VPC.", "for example --vpc-cidr 192.168.0.0/16"),
    SpecField("vswitch_cidr", "--vswitch-cidr", "A part of that range, for the new VSwitch.",
              "for example --vswitch-cidr 192.168.1.0/24, inside vpc_cidr"),
    SpecField("bandwidth_mbps", "--bandwidth",
              "Limit of the public address in Mbit/s, 1 to 200; traffic is paid by volume.",
              "between 1 and 200; traffic is paid by volume, so a high limit costs nothing by itself", "live"),
    SpecField("service_port", "--port", "Port of the service; 443, or 7860 on the local cloud.",
              "for example --port 443"),
    SpecField("allow_cidr", "--allow-cidr", "Who may reach the service, for example 203.0.113.7/32; may be said again.",
              "for example --allow-cidr 203.0.113.7/32; the whole internet: --allow-cidr 0.0.0.0/0 --public", "live"),
    SpecField("public", "--public", "The whole internet may reach the service, and meets its login.",
              "say --public, or leave it out; in a file true or false", "live"),
    SpecField("domain", "--domain",
              "A name of yours that points to the address; the endpoint and the certificate carry it.",
              "a name without https:// and path, for example --domain pictures.example.com"),
    SpecField("acme", "--acme",
              "A certificate that browsers trust, from Let's Encrypt or --acme-server, for the domain, else for the "
              "address; port 80 opens to everyone, for the authority's challenge and a redirect.",
              "say --acme --acme-agree, or leave both out; in a file true or false"),
    SpecField("acme_agree", "--acme-agree",
              "You agree to the authority's terms of service; Let's Encrypt's are at https://letsencrypt.org/repository.",
              "read the terms, then say --acme --acme-agree; in a file acme_agree: true"),
    SpecField("acme_email", "--acme-email", "Where the authority may write to; it need not know.",
              "for example --acme --acme-email studio@example.com"),
    SpecField("acme_server", "--acme-server", "The directory of another ACME authority, also a private one.",
              "for example --acme --acme-server https://ca.example.com/acme/acme/directory"),
    SpecField("acme_ca", "--acme-ca",
              "A private authority's certificates: a PEM file, or in garret.yaml its text; the node and garret trust "
              "them for this deployment only.",
              "for example --acme --acme-server https://ca.example.com/acme/acme/directory --acme-ca root.pem"),
    SpecField("login", "--login", "Name to log in with.", "for example --login admin"),
    SpecField("key_pair", "--key-pair", "An SSH key pair of the region, for the node's own login; else it has none.",
              "the name of a key pair that exists, for example --key-pair studio"),
    SpecField("instance_password", "--instance-password",
              "Give the node itself a password, asked for or in GARRET_INSTANCE_PASSWORD; else it has none.",
              "say --instance-password and type it, or set GARRET_INSTANCE_PASSWORD; in a file true or false"),
    SpecField("resource_group", "--resource-group", "The account's resource group for all of it.",
              "an id such as rg-acfmxazb4ph6aiy", "replace"),
    SpecField("tags", "--tag", "A tag on all of it, KEY=VALUE; may be said again.",
              "for example --tag team=studio; at most 15, and no key that begins with garret:, aliyun or acs:", "live"),
    SpecField("fallback_types", "--fallback-type",
              "Another gn7i type to take when the first is sold out; may be said again, in order.",
              f"for example --fallback-type {DEFAULT_INSTANCE_TYPE}", "free"),
    SpecField("fallback_zones", "--fallback-zone",
              "Another zone to try when a zone was said and is sold out; may be said again, in order.",
              "a zone of the same region, for example --zone cn-hangzhou-k --fallback-zone cn-hangzhou-j", "free"),
    SpecField("fallback_regions", "--fallback-region",
              "Another region to try when the first is sold out; may be said again, in order.",
              "for example --fallback-region cn-shanghai", "free"),
    SpecField("max_price_per_hour", "--max-price",
              "Refuse to make anything that costs more than this an hour, in the cloud's currency.",
              "for example --max-price 12.5", "free"),
    SpecField("autostop_min", "--autostop",
              "Stop the node by itself, economically, after so long without use; `off`, or --no-autostop, for never.",
              "for example --autostop 60m or --autostop 2h, 5 minutes to 7 days; or --no-autostop", "live"),
    SpecField("model", "--model",
              "The first model: sdxl (base, refiner and a VAE for half precision), demo (tiny and built in; the local "
              "cloud takes it), or a checkpoint of your own by its address.",
              "sdxl, demo, or a checkpoint of your own: https://host/x.safetensors, hf:owner/repo/x.safetensors, "
              "modelscope:owner/name/x.safetensors, oss://bucket/x.safetensors"),
    SpecField("model_sha256", "--model-sha256", "SHA-256 of a checkpoint of your own; another file is refused.",
              "64 hexadecimal digits, as `sha256sum x.safetensors` prints them; with --model https://… and the like"),
    SpecField("model_source", "--model-source",
              "Where sdxl is: modelscope, huggingface, mirror:https://…, https://host/folder or oss://bucket/folder; "
              "may be said again, in order. Else ModelScope first in mainland China, and Hugging Face first elsewhere.",
              "for example --model-source modelscope, or --model-source oss://bucket/folder; with --model sdxl"),
    SpecField("refiner", "--refiner", "Fetch sdxl's refiner as well, 6.1 GB.",
              "--refiner, or --no-refiner; in a file true or false"),
    SpecField("wait_timeout_s", "--wait-timeout-s", "How long the node may take to come up, in seconds.",
              "between 60 and 43200 seconds, and enough to fetch the models; --bandwidth 200, --no-refiner or a bucket "
              "in the region (--model-source oss://…) make that shorter", "free"),
)  # fmt: skip

FIELDS = {field.name: field for field in _ALL}

_SPAN = re.compile(r"(\d{1,6})\s*(m|min|h|d)?", re.IGNORECASE)
_MINUTES = {"m": 1, "min": 1, "h": 60, "d": 1440}


def minutes(text: str) -> int:
    """A span such as 60m, 2h, 1d or a bare number of minutes; 0 for off.

    Raises:
        ValueError: it is none.
    """
    if text.strip().lower() in ("off", "never", "none"):
        return 0
    found = _SPAN.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text!r} is not a span such as 60m, 2h or off")
    return int(found[1]) * _MINUTES[(found[2] or "m").lower()]
