"""The cost of a study in object storage: requests a trial, and the trials a second that one driver records.

    python benchmarks/object_storage.py              # 192 trials at 0 and 25 ms a request
    python benchmarks/object_storage.py --quick      # 42 trials

The storage is moto's S3 server on loopback, which waits before each answer; it shares the cores with the driver.
Trials are closed-form and run one after another in this process, so that the driver's own time is what is measured;
the same study in a local folder stands beside it. Needs the extra `dev`. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}
DELAYS_S = (0.0, 0.025)


def measured(uri: str, num_seeds: int, requests: list[int]) -> dict[str, float]:
    """Run a study with its store at `uri` and read it; `requests` has one number, which the server counts up."""
    from ablative.orchestrator.driving.inline import InlineExecutor
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.showing.display import QuietDisplay
    from ablative.orchestrator.storing.store import Store
    from tests.helpers.simulated import SimulatedTrainable
    from tests.helpers.simulated import make_experiment
    from tests.helpers.simulated import make_study

    study = make_study(seeds={"search": [0], "confirm": list(range(1, num_seeds + 1))})
    store, requests[0] = Store.open(uri), 0
    executor = InlineExecutor(run_trial=SimulatedTrainable(), resources=study.resources, cache=Path())
    started = time.perf_counter()
    with store.claims(study.study) as claims:
        run_study(make_experiment(study), store, executor, QuietDisplay(), claims=claims)
    seconds, running = time.perf_counter() - started, requests[0]
    count = len(store.records(study.study))
    return {
        "trials": count,
        "trials_a_second": round(count / seconds, 1),
        "requests_a_trial": round(running / count, 2),
        "with_reading": round(requests[0] / count, 2),
    }


def main() -> None:
    """Measure, and print a line a storage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    num_seeds = 3 if parser.parse_args().quick else 28
    from moto.server import DomainDispatcherApplication
    from moto.server import create_backend_app
    from pyarrow import fs
    from werkzeug.serving import make_server

    os.environ.update(CREDENTIALS)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application, delay, requests = DomainDispatcherApplication(create_backend_app), [0.0], [0]

    def answer(environ: dict[str, Any], start: Any) -> Any:
        requests[0] += 1
        time.sleep(delay[0])
        return application(environ, start)

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    query = f"?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=us-east-1"
    fs.FileSystem.from_uri(f"s3://bucket{query}&allow_bucket_creation=true")[0].create_dir("bucket")
    with tempfile.TemporaryDirectory() as folder:
        found = {"folder": measured(folder, num_seeds, requests)}
    for seconds in DELAYS_S:
        delay[0] = seconds
        name = f"{seconds * 1000:g} ms"
        found[name] = measured(f"s3://bucket/at-{seconds * 1000:g}{query}", num_seeds, requests)
    for name, figures in found.items():
        print(f"{name}: {figures}")
    server.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
