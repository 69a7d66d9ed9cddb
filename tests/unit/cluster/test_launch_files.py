"""The launch files in `cluster/`, held against what would read them; `tests/integration` runs what can be run here."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.helpers.sources import ROOT

FILES = sorted(path for path in (ROOT / "cluster").iterdir() if path.suffix in (".yaml", ".sbatch"))
OF_RAY = ("local", "ssh", "aws", "gcp")
KUBERAY = json.loads((ROOT / "tests" / "golden" / "rayjob.json").read_text())


def _read(name: str) -> Any:
    return yaml.safe_load((ROOT / "cluster" / name).read_text())


def _prepared(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what `ray up` makes of a file before it asks the cloud; raises as that does."""
    from ray.autoscaler._private.util import prepare_config
    from ray.autoscaler._private.util import validate_config

    prepared: dict[str, Any] = prepare_config(settings)
    validate_config(prepared)
    return prepared


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_header_says_the_command_its_cost_and_at_most_three_things_to_edit(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#!")]
    comments = itertools.takewhile(lambda line: line == "#" or line.startswith("# "), lines)
    header = " ".join(line[1:].strip() for line in comments)

    assert path.resolve().name in header or "cluster.yaml" in header
    assert "Command" in header
    assert "Cost class: " in header
    numbers = re.findall(r"\b(\d)\. ", header.partition("To edit: ")[2])
    assert numbers == ["1", "2", "3"][: len(numbers)] != []
    assert path.name in (ROOT / "docs" / "cluster.md").read_text()


@pytest.mark.parametrize("name", OF_RAY)
def test_rays_validator_takes_the_file_and_refuses_a_misspelt_field(name: str) -> None:
    settings = _read(f"{name}.yaml")
    prepared = _prepared(settings)

    assert {"type": prepared["provider"]["type"]}.items() <= settings["provider"].items()
    with pytest.raises(jsonschema.ValidationError, match="file_mount'"):
        _prepared({**settings, "file_mount": {}})


@pytest.mark.parametrize("name", ["aws", "gcp"])
def test_cloud_workers_start_from_none_and_spot_comes_before_on_demand(name: str) -> None:
    types = _prepared(_read(f"{name}.yaml"))["available_node_types"]

    assert [kind.get("min_workers", 0) for kind in types.values()] == [0, 0, 0]
    assert types["spot"]["priority"] > types["on_demand"]["priority"]
    assert types["spot"]["resources"] == types["on_demand"]["resources"]
    assert types["head"]["resources"]["CPU"] == 0


@pytest.mark.slow
def test_ec2_takes_what_the_file_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against moto's EC2, through boto3's own check of every parameter."""
    import boto3
    from moto import mock_aws

    settings = _prepared(_read("aws.yaml"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with mock_aws():
        ec2 = boto3.resource("ec2", region_name=settings["provider"]["region"])
        image = next(iter(ec2.images.all())).id
        boto3.client("iam").create_instance_profile(InstanceProfileName="my-ablate-profile")
        for name, kind in settings["available_node_types"].items():
            asked = {**kind["node_config"], "ImageId": image, "MinCount": 1, "MaxCount": 1}
            (instance,) = ec2.create_instances(**asked)
            assert (instance.instance_lifecycle == "spot") is (name == "spot")


def test_kuberays_definition_made_strict_takes_the_file() -> None:
    jsonschema.validate(_read("rayjob.yaml"), KUBERAY)


def _misspelt(node: Any) -> Iterator[Any]:
    """Give the document with one key misspelt, for every key whose names are fixed."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("labels", "limits", "requests", "rayStartParams"):
                continue
            yield {**{k: v for k, v in node.items() if k != key}, f"{key}x": value}
            for inner in _misspelt(value):
                yield {**node, key: inner}
    elif isinstance(node, list):
        for place, value in enumerate(node):
            for inner in _misspelt(value):
                yield [*node[:place], inner, *node[place + 1 :]]


def test_kuberays_definition_made_strict_refuses_every_misspelt_field() -> None:
    check = jsonschema.Draft202012Validator(KUBERAY)
    wrong = list(_misspelt(_read("rayjob.yaml")))

    assert len(wrong) > 60
    assert [document for document in wrong if check.is_valid(document)] == []


def test_kueue_finds_its_queue_and_may_end_the_cluster() -> None:
    job = _read("rayjob.yaml")

    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"]
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert group["minReplicas"] == group["replicas"] == group["maxReplicas"]  # Kueue admits a fixed size


def _commands(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("setup", "run", "entrypoint") or key.endswith("_commands"):
                yield from [value] if isinstance(value, str) else value
            else:
                yield from _commands(value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_shell_can_read_every_command(path: Path) -> None:
    commands = [path.read_text()] if path.suffix == ".sbatch" else list(_commands(yaml.safe_load(path.read_text())))

    assert commands
    for command in commands:
        checked = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), command


def test_the_file_to_copy_is_that_for_ssh() -> None:
    assert (ROOT / "cluster" / "cluster.yaml").resolve() == ROOT / "cluster" / "ssh.yaml"


HEALTH_CHECKS = {"RAY_health_check_timeout_ms": "5000", "RAY_health_check_failure_threshold": "4"}
STANDS_IN = r"""#!/bin/bash
case "$0 $*" in
    */srun*) shift; exec "$@" ;;
    */ray\ start\ --head* | */ray\ symmetric-run*) env > "$SEEN" ;;
esac
"""
"""For `ray`, `srun` and `ablate`: notes what Ray's head would see of the environment."""


def _head_commands(path: Path) -> list[str]:
    """Return the shell commands that start Ray's head, among others."""
    if path.suffix == ".sbatch":
        return [path.read_text()]
    settings = yaml.safe_load(path.read_text())
    return list(settings.get("head_start_ray_commands") or [settings["run"]])


def _seen_by_the_head(path: Path, folder: Path) -> dict[str, str]:
    """Run the commands with stand-ins for Ray; return the head's environment."""
    for name in ("ray", "srun", "ablate"):
        (folder / name).write_text(STANDS_IN)
        (folder / name).chmod(0o755)
    seen = folder / "seen"
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "2", "SLURM_CPUS_PER_TASK": "8"}
    sky = {"SKYPILOT_NODE_IPS": "10.0.0.1", "SKYPILOT_NODE_RANK": "0", "STUDY": "quickstart"}
    given = {"HOME": str(folder), "PATH": f"{folder}:{os.environ['PATH']}", "SEEN": str(seen)}
    for command in _head_commands(path):
        subprocess.run(["bash", "-c", command], env={**given, **slurm, **sky}, check=True)
    return dict(line.split("=", 1) for line in seen.read_text().splitlines() if "=" in line)


BY_COMMAND = [path for path in FILES if path.stem not in ("local", "rayjob")]


@pytest.mark.parametrize("path", BY_COMMAND, ids=lambda path: path.name)
def test_a_machine_that_is_cut_off_counts_as_lost_after_four_checks_of_five_seconds(
    path: Path, tmp_path: Path
) -> None:
    """Not `local.yaml`, which has no machine to lose."""
    assert HEALTH_CHECKS.items() <= _seen_by_the_head(path, tmp_path).items()


def test_on_kubernetes_the_head_has_the_same_health_checks() -> None:
    head = _read("rayjob.yaml")["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]

    assert HEALTH_CHECKS.items() <= {one["name"]: one["value"] for one in head["env"]}.items()
