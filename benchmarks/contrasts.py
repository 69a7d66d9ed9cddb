"""The contrasts of the large study in `docs/results`: all at once, beside one after another.

    python benchmarks/contrasts.py                # all 3,731; some minutes
    python benchmarks/contrasts.py --quick        # every tenth of them, one after another; less than a minute

"in bulk" is the view itself. "one by one" computes the same numbers for one contrast at a time: the sign-flip test,
scipy's Wilcoxon test, and scipy's bootstrap of the values for both intervals. p-values of the sign-flip test and BCa
intervals must be equal bit by bit. Ranks and duels are not where values differ in their last bits only. CPU seconds
are those of this process after imports; with --quick those of "one by one" are scaled up to all contrasts. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from ablative import analysis
from ablative.analysis.numbers.bootstrap import RESAMPLES
from ablative.analysis.numbers.statistics import sign_flip_p_value
from ablative.analysis.pairing.contrast import Contrast
from ablative.analysis.pairing.contrast import contrasts_of
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.pairing.verdicts import SEED
from ablative.analysis.views.contrasts import contrasts_view
from ablative.analysis.views.contrasts import primary_contrasts_view
from ablative.analysis.views.results import Results

STUDY = "mini_clip_td"
STORE = Path(__file__).resolve().parents[1] / "docs" / "results" / STUDY
Row = dict[str, Any]


def one_by_one(item: Contrast) -> Row:
    """Return the expensive numbers of one contrast."""
    values = np.array(item.differences)
    first, second = item.sides()
    return {
        "p_value": sign_flip_p_value(item.differences, np.random.default_rng(SEED)),
        "p_wilcoxon": float(stats.wilcoxon(values).pvalue) if values.any() else 1.0,
        "bca": bootstrap(item.by_task(), lambda *tasks, axis: np.concatenate(tasks, axis=axis).mean(axis=axis), "BCa"),
        "improvement": bootstrap([*first, *second], improvement, "percentile"),
        "median": float(np.median(values)),
        "iqm": float(stats.trim_mean(values, 0.25)),
    }


def bootstrap(strata: list[np.ndarray], statistic: Any, method: str) -> tuple[float, float]:
    """Return scipy's interval of one sample."""
    rng = np.random.default_rng(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = stats.bootstrap(strata, statistic, vectorized=True, method=method, n_resamples=RESAMPLES, rng=rng)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def improvement(*strata: np.ndarray, axis: int) -> np.ndarray:
    """Return how often a run of the one side beats one of the other, averaged over tasks."""
    tasks = len(strata) // 2
    duels = ((x[..., :, None], y[..., None, :]) for x, y in zip(strata[:tasks], strata[tasks:], strict=True))
    return np.asarray(np.mean([np.mean((x > y) + 0.5 * (x == y), axis=(-2, -1)) for x, y in duels], axis=0))


def of_the_view(results: Results, rows: list[Row]) -> list[tuple[Contrast, Row]]:
    """Return every contrast with its row of the view."""
    plan = results.plan(STUDY)
    observations = observe(results.observed(STUDY), plan)
    items: list[Contrast] = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        pairing = pairing_of(observations, plan, metric)
        for condition in (None, *pairing.conditions):
            items += contrasts_of(pairing, plan, (), condition)
    return list(zip(items, rows, strict=True))


def cpu(work: Any) -> tuple[float, Any]:
    """Return the CPU seconds that `work` takes, and what it returns."""
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


def main() -> None:
    """Measure both sides and compare their results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one by one for every tenth contrast")
    options = parser.parse_args()
    results = analysis.load(str(STORE), STUDY)
    plan, records = results.plan(STUDY), results.observed(STUDY)
    primary, _ = cpu(lambda: primary_contrasts_view(records, plan))
    bulk, table = cpu(lambda: contrasts_view(records, plan))
    rows = table.to_pylist()
    chosen = of_the_view(results, rows)[:: 10 if options.quick else 1]
    single, found = cpu(lambda: [one_by_one(item) for item, _ in chosen])
    pairs = [(made, row) for made, (_, row) in zip(found, chosen, strict=True)]
    known = [(made["bca"], (row["bca_ci_low"], row["bca_ci_high"])) for made, row in pairs]
    figures = {
        "contrasts": len(rows),
        "compared": len(pairs),
        "in_bulk_cpu_s": round(bulk, 2),
        "primary_alone_cpu_s": round(primary, 2),
        "one_by_one_cpu_s": round(single * len(rows) / len(pairs), 2),
        "one_by_one_measured_cpu_s": round(single, 2),
        "bca_unequal": sum(made != kept for made, kept in known if kept != (None, None)),
        "p_value_unequal": sum(made["p_value"] != row["p_value"] for made, row in pairs),
        "p_wilcoxon_levelled": sum(abs(made["p_wilcoxon"] - row["p_wilcoxon"]) > 1e-12 for made, row in pairs),
        "improvement_levelled": sum(
            made["improvement"] != (row["improvement_ci_low"], row["improvement_ci_high"]) for made, row in pairs
        ),
    }
    print(json.dumps({"benchmark": "contrasts", **figures}))


if __name__ == "__main__":
    main()
