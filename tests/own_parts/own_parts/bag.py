"""A student: each word with the mean of the picture's regions."""

from ablative import Field
from ablative import Options
from ablative import Preset
from ablative import Student

NUM_WORDS = 30522  # BERT's uncased vocabulary


class BagOptions(Options):
    width: int = Field(32, ge=4, le=512, description="Width of the states.")


def build(settings, head, region_width):
    import torch
    from torch import nn

    from ablative import StudentModule

    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.width = width = settings.bag.width
            self.words = nn.Embedding(NUM_WORDS, width)
            self.regions = nn.Linear(region_width, width)
            self.both = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

        def forward(self, batch):
            seen = self.regions(batch.regions_BRF.float())
            mask = batch.region_mask_BR.unsqueeze(-1)
            picture = (seen * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
            states = self.both(self.words(batch.ids_BL) * picture)
            words = batch.text_mask_BL.unsqueeze(-1)
            whole = (states * words).sum(1, keepdim=True) / words.sum(1, keepdim=True)
            return torch.cat([whole, states[:, 1:]], dim=1), seen

    return StudentModule(Bag(), head(settings.bag.width))


BAG = Student(
    name="bag",
    description="Each word with the mean of the picture's regions.",
    presets={"bag": Preset(description="32 wide", longest_text=32, parameters=1_000_000)},
    options=BagOptions,
    build=build,
)
