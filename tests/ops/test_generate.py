"""Pictures go where they were asked for, whole or not at all."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from garret.errors import NotReady, UsageError
from garret.ops.deployment import new_login, opened
from garret.ops.generate import LARGEST_PICTURE, file_as_text, file_names, generate
from tests.ops.fake import PICTURE, World, cloud_of, deployment_in, picture_service
from tests.ops.test_status import deployed


def test_pictures_are_written(world: World, tmp_path: Path) -> None:
    """As many pictures as there are names."""
    deployed(world, tmp_path)
    paths = [tmp_path / "a-1.png", tmp_path / "a-2.png"]
    assert generate(deployment_in(tmp_path), {"prompt": "a star"}, paths).paths == paths
    assert [path.read_bytes() for path in paths] == [PICTURE, PICTURE]


def test_the_service_is_asked_as_said(tmp_path: Path) -> None:
    """The body reaches the service with the number of pictures, and nothing that was not said."""
    with picture_service() as (url, asked):
        one = deployment_in(tmp_path)
        one.keep_login(opened(new_login("admin", None), {"EndPoint": url}))
        generate(one, {"prompt": "a star", "seed": 7}, [tmp_path / "a.png"])
    assert asked == [{"prompt": "a star", "seed": 7, "batch_size": 1, "n_iter": 1}]


def test_files_travel_as_text(tmp_path: Path) -> None:
    """Whatever is in them; a giant or a folder does not."""
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\0\xff")
    assert base64.b64decode(file_as_text(path)) == b"\x89PNG\0\xff"
    with path.open("wb") as file:
        file.truncate(LARGEST_PICTURE + 1)
    for wrong in (path, tmp_path):
        with pytest.raises(UsageError):
            file_as_text(wrong)


def test_without_an_endpoint_the_way_to_one_is_named(tmp_path: Path) -> None:
    """Nothing was deployed here, so nothing can be asked."""
    with pytest.raises(UsageError) as refused:
        generate(deployment_in(tmp_path), {"prompt": "a star"}, [tmp_path / "a.png"])
    assert "garret deploy" in refused.value.hint


def test_a_service_that_was_stopped_from_here_says_how_to_start_it(tmp_path: Path) -> None:
    """The journal knows, so nobody has to look."""
    one = deployment_in(tmp_path)
    one.keep_login(opened(new_login("admin", None), {"EndPoint": "http://127.0.0.1:9"}))
    one.journal.append("stopping", instance_id="i-1", economical=True)
    with pytest.raises(NotReady) as stopped:
        generate(one, {"prompt": "a star"}, [tmp_path / "a.png"])
    assert "garret ops start" in stopped.value.hint


def test_a_node_that_stopped_itself_says_how_to_start_it(world: World, tmp_path: Path) -> None:
    """The cloud is asked only when nobody answers, and its word on the machine is what is told."""
    deployed(world, tmp_path)
    one = deployment_in(tmp_path)
    login = one.login
    assert login is not None
    one.keep_login(opened(login, {"EndPoint": "http://127.0.0.1:9"}))
    cloud = cloud_of(world)
    cloud.instances.stop(cloud.instances.tagged(one.name)[0].id, economical=True)
    with pytest.raises(NotReady, match="is stopped") as stopped:
        generate(one, {"prompt": "a star"}, [tmp_path / "a.png"], lambda: cloud)
    assert "garret ops start" in stopped.value.hint


def test_a_silent_service_and_a_missing_folder_are_told(tmp_path: Path) -> None:
    """Neither leaves a file behind."""
    one = deployment_in(tmp_path)
    one.keep_login(opened(new_login("admin", None), {"EndPoint": "http://127.0.0.1:9"}))
    with pytest.raises(NotReady) as silent:
        generate(one, {"prompt": "a star"}, [tmp_path / "a.png"])
    assert "garret status" in silent.value.hint
    with pytest.raises(UsageError, match="no folder"):
        generate(one, {"prompt": "a star"}, [tmp_path / "none/a.png"])
    assert not (tmp_path / "a.png").exists()


def test_names_come_from_the_output_or_the_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One picture takes the name given; several are numbered; without a name nothing is overwritten."""
    monkeypatch.chdir(tmp_path)
    assert file_names(Path("star.png"), "x", 1) == [Path("star.png")]
    assert file_names(Path("star.png"), "x", 2) == [Path("star-1.png"), Path("star-2.png")]
    assert file_names(None, "A red circle!", 1) == [Path("a-red-circle.png")]
    Path("a-red-circle.png").touch()
    assert file_names(None, "A red circle!", 1) == [Path("a-red-circle-1.png")]
    assert file_names(None, "红", 1) == [Path("picture.png")]
    assert [path.name for path in file_names(None, "x/../y", 2)] == ["x-y-1.png", "x-y-2.png"]
