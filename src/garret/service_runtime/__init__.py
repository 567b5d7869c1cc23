"""A request becomes a record, a batch is a record, and one object touches the GPU.

The life of a picture, and where to read on:

1. `__main__` binds the port and starts the worker processes, which import torch while this process imports FastAPI.
2. `app.Guard` says who calls (`auth`); a dialect (`api/`) reads the body within bounds and makes an `ImageRequest`.
3. `service.Service.submit` takes a place in the queue and writes a job (`jobs`, SQLite): from here on it is not lost.
4. `scheduler.Scheduler` puts pictures of one shape from any callers into a batch, the oldest first.
5. `workers.Worker` sends the batch as a message (`messages`) when its process is at the last step of the one before.
6. `worker` runs the engine (`engine/`), a generator of step, step, image; a cancel is heard in between.
7. The service writes the PNG (`png`, `files`) in a thread and marks the job as done; the caller gets an `ImageResult`.
8. A worker that dies is replaced and its pictures tried once more, each alone; who waits in vain is told (`errors`).

Models come in beside that: `node` is the node's command line, `operations` its verbs, `executions` their records,
`downloads`, `transfer` and `fetching` get a file, and `models` sees it without a restart.
"""
