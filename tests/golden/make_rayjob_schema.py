"""Makes `rayjob.json`, of v1.7.0, from KubeRay's own definition: `make_rayjob_schema.py ray.io_rayjobs.yaml TAG`.

The definition (Apache-2.0, `ray-operator/config/crd/bases/` of ray-project/kuberay) has 1.4 MB, most of it every
field that a pod may have. Kept is what a launch file of ours may use, word for word but for the descriptions. What
it does not name is refused: Kubernetes itself drops unknown fields in silence.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

KEPT = {
    "spec": {
        *("activeDeadlineSeconds", "backoffLimit", "entrypoint", "rayClusterSpec", "runtimeEnvYAML", "suspend"),
        *("shutdownAfterJobFinishes", "submissionMode", "ttlSecondsAfterFinished", "metadata"),
    },
    "rayClusterSpec": {"authOptions", "enableInTreeAutoscaling", "headGroupSpec", "rayVersion", "workerGroupSpecs"},
    "headGroupSpec": {"rayStartParams", "serviceType", "template"},
    "template": {"metadata", "spec"},
    "template.spec": {
        "containers",
        "imagePullSecrets",
        "nodeSelector",
        "serviceAccountName",
        "tolerations",
        "volumes",
    },
    "containers": {
        *("args", "command", "env", "envFrom", "image", "imagePullPolicy", "name", "ports", "resources"),
        "volumeMounts",
    },
    "volumes": {"configMap", "emptyDir", "hostPath", "name", "persistentVolumeClaim", "secret"},
}
"""Property -> fields that are kept of it; of others all are."""
NAMED = {
    "labels": {"additionalProperties": {"type": "string"}, "type": "object"},
    "name": {"type": "string"},
    "generateName": {"type": "string"},
    "namespace": {"type": "string"},
}
"""Of Kubernetes' own metadata, which the definition leaves open."""


def made(definition: dict[str, Any], tag: str) -> dict[str, Any]:
    """Return the schema."""
    (version,) = [found for found in definition["spec"]["versions"] if found["name"] == "v1"]
    schema = _strict(version["schema"]["openAPIV3Schema"], "", "")
    kept = schema["properties"]
    kept.pop("status")
    kept["apiVersion"], kept["kind"] = {"const": "ray.io/v1"}, {"const": "RayJob"}
    kept["metadata"] = {"type": "object", "properties": NAMED, "additionalProperties": False}
    source = f"https://github.com/ray-project/kuberay/blob/{tag}/ray-operator/config/crd/bases/ray.io_rayjobs.yaml"
    return {
        "$comment": f"From {source} (Apache-2.0), by make_rayjob_schema.py: made strict, and fewer fields",
        **schema,
    }


def _strict(node: Any, name: str, parent: str) -> Any:
    if not isinstance(node, dict):
        return node
    found = {key: value for key, value in node.items() if key != "description" and not key.startswith("x-kubernetes")}
    if "properties" in found:
        wanted = KEPT.get(f"{parent}.{name}", KEPT.get(name))
        found["properties"] = {
            key: _strict(value, key, name)
            for key, value in node["properties"].items()
            if wanted is None or key in wanted
        }
        found["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            found[key] = _strict(node[key], name, parent)
    return found


if __name__ == "__main__":
    read = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    target = Path(__file__).with_name("rayjob.json")
    target.write_text(json.dumps(made(read, sys.argv[2]), separators=(",", ":")) + "\n", encoding="utf-8")
