"""SageMaker's runtime client, boto3's, that asks a node in both schemas."""

from __future__ import annotations

import base64
import json
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.service_runtime.api.drawn import last_asked, picture, size_of, text_of
from tests.service_runtime.conftest import TOKEN
from tests.service_runtime.living import Service

WORDS = {"text_prompts": [{"text": "x"}], "steps": 1, "seed": 5}


@pytest.fixture
def client(service: Service) -> Any:
    """The client as docs/api/sagemaker.md sets it up."""
    made = boto3.client(
        "sagemaker-runtime",
        endpoint_url=f"http://{service.host}:{service.port}",
        region_name="none",
        config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}),
    )
    made.meta.events.register(
        "before-send.sagemaker-runtime",
        lambda request, **_: request.headers.update({"Authorization": f"Bearer {TOKEN}"}),
    )
    return made


def invoke(client: Any, body: Any, accept: str) -> Any:
    """Invoke an endpoint, whose name says nothing."""
    return client.invoke_endpoint(
        EndpointName="sdxl-1-0-jumpstart", Body=json.dumps(body), ContentType="application/json", Accept=accept
    )


@pytest.mark.compatible("SageMaker", "boto3 1.44", "invoke_endpoint in both schemas, its errors as ClientError")
def test_the_runtimes_client(service: Service, client: Any) -> None:
    """What it accepts says which schema it means; an error says the field."""
    body = {**WORDS, "init_image": text_of(picture()), "image_strength": 0.8}
    said = json.loads(invoke(client, body, "application/json;png")["Body"].read())
    assert said["artifacts"][0]["seed"] == 5
    assert last_asked(service)["start"]["denoise"] == 0.2
    said = json.loads(invoke(client, body, "application/json")["Body"].read())
    assert size_of(base64.b64decode(said["generated_image"])) == (1024, 1024)
    assert last_asked(service)["start"]["denoise"] == 0.8
    answer = invoke(client, WORDS, "image/png")
    assert (answer["ContentType"], size_of(answer["Body"].read())) == ("image/png", (1024, 1024))
    with pytest.raises(ClientError, match=r"\(400\).*sampler: Sampler not found") as refused:
        invoke(client, {**WORDS, "sampler": "Magic"}, "application/json")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
