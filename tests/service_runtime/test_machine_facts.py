"""What the Machine tab is told: devices, memory, disk, times, versions, costs, and the hold that keeps a node on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from garret.service_runtime.gpus import Gpus, device_of
from garret.service_runtime.hold import LONGEST_S, Hold
from garret.service_runtime.prices import Prices, PricesFile, WrongPrices
from tests.service_runtime.living import Service, fake_settings, serving, wait

_SAYS = """#!/bin/sh
echo asked >> "{log}"
case "$1" in
  --query-gpu=*) echo "0, NVIDIA H200, 1536, 143771, 37, 41, 312.55, 570.86.15"
                 echo "1, NVIDIA A10, Odd, [N/A], 22731, [N/A], 30, [N/A], 570.86.15" ;;
  --version) printf 'NVIDIA-SMI version  : 570.86.15\\nCUDA Version        : 12.8\\n' ;;
esac
"""


def program(folder: Path, text: str) -> Path:
    """Write a program that stands in nvidia-smi's place."""
    path = folder / "nvidia-smi"
    path.write_text(text.format(log=folder / "asked"))
    path.chmod(0o755)
    return path


def test_what_the_driver_says_of_its_devices(tmp_path: Path) -> None:
    """Memory in bytes, load in percent; what it does not tell is null; many who look at once ask once."""
    gpus = Gpus(str(program(tmp_path, _SAYS)))

    async def look() -> list[object]:
        return list(await asyncio.gather(*(gpus.facts() for _ in range(5))))

    first, *others = asyncio.run(look())
    assert all(one is first for one in others)
    facts = gpus._known.to_dict()
    assert (facts["driver"], facts["cuda"], facts["reason"]) == ("570.86.15", "12.8", "")
    large, small = facts["devices"]
    assert large == {
        "index": 0, "name": "NVIDIA H200", "memory_used": 1536 << 20, "memory_total": 143771 << 20,
        "load_percent": 37.0, "temperature_c": 41.0, "power_w": 312.55,
    }  # fmt: skip
    assert (small["name"], small["memory_used"], small["load_percent"]) == ("NVIDIA A10, Odd", None, None)
    assert len((tmp_path / "asked").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#!/bin/sh\necho Failed to initialize NVML: Driver/library version mismatch; exit 18\n", "version mismatch"),
        ("#!/bin/sh\nexit 9\n", "exit code 9"),
        ("#!/bin/sh\necho no devices\n", "no devices"),
        ("", "Exec format error"),
    ],
)
def test_without_devices_the_reason_is_told(text: str, reason: str, tmp_path: Path) -> None:
    """A driver that does not work is no 500."""
    gpus = Gpus(str(program(tmp_path, text)))
    facts = asyncio.run(gpus.facts())
    assert facts.devices is None
    assert reason in facts.reason


@pytest.mark.parametrize("line", ["", "0", "a, b, c, d, e, f, g, h", ",,,,,,,"])
def test_what_is_no_line_of_a_device_is_left_out(line: str) -> None:
    """Whatever a driver says between them."""
    assert device_of(line) is None


def test_the_machine_tells_what_it_is(service: Service) -> None:
    """All at one address: memory, disk, times, the queue and versions; without a GPU it says why there is none."""
    said = service.call("GET", "/machine").json
    assert said["gpu"]["devices"] or "nvidia-smi" in said["gpu"]["reason"]
    assert 0 < said["host"]["memory_used"] < said["host"]["memory_total"]
    assert 0 < said["host"]["disk_used"] < said["host"]["disk_total"]
    assert 0 < said["uptime"]["service_s"] < said["uptime"]["node_s"]
    assert {"length", "running", "limit", "expected_s"} == said["queue"].keys()
    assert {"garret", "python", "torch", "diffusers", "cuda", "driver"} <= said["versions"].keys()


def test_what_it_costs_is_told_by_who_deployed_it(service: Service) -> None:
    """Since the start that was told, not since a boot before that; telling it is no use of the node."""
    told = {"running_per_hour": 12.0, "stopped_per_hour": 0.5, "currency": "CNY", "made_up": True}
    before = service.call("GET", "/machine").json
    assert service.call("PUT", "/machine/prices", {**told, "since": time.time() - 1800}).status == 200
    said = service.call("GET", "/machine").json
    assert said["autostop"]["last_sign"] == before["autostop"]["last_sign"]
    assert {name: said["cost"][name] for name in told} == told
    assert 0 < said["cost"]["hours"] <= 0.6
    assert said["cost"]["so_far"] == pytest.approx(said["cost"]["hours"] * 12.0, abs=0.01)


def test_prices_are_kept(tmp_path: Path) -> None:
    """Until others are told; a run counts from the boot where that is later than the start that was told."""
    prices = Prices(12.0, 0.5, "USD", since=100.0)
    PricesFile(tmp_path / "prices.json").write(prices)
    assert PricesFile(tmp_path / "prices.json").read() == prices
    facts = prices.facts(now=7400.0, booted=200.0)
    assert (facts["since"], facts["hours"], facts["so_far"]) == (200.0, 2.0, 24.0)
    assert prices.facts(now=50.0, booted=0.0)["so_far"] == 0.0


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "running_per_hour"),
        ({"running_per_hour": -1}, "running_per_hour"),
        ({"running_per_hour": True}, "running_per_hour"),
        ({"running_per_hour": 10**400}, "running_per_hour"),
        ({"running_per_hour": 1, "currency": "<b>"}, "currency"),
        ({"running_per_hour": 1, "made_up": 2}, "made_up"),
        ({"running_per_hour": 1, "other": 1}, "other"),
    ],
)
def test_prices_that_cannot_be_meant(values: dict[str, object], field: str) -> None:
    """Each names its field."""
    with pytest.raises(WrongPrices) as refused:
        Prices.from_dict(values)
    assert refused.value.field == field


@pytest.mark.parametrize("text", ["", "[]", '"x"', '{"running_per_hour": "x"}'])
def test_a_file_of_prices_that_is_none(text: str, tmp_path: Path) -> None:
    """Whatever a power cut left counts as not told."""
    (tmp_path / "prices.json").write_text(text)
    assert PricesFile(tmp_path / "prices.json").read() is None


def test_a_node_is_kept_on_for_as_long_as_somebody_said(tmp_path: Path) -> None:
    """Autostop does not act before; it says so, and who did; kept over a restart; taken back, it acts again."""
    settings = replace(fake_settings(tmp_path), autostop_s=1.0)
    with serving(settings) as service:
        said = service.call("POST", "/machine/hold", {"seconds": 3600}).json
        assert 3590 < said["hold"]["left_s"] <= 3600
        assert said["hold"]["by"] == "local"
        wait(lambda: service.call("GET", "/machine").json["autostop"]["idle_s"] > 1.5, 10, "a second of silence")
        assert service.call("GET", "/machine").json["autostop"]["tries"] == 0
        assert service.call("GET", "/machine").json["autostop"]["stops_in_s"] > 3500
    with serving(settings) as service:
        assert service.call("GET", "/machine").json["autostop"]["hold"]["left_s"] > 3500
        assert service.call("DELETE", "/machine/hold").json["hold"] is None
        wait(lambda: service.call("GET", "/machine").json["autostop"]["tries"] > 0, 10, "autostop to act")
        assert service.call("DELETE", "/machine/hold").status == 200


@pytest.mark.parametrize("seconds", [None, 0, -1, 86_401, "3600", True, 1e300])
def test_a_hold_is_bounded(seconds: object, service: Service) -> None:
    """More than a day, or no time at all, is refused by the field's name."""
    answer = service.call("POST", "/machine/hold", {"seconds": seconds})
    assert (answer.status, answer.json["field"]) == (422, "seconds")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"until": "x"}', '{"until": NaN}', '{"until": 1e300}', '{"until": 1}']
)
def test_what_is_no_hold_keeps_nothing_on(text: str, tmp_path: Path) -> None:
    """A file that was cut off, a clock that was ahead, or one that is over must not pay for a node."""
    path = tmp_path / "hold.json"
    path.write_text(text)
    assert Hold(path).read() is None
    assert Hold().read() is None


def test_no_hold_lasts_longer_than_a_day(tmp_path: Path) -> None:
    """Whoever says more gets as much as there is."""
    hold = Hold(tmp_path / "hold.json", wall=lambda: 1000.0)
    assert hold.begin(1e9, "a").until == 1000.0 + LONGEST_S
    held = hold.read()
    assert held is not None
    assert held.by == "a"
    hold.end()
    hold.end()
    assert hold.read() is None
