"""Whether a processor has instructions for bfloat16; without them it is many times slower than float32. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ablative.trainables.config import TrialConfig

CPU_INFO = Path("/proc/cpuinfo")
_INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"}
"""Of x86 (AVX-512, AMX, AVX) and of ARM, as Linux spells them."""
_REMEDY = "set optim.precision to float32, or train on GPUs (resources.gpus_per_worker)"


def lacks_bfloat16() -> bool:
    """Return whether this machine's processor has no instructions for bfloat16; false if Linux does not say."""
    try:
        with CPU_INFO.open() as lines:
            for line in lines:
                name, _, flags = line.partition(":")
                if name.strip() in ("flags", "Features"):
                    return _INSTRUCTIONS.isdisjoint(flags.split())
    except OSError:
        pass
    return False


def refusal(config: TrialConfig) -> str | None:
    """Return why this machine's processor cannot run a trial of `config`, with the remedy; None if it can.

    There is no fallback: in another precision it would be another trial.
    """
    if config.optim.precision != "bfloat16" or not lacks_bfloat16():
        return None
    return (
        f"optim.precision: bfloat16 on a processor without instructions for it is far slower than float32; {_REMEDY}"
    )


def refusals(configs: Iterable[TrialConfig]) -> tuple[str, ...]:
    """Return one line for each reason why this machine's processor cannot run trials of some `configs`."""
    return tuple(dict.fromkeys(line for config in configs if (line := refusal(config)) is not None))
