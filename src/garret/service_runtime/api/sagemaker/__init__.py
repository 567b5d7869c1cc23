"""The dialect of SageMaker's SDXL endpoints: `/ping` and `/invocations` in the two schemas that are called SDXL 1.0."""
