"""Bringing a finished job's pictures to a folder in OSS, with the keys of the node's own role."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from garret.service_runtime.deliveries import Delivery
from garret.service_runtime.delivery_errors import GaveUp, NotNow
from garret.service_runtime.fetching import Policy, Refused, check_url, vetted_connection
from garret.service_runtime.jobs import Job
from garret.service_runtime.metadata import Metadata, MetadataError
from garret.service_runtime.model_sources import Object
from garret.service_runtime.oss import signed_headers

_ANSWER_BYTES = 4096


def folder_of(text: str) -> tuple[str, str]:
    """Return bucket and folder of oss://bucket/folder, whose form the settings have seen to."""
    bucket, _, folder = text.removeprefix("oss://").partition("/")
    folder = folder.strip("/")
    return bucket, f"{folder}/" if folder else ""


@dataclass(frozen=True)
class OssResults:
    """How results get there: one folder for each job, its pictures by their numbers and its record as job.json.

    `path` says where a picture lies on this node; an empty `region` is the node's own, an empty `endpoint` that
    region's door for machines inside the cloud.
    """

    metadata: Metadata
    path: Callable[[str], Path]
    policy: Policy
    region: str = ""
    endpoint: str = ""

    def __call__(self, one: Delivery, job: Job) -> str:
        """Bring a job's pictures; return where they are. What is there already is written once more.

        Raises:
            NotNow: no way there for now, or the role may not yet.
            GaveUp: the pictures are not there any more.
        """
        bucket, folder = folder_of(one.target)
        files = {}
        try:
            for number, kept in job.pictures.items():
                name = f"{number}{Path(kept.name).suffix}"
                files[name] = (kept.media_type, self.path(kept.name).read_bytes())
        except FileNotFoundError:
            raise GaveUp("its pictures are not there any more") from None
        files["job.json"] = ("application/json", json.dumps(job.to_dict(), ensure_ascii=False).encode())
        try:
            region = self.region or self.metadata.text("meta-data/region-id")
            for name, (media_type, data) in files.items():
                self._put(Object(bucket, f"{folder}{job.id}/{name}", region), media_type, data)
        except (MetadataError, OSError, http.client.HTTPException, Refused) as error:
            raise NotNow(str(getattr(error, "message", error))[:200]) from None
        return f"oss://{bucket}/{folder}{job.id}/"

    def _put(self, one: Object, media_type: str, data: bytes) -> None:
        md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode("ascii")
        content = {"content-type": media_type, "content-md5": md5}
        headers = signed_headers(self.metadata.role_keys(), one, method="PUT", content=content)
        door = self.endpoint or f"https://{one.bucket}.oss-{one.region}-internal.aliyuncs.com"
        parts = check_url(f"{door}/{quote(one.key, safe='/~')}", self.policy)
        with closing(vetted_connection(parts, self.policy)) as connection:
            connection.request("PUT", parts.path, data, {**headers, **content})
            reply = connection.getresponse()
            said = reply.read(_ANSWER_BYTES)
        if reply.status != 200:
            raise NotNow(f"OSS answers {reply.status} for {one.bucket}: {_code(said)}")


def _code(said: bytes) -> str:
    """Return the error code of OSS's XML, without reading what else it says."""
    _, found, rest = said.partition(b"<Code>")
    return rest.partition(b"</Code>")[0].decode("ascii", "replace")[:60] if found else "no reason"
