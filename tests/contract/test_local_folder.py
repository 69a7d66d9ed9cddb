from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.lease_contract import LeaseContract
from tests.contract.store_contract import StoreContract


@pytest.fixture
def local_folder(tmp_path: Path) -> str:
    return str(tmp_path / "store")


class TestLocalStore(StoreContract):
    @pytest.fixture
    def uri(self, local_folder: str) -> str:
        return local_folder


@pytest.mark.slow
class TestLocalLeases(LeaseContract):
    num_trials = 200

    @pytest.fixture
    def uri(self, local_folder: str) -> str:
        return local_folder
