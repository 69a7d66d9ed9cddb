"""The store and its leases on an S3 server of their own, spoken to over HTTP as any other one is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.serving import WSGIRequestHandler

from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.store import Store
from ablative.places import inside
from tests.contract.lease_contract import LeaseContract
from tests.contract.store_contract import StoreContract
from tests.helpers import s3
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def query() -> Iterator[str]:
    """What a URI of a bucket ends with."""
    with s3.server(verbose=True) as found:
        yield found


@pytest.fixture
def bucket(query: str) -> str:
    return inside(s3.new_bucket(query), "path")


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Method and path of each request that the server gets."""
    seen: list[str] = []
    monkeypatch.setattr(
        WSGIRequestHandler, "log_request", lambda handler, *_: seen.append(handler.requestline.partition("?")[0])
    )
    return seen


@pytest.mark.parametrize("size", [0, 100, 3_000_000])
def test_a_file_takes_one_request_to_write_and_another_to_look_for(
    bucket: str, requests: list[str], size: int
) -> None:
    folder = Folder(bucket)
    requests.clear()

    folder.write("place/name", b"x" * size)
    assert [line.split()[0] for line in requests] == ["PUT"]
    requests.clear()
    assert folder.exists("place/name") and not folder.exists("place/other")
    assert [line.split()[0] for line in requests] == ["HEAD", "HEAD"]


def test_a_trial_costs_at_most_eight_requests(bucket: str, requests: list[str]) -> None:
    study = make_study(seeds={"search": [0], "confirm": list(range(1, 9))})
    store = Store.open(bucket)
    executor = InlineExecutor(run_trial=SimulatedTrainable(), resources=study.resources, cache=Path())
    requests.clear()
    with store.claims(study.study) as claims:
        run_study(make_experiment(study), store, executor, QuietDisplay(), claims=claims)
    count = len(requests)

    assert count / len(store.records(study.study)) < 8


class TestS3Store(StoreContract):
    @pytest.fixture
    def uri(self, bucket: str) -> str:
        return bucket


@pytest.mark.slow
class TestS3Leases(LeaseContract):
    num_trials = 60

    @pytest.fixture
    def uri(self, bucket: str) -> str:
        return bucket
