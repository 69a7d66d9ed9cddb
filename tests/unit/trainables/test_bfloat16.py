"""bfloat16 on a processor without instructions for it is refused, before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablative.trainables import bfloat16
from ablative.trainables.bfloat16 import lacks_bfloat16
from ablative.trainables.bfloat16 import refusals
from ablative.trainables.config import TrialConfig

PROCESSORS = {
    "flags\t\t: fpu sse2 avx2 fma": True,
    "flags\t\t: fpu avx2 avx512f avx512bw avx512_vnni": True,
    "flags\t\t: fpu avx2 avx512f avx512_bf16": False,
    "flags\t\t: fpu avx2 amx_tile amx_bf16": False,
    "Features\t: fp asimd atomics sve": True,
    "Features\t: fp asimd bf16 i8mm": False,
    "": False,
}
ROUNDED = TrialConfig.model_validate({"optim": {"precision": "bfloat16"}})


@pytest.mark.parametrize(("flags", "lacks"), PROCESSORS.items())
def test_a_processor_is_known_by_its_flags(
    flags: str, lacks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nmodel name\t: one that says bf16\n{flags}\n")
    monkeypatch.setattr(bfloat16, "CPU_INFO", info)
    assert lacks_bfloat16() is lacks
    assert [line.partition(":")[0] for line in refusals([ROUNDED, TrialConfig(), ROUNDED])] == [
        "optim.precision"
    ] * lacks


def test_nothing_is_refused_where_the_system_does_not_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bfloat16, "CPU_INFO", tmp_path / "none")
    assert not lacks_bfloat16()
    assert refusals([ROUNDED]) == ()
