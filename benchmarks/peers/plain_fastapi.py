"""The server that a person would write without garret: Pillow's PNG behind a FastAPI route, raw or as base64 in JSON.

It holds the pixels, so that a request costs what their delivery costs, and nothing else.
"""

import base64
import io
import os
import pathlib
import time

import numpy
import uvicorn
from fastapi import FastAPI, Response
from PIL import Image

SIDE = int(os.environ["BENCH_SIDE"])
PICTURES = numpy.fromfile(pathlib.Path(os.environ["BENCH_PICTURES"]), numpy.uint8).reshape(-1, SIDE, SIDE, 3)
app = FastAPI()


def encoded(number: int) -> bytes:
    """Return a picture as a PNG at Pillow's usual settings."""
    file = io.BytesIO()
    Image.fromarray(PICTURES[number]).save(file, "PNG")
    return file.getvalue()


@app.get("/raw/{number}")
def raw(number: int) -> Response:
    """Answer the file, and when this began."""
    began = str(time.monotonic())
    return Response(encoded(number), media_type="image/png", headers={"x-began": began})


@app.get("/base64/{number}")
def as_text(number: int, response: Response) -> dict[str, list[str]]:
    """Answer JSON, and when this began."""
    response.headers["x-began"] = str(time.monotonic())
    return {"images": [base64.b64encode(encoded(number)).decode()]}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), log_level="warning")
