"""The page about the bootstrap has a paragraph for every step, in their order, and says how to undo each."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from garret.image_bootstrap import first_stage
from garret.image_bootstrap.steps import STEPS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "what-the-bootstrap-does.md"
UNITS = Path(first_stage.__file__).parent / "units"


def sections() -> dict[str, str]:
    """Heading to text of the page's third level."""
    parts = re.split(r"^### (\S+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_step_has_its_paragraph_in_order() -> None:
    """As the journal of a node shows them."""
    names = ["ensure_resume", "ensure_bundle", *(step.__name__ for step in STEPS), "signal"]
    assert list(sections()) == names


@pytest.mark.parametrize("name", sections())
def test_every_paragraph_says_what_is_done_and_how_to_undo_it(name: str) -> None:
    """Both, in this order."""
    done, undone = sections()[name].split("\nUndo: ")
    assert len(done.strip()) > 60
    assert len(undone.strip()) > 15


@pytest.mark.parametrize("path", ["/etc/garret/service.env", "/usr/local/bin/garret-node", "/opt/garret/venv"])
def test_the_page_names_paths_that_the_code_has(path: str) -> None:
    """A renamed path shows here."""
    code = "".join(file.read_text("utf-8") for file in Path(first_stage.__file__).parent.rglob("*.py"))
    assert path in PAGE.read_text("utf-8")
    assert path in code


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_systemd_finds_nothing_wrong_with_our_units(tmp_path: Path) -> None:
    """As they are on a real node; it would say so if it did not know a word."""
    for unit in UNITS.iterdir():
        text = unit.read_text("utf-8").replace("@ROOT@", "").replace("@PYTHON@", "/bin/true")
        text = text.replace("@MEMORY_MAX@", "12G")
        (tmp_path / unit.name).write_text(text.replace("@ENVIRONMENT@", '"A=b c" "PATH=/usr/bin"'))
    units = sorted(str(path) for path in tmp_path.iterdir())
    said = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    Path(units[0]).write_text(Path(units[0]).read_text().replace("[Service]", "[Service]\nColour=red"))
    said = subprocess.run(["systemd-analyze", "verify", units[0]], capture_output=True, text=True, check=False)
    assert "Colour" in said.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_the_services_unit_is_closed_as_far_as_a_gpu_allows(tmp_path: Path) -> None:
    """systemd's own measure of what a service could still do: 0 is nothing, 10 is all that root can."""
    version = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.split()[1]) < 250:
        pytest.skip("systemd-analyze looks at unit files by themselves from version 250 on")
    text = (UNITS / "garret.service").read_text("utf-8").replace("@ROOT@", "").replace("@PYTHON@", "/bin/true")
    unit = tmp_path / "garret.service"
    unit.write_text(text.replace("@MEMORY_MAX@", "12G"))
    measure = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(unit)]
    said = subprocess.run(measure, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout[-200:] + said.stderr
    for opened in ("PrivateDevices", "MemoryDenyWriteExecute", "ProcSubset", "PrivateNetwork", "PrivateUsers"):
        assert opened in text.partition("# Left open")[2], f"{opened} is left open: the unit should say why"
