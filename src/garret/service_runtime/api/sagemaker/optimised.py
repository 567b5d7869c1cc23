"""The schema of "SDXL 1.0 Jumpstart", Stability's optimised container: what its StabilityPredictor sends and reads.

Source: the predictor's `GenerationRequest` (https://github.com/Stability-AI/stability-sdk, branch sagemaker). A high
`image_strength` stays near the picture here; the open schema has it the other way round.
"""

from __future__ import annotations

from garret.service_runtime.api import fields
from garret.service_runtime.api.describe import Schema, record
from garret.service_runtime.api.fields import Values
from garret.service_runtime.api.pictures import picture_of
from garret.service_runtime.api.sagemaker.foreign import refuse_fields_of
from garret.service_runtime.api.stability.generation import (
    TEXT_PROMPTS,
    mask_fields,
    parse_generation,
    shared_fields,
    size_fields,
    start_fields,
)
from garret.service_runtime.api.stability.prompts import FIELD
from garret.service_runtime.api.stability.start import keep_start, missing_image, read_denoise, read_source
from garret.service_runtime.asked import Start
from garret.service_runtime.inputs import InputStore
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.service import Service

NAME = "optimised"
_BASE64 = {"type": ["string", "null"]}


def keep_pictures(body: Values, inputs: InputStore) -> Start | None:
    """Keep the pictures of a body and return what is begun from, if anything; blocks as long as decoding takes.

    Raises:
        BadRequest, UnknownChoice: name the field; also where its name belongs to the other schema.
    """
    refuse_fields_of("open", body)
    denoise, source = read_denoise(body), read_source(body, required=False)
    if not fields.text(body, "init_image"):
        if source:
            raise missing_image()
        return None
    mask = picture_of(body["mask_image"], "mask_image") if fields.text(body, "mask_image") else None
    return keep_start(inputs, picture_of(body["init_image"], "init_image"), mask, source, denoise)


def parse_optimised(body: Values, service: Service, start: Start | None) -> ImageRequest:
    """Turn a body whose pictures are kept into a request."""
    return parse_generation(body, service, service.models.usable_checkpoint(), start)


SCHEMA: Schema = record(
    {
        FIELD: TEXT_PROMPTS,
        **size_fields(),
        **shared_fields(),
        **start_fields(_BASE64),
        **mask_fields(_BASE64),
    },
    required=(FIELD,),
    description="SDXL 1.0 Jumpstart",
)
