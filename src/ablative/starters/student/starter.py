"""A student: a model that reads words and the regions of a picture, and is trained."""

from typing import Any

from ablative import Field
from ablative import Options
from ablative import Preset
from ablative import Student

NUM_WORDS = 30522  # BERT's uncased vocabulary


class StarterOptions(Options):
    """A study sets them as `student.starter.<name>`."""

    layers: int = Field(1, ge=1, le=8, description="Layers, one above the other.")


def build(settings: Any, head: Any, region_width: int) -> Any:
    """Return the student; torch is imported in here, so that `ablate check` need not wait for it.

    B sequences, L tokens, R regions (the whole picture first), F and S widths of regions and states.
    """
    import torch
    from torch import nn

    from ablative import StudentModule

    class Encoder(nn.Module):
        width = 64

        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(NUM_WORDS, self.width)
            self.regions = nn.Linear(region_width, self.width)
            self.gru = nn.GRU(self.width, self.width, num_layers=settings.starter.layers, batch_first=True)

        def forward(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
            """Return states of tokens (B, L, S), the first one of the whole input, and of the regions (B, R, S)."""
            seen_BRS = self.regions(batch.regions_BRF.float())
            mask_BR1 = batch.region_mask_BR.unsqueeze(-1)
            picture_B1S = (seen_BRS * mask_BR1).sum(1, keepdim=True) / mask_BR1.sum(1, keepdim=True)
            states_BLS, _ = self.gru(self.words(batch.ids_BL) + picture_B1S)
            last_B = batch.text_mask_BL.sum(1) - 1
            whole_B1S = states_BLS[torch.arange(len(last_B)), last_B].unsqueeze(1)
            return torch.cat([whole_B1S, states_BLS[:, 1:]], dim=1), seen_BRS

    encoder = Encoder()
    return StudentModule(encoder, head(encoder.width))


PARTS = [
    Student(
        name="starter",
        description="A GRU over the words, each with the mean of the picture's regions.",
        presets={"starter_small": Preset(description="64 wide", longest_text=64, parameters=2_100_000)},
        options=StarterOptions,
        build=build,
    )
]
