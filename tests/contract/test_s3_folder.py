"""The store and its leases on an S3 server of their own, spoken to over HTTP as any other one is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs

from tests.contract.lease_contract import LeaseContract
from tests.contract.store_contract import StoreContract

pytestmark = pytest.mark.slow

_numbers = itertools.count()


@pytest.fixture(scope="module")
def query() -> Iterator[str]:
    """What a URI of a bucket ends with, so that it is looked for on the server of these tests."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "somebody")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
        server.stop()


@pytest.fixture
def bucket(query: str) -> str:
    name = f"bucket{next(_numbers)}"
    files, _ = fs.FileSystem.from_uri(f"s3://{name}{query}&allow_bucket_creation=true")
    files.create_dir(name)
    return f"s3://{name}/path{query}"


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
