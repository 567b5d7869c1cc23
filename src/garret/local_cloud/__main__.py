"""The server of one local cloud: `python -m garret.local_cloud --home FOLDER --port PORT`.

People type `garret local up`; this is what it starts. Exit 3: the port is in use.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import socket
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvicorn

from garret.local_cloud import metadata
from garret.local_cloud.background import Background
from garret.local_cloud.clock import Clock
from garret.local_cloud.core import Cloud
from garret.local_cloud.faults import Faults
from garret.local_cloud.home import Home, new_cloud_file, private, read_cloud_file, write_cloud_file
from garret.local_cloud.listening import configuration
from garret.local_cloud.nodes import choosing
from garret.local_cloud.nodes.driver import Doors
from garret.local_cloud.nodes.processes import start_time
from garret.local_cloud.server import application
from garret.local_cloud.store import Store


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to end; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m garret.local_cloud", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    place = Home(options.home)
    place.make()
    with private(place.folder / "server.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one server per store: a second one waits for the first to end
        try:
            listener = _listen(options.port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            sys.stderr.write(f"port {options.port} on 127.0.0.1 cannot be taken: {error.strerror}\n")
            return 3
        with listener:
            _serve(place, listener)
    return 0


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _serve(place: Home, listener: socket.socket) -> None:
    clock, store, background = Clock(), Store(private(place.database)), Background()
    port = int(listener.getsockname()[1])
    endpoint = f"http://127.0.0.1:{port}"
    known = read_cloud_file(place) or new_cloud_file()
    record = replace(
        known, endpoint=endpoint, port=port, pid=os.getpid(), since=start_time(os.getpid()), started=clock.stamp()
    )
    driver = choosing.driver(place)
    cloud = Cloud(store, driver, clock, Faults(store), background, endpoint, record.access_key_id)
    driver.connect(Doors(endpoint, partial(metadata.answer, cloud)))
    app = application(cloud, {record.access_key_id: record.access_key_secret})
    cloud.recover()
    write_cloud_file(place, record)
    uvicorn.Server(configuration(app)).run(sockets=[listener])
    background.stop()
    store.close()


if __name__ == "__main__":
    sys.exit(main())
