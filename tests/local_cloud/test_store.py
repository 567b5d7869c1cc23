"""The store keeps what was written, in order, through kills and rollbacks."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garret.local_cloud.store import Store

TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(body=st.dictionaries(TEXT, JSON, max_size=4))
def test_a_body_comes_back_as_it_was(body: dict[str, object]) -> None:
    """Whatever JSON can say goes in and comes out unchanged."""
    store = Store(None)
    store.put("thing", "a", body)
    assert store.get("thing", "a") == body
    store.close()


def test_order_filter_update_and_delete(tmp_path: Path) -> None:
    """Bodies come oldest first, also after a rewrite; filters look at region and top-level fields."""
    store = Store(tmp_path / "cloud.sqlite")
    for number, region in enumerate(("r1", "r2", "r1")):
        store.put("vpc", f"v-{number}", {"id": f"v-{number}", "name": "x"}, region)
    store.put("vpc", "v-0", {"id": "v-0", "name": "y"}, "r1")
    assert [body["id"] for body in store.find("vpc", "r1")] == ["v-0", "v-2"]
    assert [body["id"] for body in store.find("vpc", name="x")] == ["v-1", "v-2"]
    assert store.update("vpc", "v-1", name="z") == {"id": "v-1", "name": "z"}
    assert store.update("vpc", "v-9", name="z") is None
    assert store.delete("vpc", "v-1")
    assert not store.delete("vpc", "v-1")
    store.close()
    again = Store(tmp_path / "cloud.sqlite")
    assert [body["name"] for body in again.find("vpc")] == ["y", "x"]
    again.close()


def test_a_transaction_is_all_or_nothing_and_nests() -> None:
    """An error in the outer block takes back what the inner one wrote."""
    store = Store(None)

    def write_and_fail() -> None:
        with store.transaction():
            with store.transaction():
                store.put("thing", "a", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert store.get("thing", "a") is None
    store.close()


def test_concurrent_updates_lose_nothing() -> None:
    """Read-and-write inside a transaction is safe from every thread."""
    store = Store(None)
    store.put("counter", "a", {"n": 0})

    def count() -> None:
        for _ in range(50):
            with store.transaction():
                body = store.get("counter", "a")
                assert body is not None
                store.update("counter", "a", n=body["n"] + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("counter", "a") == {"n": 200}
    store.close()


def test_a_nonce_is_good_once_and_forgotten_later() -> None:
    """A nonce may come again only when the first use is longer ago than it is kept."""
    store = Store(None)
    assert store.use_nonce("n", at=1000.0, keep_s=60)
    assert not store.use_nonce("n", at=1030.0, keep_s=60)
    assert store.use_nonce("n", at=1061.0, keep_s=60)
    store.close()
