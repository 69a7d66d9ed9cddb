"""How several workers train one student: each with all of its weights (DDP), or each with a part of them (FSDP2).

When sharded, a worker holds an equal part of every weight, its gradient and the optimiser's state. It gathers a
block's weights only while it computes with them. The results equal DDP's, up to the rounding of sums. The encoder's
`blocks` are gathered one at a time; everything outside blocks, and an encoder without `blocks`, as a whole.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch import distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ablative.trainables.config import OptimConfig
from ablative.trainables.ranks import Ranks
from ablative.trainables.training.step import TrainingStep


def on_workers(module: TrainingStep, optim: OptimConfig, ranks: Ranks) -> nn.Module:
    """Return the callable to use instead of `module`; its gradients are those of all workers. Alone, `module` itself.

    If sharded, `module` itself changes: from here on its parameters are parts, so make the optimiser afterwards.
    """
    if ranks.world == 1:
        return module
    if optim.sharding == "none":
        return DistributedDataParallel(module)
    from torch.distributed.fsdp import fully_shard  # takes a second, which no other trial has to spend

    for block in getattr(module.student.encoder, "blocks", ()):
        fully_shard(block)
    fully_shard(module)
    return module


def is_sharded(module: nn.Module) -> bool:
    """Return whether the parameters of `module` are parts."""
    fsdp = sys.modules.get("torch.distributed.fsdp")
    return fsdp is not None and isinstance(module, fsdp.FSDPModule)


def exchange_gradients(module: nn.Module, exchanged: bool) -> None:
    """Let a sharded module's next backward pass sum gradients over the workers, or keep them for a later pass."""
    if is_sharded(module):
        module.set_requires_gradient_sync(exchanged)  # type: ignore[operator]


def share_buffers(module: nn.Module) -> None:
    """Let all workers take over rank 0's buffers, as DDP does before each step, except frozen ones."""
    saved = module.state_dict(keep_vars=True)
    for name, buffer in module.named_buffers():
        if name in saved:
            distributed.broadcast(buffer, 0)


def whole_student(module: TrainingStep) -> Mapping[str, Tensor]:
    """Return the student's state with whole weights, on rank 0; every worker must call it."""
    if not is_sharded(module):
        return module.student.state_dict()
    return _whole_state(module.student)


class WholeModule:
    """The state of a sharded module in the form of a whole one."""

    def __init__(self, module: nn.Module) -> None:
        """`module` is sharded."""
        self._module = module

    def state_dict(self) -> dict[str, Any]:
        """Return it, on rank 0; every worker must call it."""
        return _whole_state(self._module)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over this worker's part of it; every worker must call it."""
        from torch.distributed.checkpoint import state_dict as states

        states.set_model_state_dict(self._module, state, options=states.StateDictOptions(full_state_dict=True))


class WholeOptimizer:
    """The state of a sharded module's optimiser in the form of a whole one."""

    def __init__(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """`optimizer` has the parameters of `module`."""
        self._module = module
        self._optimizer = optimizer

    def state_dict(self) -> dict[str, Any]:
        """Return it, on rank 0; every worker must call it."""
        from torch.distributed.checkpoint import state_dict as states

        whole = states.StateDictOptions(full_state_dict=True, cpu_offload=True)
        return states.get_optimizer_state_dict(self._module, self._optimizer, options=whole)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over this worker's part of it; every worker must call it."""
        from torch.distributed.checkpoint import state_dict as states

        whole = states.StateDictOptions(full_state_dict=True)
        states.set_optimizer_state_dict(self._module, self._optimizer, state, options=whole)


def own_part(tensor: Tensor) -> Tensor:
    """Return this worker's part of a parameter or its gradient, sharing its memory; all of it if not sharded."""
    held: Any = tensor.detach()
    return held.to_local() if _is_part(held) else held


def whole(tensor: Tensor) -> Tensor:
    """Return the whole tensors of which workers hold parts; every worker must call it."""
    held: Any = tensor
    return held.full_tensor() if _is_part(held) else held


def part_of_whole(whole: Tensor, like: Any) -> Tensor:
    """Return this worker's part of a whole tensor, laid out like `like`; every worker must call it."""
    if not _is_part(like):
        return whole
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(whole.to(like.device), like.device_mesh, like.placements).to_local()


def whole_of_parts(part: Tensor, like: Any) -> Tensor:
    """Return the whole of a tensor whose part on this worker is laid out like `like`; every worker must call it."""
    if not _is_part(like):
        return part
    from torch.distributed.tensor import DTensor

    return DTensor.from_local(
        part, like.device_mesh, like.placements, shape=like.shape, stride=like.stride()
    ).full_tensor()


def _is_part(tensor: object) -> bool:
    tensors = sys.modules.get("torch.distributed.tensor")
    return tensors is not None and isinstance(tensor, tensors.DTensor)


def _whole_state(module: nn.Module) -> dict[str, Any]:
    from torch.distributed.checkpoint import state_dict as states

    found: dict[str, Any] = states.get_model_state_dict(
        module, options=states.StateDictOptions(full_state_dict=True, cpu_offload=True)
    )
    return found
