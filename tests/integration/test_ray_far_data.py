"""Machines with caches of their own: what one prepares of data in object storage, the other fetches and trains on."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ablative.orchestrator.storing.store import Store
from ablative.trainables.cache import local_cache
from tests.helpers import machines
from tests.helpers import s3
from tests.helpers.own_pictures import draw
from tests.helpers.own_pictures import rows
from tests.helpers.own_pictures import write_csv
from tests.helpers.sources import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

NODE = ("--disable-usage-stats", "--object-store-memory=80000000")
PORT = 9000
SMALL = ("base.optim.min_steps=2", "base.optim.max_steps=2", "seeds.confirm=[1,2]")
UPLOADING = """
import sys
from pathlib import Path
from tests.helpers import s3
bucket = s3.new_bucket(sys.argv[1])
s3.uploaded(Path(sys.argv[2]), sys.argv[3])
"""


def test_a_study_on_data_and_cache_in_a_bucket_trains_on_machines_whose_own_caches_were_empty(tmp_path: Path) -> None:
    reason = machines.missing()
    if reason and not os.environ.get("CI"):  # in CI it must run
        pytest.skip(reason)
    (tmp_path / "machines").mkdir()
    with machines.started(tmp_path / "machines", ("head", "left", "right")) as found:
        head, place = found["head"], Path(tempfile.mkdtemp(dir=found.folder))
        given = rows()
        draw(place / "pictures", given)
        write_csv(place / "pictures" / "metadata.csv", given)
        query = f"?endpoint_override={head.address}:{PORT}&scheme=http&region=us-east-1"
        data, cache = (f"s3://somebody:secret@bucket0/{name}{query}" for name in ("pictures", "cache"))
        head.begin("moto_server", "-H", head.address, "-p", f"{PORT}", said=place / "s3", **s3.CREDENTIALS)
        _uploaded(head, query, place / "pictures", data)
        head.run(
            *("ray", "start", "--head", "--num-cpus=0", "--port=6379", "--dashboard-host=127.0.0.1"),
            *(f"--node-ip-address={head.address}", *NODE),
        )
        for name in ("left", "right"):
            where = (f"--address={head.address}:6379", f"--node-ip-address={found[name].address}")
            found[name].run("ray", "start", *where, "--num-cpus=1", *NODE)

        study = (str(ROOT / "docs" / "examples" / "own_pictures.yaml"), *SMALL, f"base.task.data={data}")
        ablate = (sys.executable, "-m", "ablative.orchestrator.commands.cli", "run", *study, "--address", "auto")
        said = head.run(*ablate, ABLATE_STORE=str(place / "store"), ABLATE_CACHE=cache, timeout_s=600)

        records = Store.open(str(place / "store")).records("own_pictures")
        assert [(record.error, record.attempts) for record in records] == [("", 1)] * 6, said
        own = local_cache(cache).relative_to(Path.home())
        for name in ("left", "right"):
            assert list((found[name].folder / "home" / own / "teacher_features").glob("*/images/shard-*")), said


def _uploaded(head: machines.Machine, query: str, folder: Path, uri: str) -> None:
    for left in reversed(range(30)):  # the server needs a moment
        try:
            head.run(sys.executable, "-c", UPLOADING, query, str(folder), uri, **s3.CREDENTIALS)
            return
        except AssertionError:
            if not left:
                raise
            time.sleep(1)
