"""The dialect of Stability's hosted API, version 1, and what SageMaker's two schemas share with it."""
