"""The study file's schema. What it says about the trial configuration is checked by `search_spaces.load`."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import BaseModel
from pydantic import BeforeValidator
from pydantic import Discriminator
from pydantic import Field
from pydantic import Tag
from pydantic import WithJsonSchema
from pydantic import model_serializer
from pydantic import model_validator
from pydantic_core import PydanticCustomError

from ablative.frozen import Frozen
from ablative.search_spaces.configuration import value_at
from ablative.search_spaces.domains import Domain
from ablative.search_spaces.margins import WrittenMargin
from ablative.search_spaces.proposals import SamplerName
from ablative.search_spaces.scalars import Flag
from ablative.search_spaces.scalars import Name
from ablative.search_spaces.scalars import Number
from ablative.search_spaces.scalars import Text
from ablative.search_spaces.scalars import Whole
from ablative.search_spaces.spending import Correction
from ablative.search_spaces.spending import Estimate
from ablative.search_spaces.spending import Spending
from ablative.search_spaces.stopping import Stop
from ablative.search_spaces.when import When
from ablative.search_spaces.when import holds

Changes = dict[str, Any]
"""Dotted path in the trial configuration -> the value it gets."""
Levels = Annotated[tuple[Any, ...], Field(min_length=1)]
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
MOST_SEEDS = 1000
_SEED_RANGE = re.compile(r"(\d{1,10})-(\d{1,10})")


def _seeds(value: Any) -> Any:
    """`1-6` written out; a list as it is."""
    if isinstance(value, (list, tuple)):
        return value
    bounds = _SEED_RANGE.fullmatch(value) if isinstance(value, str) else None
    first, last = map(int, bounds.groups()) if bounds else (1, 0)
    if not first <= last < first + MOST_SEEDS:
        many = f" of at most {MOST_SEEDS}" if bounds and first <= last else ""
        count = value if isinstance(value, int) and 1 < value <= MOST_SEEDS else 6
        raise PydanticCustomError("seeds", f"a list of seeds, as [1, 2, 3], or a range{many}, as 1-{count}")
    return tuple(range(first, last + 1))


SeedList = Annotated[
    tuple[Seed, ...],
    BeforeValidator(_seeds),
    Field(min_length=1, max_length=MOST_SEEDS),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0, "exclusiveMaximum": 2**32},
                    "minItems": 1,
                    "maxItems": MOST_SEEDS,
                },
                {"type": "string", "pattern": f"^{_SEED_RANGE.pattern}$"},
            ]
        }
    ),
]
"""Seeds as a list, or as a range with both ends: `1-6`."""
MOST_SECONDS = 1e9
"""Some thirty years."""
Workers = Annotated[Whole, Field(ge=1, le=10_000)]
Cpus = Annotated[Whole, Field(ge=1, le=10_000)]
Gpus = Annotated[Number, Field(ge=0, le=1000)]
Amount = Annotated[Number, Field(ge=1e-4, le=1e9)]
"""Of one of Ray's resources, which counts in ten-thousandths."""
DESIGNS = ("listed", "add_one", "leave_one_out", "ladder", "factorial", "fractional", "path")


class Target(Frozen):
    """What search maximises or minimises, and what effects are computed of."""

    metric: Text = Field("val/accuracy", description="`val/` and a metric's name; tests are for the confirm phase.")
    mode: Literal["max", "min"] = Field("max", description="Whether more or less is better.")


class Factor(Frozen):
    """One part of the method, in exactly one of four forms; a bare list is short for `values`."""

    without: Changes | None = Field(None, description="The part is in the base; these changes take it away.")
    with_: Changes | None = Field(
        None, validation_alias="with", description="The part is not in the base; these changes add it."
    )
    levels: dict[Name, Changes] | None = Field(None, min_length=1, description="Named alternatives to the base.")
    values: Levels | None = Field(
        None, description="Alternative values, where the factor's name is the dotted path of a field."
    )

    @model_validator(mode="before")
    @classmethod
    def _list_as_values(cls, value: Any) -> Any:
        return {"values": value} if isinstance(value, (list, tuple)) else value

    @model_serializer(mode="plain")
    def _as_written(self) -> dict[str, Any]:
        forms = {"without": self.without, "with": self.with_, "levels": self.levels, "values": self.values}
        return {form: list(given) if form == "values" else given for form, given in forms.items() if given is not None}

    @property
    def form(self) -> str:
        """`without`, `with`, `levels` or `values`; several joined by a comma where more than one is given."""
        return ", ".join(self._as_written())


def _names_as_mapping(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    if not all(isinstance(name, str) for name in value):
        raise PydanticCustomError("names", "a list of names, or a mapping of names to changes")
    if len(set(value)) < len(value):
        raise PydanticCustomError("names", "a list in which no name occurs twice")
    return dict.fromkeys(value)


class Arms(Frozen):
    """What is compared."""

    design: Literal["listed", "add_one", "leave_one_out", "ladder", "factorial", "fractional", "path"] = Field(
        "listed", description="The rule that turns factors into arms."
    )
    resolution: Literal[3, 4, 5] | None = Field(
        None,
        description="Resolution of a fractional design, 4 by default: no main effect is aliased "
        "with a two-factor interaction.",
    )
    order: Literal["greedy", "racing"] | None = Field(
        None,
        description="How a path picks its next change, `greedy` by default; `racing` drops changes "
        "that fall behind, seed by seed.",
    )
    base: Name = Field("base", description="Name of the arm that is the base unchanged.")
    factors: dict[Name, Factor] = Field({}, description="Parts of the method that the design varies.")
    listed: Annotated[dict[Name, Changes | None], BeforeValidator(_names_as_mapping)] = Field(
        {},
        description="Arms by name, each with its changes to the base; {} is the base itself. A "
        "named control needs no changes.",
    )
    controls: Annotated[dict[Name, Changes | None], BeforeValidator(_names_as_mapping)] = Field(
        {}, description="Names of built-in controls, or your own controls with their changes to the base."
    )
    reference: Name | None = Field(
        None, description="Arm that effects are measured against; by default the base, or the first listed arm."
    )


class Cost(Frozen):
    """What a searched number costs, so that a search can weigh it against the target."""

    path: Text = Field(description="Dotted path of the searched number, such as task.data_fraction.")
    weight: Annotated[Number, Field(ge=1e-9, le=1e9)] | None = Field(
        None,
        description="What one unit costs, in units of the target. Without it, both are optimised and "
        "the Pareto front is recorded.",
    )
    scale: Literal["linear", "log"] = Field("linear", description="`log`: a unit is a power of ten.")


class Search(Frozen):
    """The budget each cell gets to find its setting; equal for all cells."""

    trials: Whole = Field(1, ge=1, le=10_000, description="Settings tried in each cell.")
    batch: Whole = Field(
        4, ge=1, le=10_000, description="Settings proposed at a time; by default 4, or all if there are fewer."
    )
    sampler: SamplerName = Field(
        "tpe", description="How settings are proposed; `ablate parts sampler` lists what each sampler needs."
    )
    stop: Stop | None = Field(None, description="Rule that stops poor settings early; none by default.")
    warm_start: Name | None = Field(
        None, description="Another study in the same store; every cell first learns from its completed settings."
    )
    device_seconds: Annotated[Number, Field(ge=1e-3, le=MOST_SECONDS)] | None = Field(
        None, description="Time budget of a cell's search, besides `trials`: once it is spent, no new batch starts."
    )
    cost: Cost | None = Field(None, description="The cost of a searched number; by default nothing has a cost.")
    repeats: Annotated[Whole, Field(ge=1, le=MOST_SEEDS)] = Field(
        1,
        description="Searches of each cell; the search seeds are divided among them, and the confirm seeds dealt out "
        "to the settings that they find.",
    )
    shared: Flag = Field(
        False,
        description="Whether all arms of a condition share one setting, the best by their mean: equal, not tuned.",
    )
    space: dict[str, Domain] = Field({}, description="Dotted path -> domain.")

    @property
    def trades(self) -> bool:
        """Whether the cost is a second target and not subtracted from the first."""
        return self.cost is not None and self.cost.weight is None

    @model_validator(mode="before")
    @classmethod
    def _batch_within_trials(cls, value: Any) -> Any:
        if isinstance(value, dict) and "batch" not in value and isinstance(value.get("trials", 1), int):
            return {**value, "batch": max(1, min(4, value.get("trials", 1)))}
        return value


class Sequential(Frozen):
    """Looks at the comparisons before all confirm seeds are run; what is clear then gets no more of them."""

    looks: Annotated[tuple[Annotated[Whole, Field(ge=2, le=MOST_SEEDS)], ...], Field(min_length=1)] = Field(
        description="Numbers of confirm seeds at which to look early; the last look, at all of them, is implied."
    )
    spending: Spending = Field(
        "pocock",
        description="How alpha is spent over the looks: about equally (`pocock`), or little at "
        "first (`obrien_fleming`).",
    )
    futility: Annotated[Number, Field(ge=0.001, le=0.5)] | None = Field(
        None,
        description="Chance of showing a difference beyond comparisons.margin with all seeds, below which an arm gets "
        "no more of them; none is given up for it if absent.",
    )


class Seeds(Frozen):
    """Seeds of search, and the replicates that the answer rests on."""

    search: SeedList = Field((0,), description="Seeds of every search setting: a list, or a range such as 0-2.")
    confirm: SeedList = Field(
        (1, 2, 3, 4, 5, 6),
        description="Seeds of the best setting: a list, or a range. `ablate check` says how many are needed.",
    )
    nested: Flag = Field(
        False,
        description="Whether each confirm seed has its own search; its best trial on val becomes its test trial.",
    )
    sequential: Sequential | None = Field(
        None,
        description="Stop adding confirm seeds to comparisons that are already clear; by default all seeds are run.",
    )

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of confirm seeds at which comparisons are looked at; the last is all of them."""
        return (*(self.sequential.looks if self.sequential else ()), len(self.confirm))


class ResourcesWhere(Frozen):
    """Other resources for some configurations; fields left out keep the general value."""

    when: Annotated[When, Field(min_length=1)] = Field(description="Requirements that a trial's configuration meets.")
    workers: Workers | None = Field(None, description="Ray Train workers of a trial.")
    cpus_per_worker: Cpus | None = Field(None, description="CPU threads of a worker.")
    gpus_per_worker: Gpus | None = Field(None, description="GPUs of a worker; a share below 1, or a whole number.")
    custom: dict[Name, Amount] | None = Field(
        None, description="Ray's custom resources of a worker; they replace the general ones."
    )


class ElasticWorkers(Frozen):
    """How many workers a trial may have: fewer where machines are lost or there is no room for all of them."""

    min: Workers = Field(description="Fewest workers; a divisor of `max`, so that they share a batch evenly.")
    max: Workers = Field(description="Workers where there is room.")

    @model_validator(mode="after")
    def _share_evenly(self) -> ElasticWorkers:
        if self.max % self.min or self.min == self.max:
            raise PydanticCustomError("workers", "one number, or a min below max that divides it, as {min: 2, max: 8}")
        return self

    @property
    def fewer(self) -> tuple[int, ...]:
        """Numbers of workers below `max` that a trial may have, the greatest first: those that divide it."""
        return tuple(count for count in range(self.max - 1, self.min - 1, -1) if self.max % count == 0)


def _form(value: Any) -> str:
    return "<range>" if isinstance(value, dict | ElasticWorkers) else "<number>"


class Resources(Frozen):
    """What one trial occupies."""

    workers: Annotated[
        Annotated[Workers, Tag("<number>")] | Annotated[ElasticWorkers, Tag("<range>")], Discriminator(_form)
    ] = Field(1, description="Ray Train workers of a trial; `{min: 2, max: 8}`: fewer where machines are lost.")
    cpus_per_worker: Cpus = Field(1, description="CPU threads of a worker.")
    gpus_per_worker: Gpus = Field(0.0, description="GPUs of a worker; a share below 1, or a whole number.")
    custom: dict[Name, Amount] = Field({}, description="Ray's custom resources of a worker: name -> amount.")
    where: tuple[ResourcesWhere, ...] = Field(
        (), description="Exceptions by configuration: the first entry whose `when` holds applies."
    )
    max_concurrent: Annotated[int, Field(strict=True, ge=1, le=100_000)] | Literal["auto"] = Field(
        "auto", description="Most trials at once; `auto` is as many as fit on the cluster."
    )
    time_limit_s: Annotated[Number, Field(ge=1, le=MOST_SECONDS)] | None = Field(
        None, description="Seconds after which a trial is stopped and recorded as `time_limit`."
    )
    trials_per_group: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Trials after which a worker group is replaced by a new one; `--cold` sets 1."
    )
    memory_limit_mb: Annotated[Number, Field(ge=1, le=1e9)] | None = Field(
        None, description="Resident memory of a worker, in MB; above it the group is replaced after the trial."
    )
    retry_out_of_memory: Flag = Field(
        False, description="Whether a trial that ran out of memory gets one more attempt, in a new worker group."
    )

    @property
    def most_workers(self) -> int:
        """Workers of a trial where there is room."""
        return self.workers.max if isinstance(self.workers, ElasticWorkers) else self.workers

    @property
    def fewer_workers(self) -> tuple[int, ...]:
        """Other numbers of workers that a trial may have, the greatest first; none unless it is elastic."""
        return self.workers.fewer if isinstance(self.workers, ElasticWorkers) else ()

    def of(self, config: BaseModel) -> Resources:
        """What a trial of this configuration occupies."""
        return self.possible(config)[0]

    def possible(self, config: BaseModel, searched: Collection[str] = ()) -> tuple[Resources, ...]:
        """Every amount that trials of this configuration may occupy, depending on the values of the `searched`
        paths."""
        found: list[Resources] = []
        for entry in self.where:
            fixed = {path: needed for path, needed in entry.when.items() if path not in searched}
            if holds(fixed, lambda path: value_at(config, path)):
                found.append(self._with(entry))
                if len(fixed) == len(entry.when):
                    return tuple(found)
        return (*found, self._with(None))

    def _with(self, entry: ResourcesWhere | None) -> Resources:
        changes = entry.model_dump(exclude={"when"}, exclude_none=True) if entry else {}
        return self.model_copy(update={**changes, "where": ()})


Weight = Annotated[Number, Field(ge=1e-6, le=1e6)]


class Claim(Frozen):
    """A comparison declared before the study runs: one arm against another, in chosen conditions."""

    arm: Name = Field(description="The arm that is claimed to differ.")
    against: Name = Field(description="The arm that it is compared with.")
    where: dict[str, Levels] = Field(
        {}, description="Dotted path of a condition -> its values that count; a path left out counts with all values."
    )
    splits: tuple[Name, ...] = Field(
        (),
        description="Splits whose mean is compared; `test_shifted` means all shifted tests. By "
        "default the headline's split.",
    )
    at_least: WrittenMargin | None = Field(
        None,
        description="The claim holds only if the arm is shown to be better by more than this: a number, or a share "
        "of the other arm's mean, as `2%`; by default any gain will do.",
    )
    equivalent_within: WrittenMargin | None = Field(
        None,
        description="The claim holds only if the difference is shown to be smaller than this in both directions: a "
        "number, or a share of the other arm's mean, as `2%`.",
    )


class Comparisons(Frozen):
    """How effects are judged."""

    correction: Correction = Field(
        "auto",
        description="Correction for multiple comparisons. `auto` is `holm` in families with "
        "enough planned pairs for it, "
        "else `max_t`, which exploits shared seeds; `benjamini_hochberg` bounds the false discovery rate.",
    )
    estimate: Estimate = Field(
        "mean",
        description="What paired differences are compared by: their mean, or, where runs may collapse, their `median` "
        "(sign test) or Hodges-Lehmann estimate (signed ranks).",
    )
    blocks: Literal["task_and_seed", "seed"] = Field(
        "task_and_seed",
        description="The independent unit of comparisons over all conditions: each task under each seed, or each "
        "seed, with differences averaged over its tasks.",
    )
    alpha: Number = Field(0.05, ge=1e-6, le=0.5, description="Error probability of a whole family of comparisons.")
    margin: WrittenMargin | None = Field(
        None,
        description="Smallest difference of the target's metric that matters: arms closer than this are called "
        "equivalent. A number, or a share of the reference arm's mean, as `2%`.",
    )
    weights: dict[str, dict[str, Weight]] | None = Field(
        None,
        description="Dotted path of a condition -> its values -> how much they count in comparisons over all "
        "conditions; values left out count 1, and by default all tasks count alike.",
    )
    claims: dict[Name, Claim] = Field(
        {},
        description="Name -> a comparison declared beforehand. The claims are one family and are corrected together.",
    )


class Sinks(Frozen):
    """Where trials are copied to as they end; the records stay the truth."""

    tensorboard: Text | None = Field(None, description="Folder for event files.")
    mlflow: Text | None = Field(None, description="Tracking URI.")
    wandb: Text | None = Field(None, description="Folder for offline runs of Weights & Biases.")


class Keep(Frozen):
    """What is kept of trials besides their records."""

    students: Literal["none", "best", "confirmed"] = Field(
        "none", description="Which trained students to keep: each cell's best on val, or that of every confirm seed."
    )
    gigabytes: Number = Field(
        10.0,
        ge=1e-3,
        le=1e6,
        description="Most disk space for all students together; students that no longer fit are not kept.",
    )

    @property
    def room(self) -> int:
        """Bytes for students; 0 where none is kept."""
        return 0 if self.students == "none" else int(self.gigabytes * 1e9)


class Study(Frozen):
    """One question, one file, one target."""

    study: Name = Field(description="Name of the study; its records are kept under it.")
    question: Annotated[str, Field(min_length=1, max_length=2000)] = Field(description="What the study is to answer.")
    trainable: Name | None = Field(
        None, description="The trainable that the trials run; by default the one that ships."
    )
    target: Target = Field(Target(), description="What is better.")
    base: dict[str, Any] = Field(description="One complete trial configuration; fields left out have their defaults.")
    arms: Arms = Field(Arms(), description="What is compared.")
    conditions: dict[str, Levels] = Field(
        {}, description="Dotted path -> values; every arm runs under each combination."
    )
    search: Search = Field(Search(), description="How each cell finds its setting.")
    seeds: Seeds = Field(Seeds(), description="Seeds of search and confirm trials.")
    evaluate: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        ("val", "test"),
        description="Splits that confirm trials evaluate; `test_shifted` means all shifted tests of the task.",
    )
    resources: Resources = Field(Resources(), description="What one trial occupies.")
    storage: Text = Field("ablate-results", description="Folder or URI of the records.")
    comparisons: Comparisons = Field(Comparisons(), description="How effects are judged.")
    keep: Keep = Field(Keep(), description="What is kept of trials besides their records.")
    sinks: Sinks | None = Field(None, description="Where trials are copied to, besides the records.")
    strict: Flag = Field(
        False, description="Whether warnings count as mistakes, so that a design that cannot answer is rejected."
    )

    @property
    def headline(self) -> str:
        """The metric of the main table: the target's name on test, or the target itself if test is not evaluated."""
        return headline(self.target.metric, self.evaluate)


def headline(target: str, evaluate: Collection[str]) -> str:
    """The metric by which a study with this target and these splits is judged."""
    return f"test/{target.partition('/')[2]}" if "test" in evaluate else target
