from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray
ROOT = Path(__file__).resolve().parents[2]
JOIN = """
import sys
from ablative.cluster.session import connect
from ablative.orchestrator.errors import ClusterError
try:
    with connect(sys.argv[1]):
        print("joined")
except ClusterError as error:
    print(error)
"""


def _join(address: str, folder: Path) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n{JOIN}", address]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    return finished.stdout


def test_a_private_cluster_is_not_joined_by_another_run(ray_cluster: None, tmp_path: Path) -> None:
    said = _join("auto", tmp_path)
    assert "no Ray cluster at address `auto`" in said
    assert "private to another run" in said


def test_an_address_where_no_cluster_is_gives_an_error_with_the_address_and_a_remedy(tmp_path: Path) -> None:
    said = _join("127.0.0.1:1", tmp_path)
    assert "no Ray cluster at address `127.0.0.1:1`" in said
    assert "ray start --head" in said


def test_workers_import_our_packages_from_any_folder(ray_cluster: None) -> None:
    import ray

    @ray.remote(num_cpus=0, runtime_env={"env_vars": {"ELSEWHERE": "1"}})
    def origin() -> str:
        import os

        os.chdir("/")
        from ablative.trainables import job

        return str(Path(job.__file__).resolve().parents[1])

    assert ray.get(origin.remote()) == str(ROOT)
