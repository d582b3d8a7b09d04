"""The manifests in `ops/cluster/`: for `ray up` by Ray's own schema, for KubeRay by the fields of its API."""

from __future__ import annotations

from copy import deepcopy
from importlib.metadata import version
from typing import Any

import jsonschema
import pytest
import yaml
from click import Context

from daemon.cli.main import cli
from tests.running import ROOT

FOLDER = ROOT / "ops" / "cluster"
LAUNCHED = ("on-premise", "aws")
STARTS = ("head_start_ray_commands", "worker_start_ray_commands")


def manifest(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return loaded


def record(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """The schema of a mapping with these keys and no others."""
    keys = {"properties": required | optional, "required": list(required)}
    return {"type": "object", "additionalProperties": False, **keys}


def several(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema, "minItems": 1}


TEXT, COUNT, FLAG = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
PARAMETERS = {"type": "object", "propertyNames": {"pattern": "^[a-z-]+$"}, "additionalProperties": TEXT}
NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 63}
AMOUNTS = {"type": "object", "additionalProperties": {"type": "string", "pattern": r"^\d+(\.\d+)?(m|Ki|Mi|Gi|Ti)?$"}}
CONTAINER = record(
    {"name": NAME, "image": TEXT, "resources": record({"limits": AMOUNTS, "requests": AMOUNTS})},
    command=several(TEXT),
    ports=several(record({"containerPort": COUNT, "name": NAME})),
    volumeMounts=several(record({"name": NAME, "mountPath": {"type": "string", "pattern": "^/"}})),
)
VOLUME = record(
    {"name": NAME},
    persistentVolumeClaim=record({"claimName": NAME}),
    configMap=record({"name": NAME}),
    emptyDir={"type": "object", "maxProperties": 0},
)
POD = record({"containers": several(CONTAINER)}, volumes=several(VOLUME), terminationGracePeriodSeconds=COUNT)
TEMPLATE = record({"spec": POD})
HEAD = record({"rayStartParams": PARAMETERS, "template": TEMPLATE})
GROUP = record(
    {
        "groupName": NAME,
        "replicas": COUNT,
        "minReplicas": COUNT,
        "maxReplicas": COUNT,
        "rayStartParams": PARAMETERS,
        "template": TEMPLATE,
    }
)
KUBERAY = record(
    {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayCluster"},
        "metadata": record({"name": NAME}, labels=TEXTS),
        "spec": record(
            {"headGroupSpec": HEAD, "workerGroupSpecs": several(GROUP)},
            rayVersion=TEXT,
            enableInTreeAutoscaling=FLAG,
            autoscalerOptions=record({}, idleTimeoutSeconds=COUNT),
        ),
    }
)
"""The part of the API of KubeRay (group ray.io, version v1) and of pods that the manifest uses."""


@pytest.mark.parametrize("name", LAUNCHED)
def test_ray_up_accepts_the_manifest_and_installs_nothing(name: str) -> None:
    util = pytest.importorskip(
        "ray.autoscaler._private.util", reason="Ray is not installed: pip install 'lipdrop[ray]'"
    )
    whole = util.prepare_config(manifest(name))
    util.validate_config(whole)
    commands = [command for key, found in whole.items() if key.endswith("_commands") for command in found]
    assert "pip install" not in " ".join(commands)


@pytest.mark.parametrize("name", LAUNCHED)
def test_ray_up_refuses_a_manifest_with_an_unknown_key(name: str) -> None:
    util = pytest.importorskip(
        "ray.autoscaler._private.util", reason="Ray is not installed: pip install 'lipdrop[ray]'"
    )
    with pytest.raises(jsonschema.ValidationError):
        util.validate_config(util.prepare_config(manifest(name) | {"heads": 2}))


@pytest.mark.parametrize("name", LAUNCHED)
def test_nodes_join_the_head_at_its_port_and_the_head_runs_no_workers(name: str) -> None:
    head, worker = (manifest(name)[key][-1] for key in STARTS)
    assert "--head --port=6379 --num-cpus=0" in head
    assert "--address=$RAY_HEAD_IP:6379" in worker
    assert all("/opt/lipdrop/venv/bin/ray start" in command for command in (head, worker))


def test_kuberay_has_the_fields_of_the_manifest() -> None:
    jsonschema.validate(manifest("kuberay"), KUBERAY)


@pytest.mark.parametrize("path", [("spec", "headGroupSpecs"), ("spec", "headGroupSpec", "rayStartParam")])
def test_a_field_that_kuberay_does_not_have_is_noticed(path: tuple[str, ...]) -> None:
    changed = deepcopy(manifest("kuberay"))
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed, KUBERAY)


def pods() -> list[dict[str, Any]]:
    """The specs of all pods of the manifest for KubeRay."""
    spec = manifest("kuberay")["spec"]
    return [group["template"]["spec"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]


def test_all_pods_have_one_image_and_one_spool() -> None:
    containers = [container for pod in pods() for container in pod["containers"]]
    assert len({container["image"] for container in containers}) == 1
    for pod in pods():
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for found in pod["containers"] for mount in found["volumeMounts"]} == volumes
    assert all({"name": "spool", "mountPath": "/srv/lipdrop"} in found["volumeMounts"] for found in containers)


def test_the_daemon_is_started_as_its_command_line_allows() -> None:
    [command] = [found["command"] for pod in pods() for found in pod["containers"] if "command" in found]
    assert command[:2] == ["lipdrop", "run"]
    lipdrop = Context(cli, **cli.context_settings)
    run = cli.get_command(lipdrop, "run")
    assert run is not None
    run.make_context("run", command[2:], parent=lipdrop)


def test_the_version_of_ray_is_the_installed_one() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'lipdrop[ray]'")
    assert manifest("kuberay")["spec"]["rayVersion"] == version("ray")
