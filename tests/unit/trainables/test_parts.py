"""Parts that people bring: what a file may list, what is said of one that is wrong, and how its values travel."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import ValidationError

from ablative.orchestrator.commands.composition import load
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.kinds.clip_td import CLIP_TD
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.extended import trial_config
from ablative.trainables.parts.part import PartError
from ablative.trainables.parts.sources import catalogue
from ablative.trainables.parts.sources import imported
from ablative.trainables.parts.sources import read_source
from ablative.trainables.parts.task import Task
from ablative.trainables.parts.term import Term
from tests.helpers.sources import IMPORT_PATH

FOCAL = """
from pydantic import Field
from ablative.trainables.parts.part import Options
from ablative.trainables.parts.term import Term

class FocalOptions(Options):
    gamma: float = Field(2.0, ge=0, le=10, description="Exponent.")

def loss(student, teacher, term):
    return (1 - (student.logits * teacher.probabilities).sum(-1)) ** term.options.gamma

FOCAL = Term(
    name="focal", description="Focal agreement.", options=FocalOptions, loss=loss,
    reads=("student.logits", "teacher.probabilities"),
)
PARTS = [FOCAL]
"""
TWICE = f"""{FOCAL}
PARTS.append(Term(name="focal", description="Another.", loss=loss, reads=("student.logits", "teacher.probabilities")))
"""


def written(folder: Path, text: str, name: str = "my_parts.py") -> Path:
    """Return a file with this text."""
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return path


def test_a_term_of_a_file_is_a_weight_and_a_group_of_the_configuration(tmp_path: Path) -> None:
    """Its options have their own ranges, and everything else is as it was."""
    config_type = trial_config(catalogue([written(tmp_path, FOCAL)]))

    config = config_type.model_validate({"distillation": {"terms": {"focal": 0.5}, "focal": {"gamma": 3}}})

    assert config.model_dump()["distillation"]["focal"] == {"gamma": 3.0}
    assert isinstance(config, TrialConfig)
    assert list(config_type.model_fields) == list(TrialConfig.model_fields)
    with pytest.raises(ValidationError, match="less than or equal to 10"):
        config_type.model_validate({"distillation": {"focal": {"gamma": 11}}})


def test_what_a_term_of_a_file_needs_and_shares_is_derived_from_its_description(tmp_path: Path) -> None:
    """Options that are off and settings that no term shares do not make another trial of one computation."""
    config_type = trial_config(catalogue([written(tmp_path, FOCAL)]))

    def canonical_of(**distillation: object) -> TrialConfig:
        return canonical(config_type.model_validate({"distillation": distillation}))

    on, off = {"terms": {"focal": 0.5}}, {"terms": {"image": 0.5}}
    assert canonical_of(**on).distillation.reads_probabilities
    assert not canonical_of(**off).distillation.reads_probabilities
    assert canonical_of(**off, focal={"gamma": 3}) == canonical_of(**off)
    assert canonical_of(**on, focal={"gamma": 3}) != canonical_of(**on)
    assert canonical_of(**on, distance="l1", selection={"ratio": 0.9}) == canonical_of(**on)


def test_an_arm_that_has_its_terms_alone_switches_off_those_of_a_file(tmp_path: Path) -> None:
    """Or the student alone would be distilled all the same."""
    study = """
        study: mine
        question: Does the focal term help?
        base: {distillation: {terms: {image: 1.0, tokens: 1.0, focal: 1.0}}}
        arms: {listed: [random_tokens, no_distillation, naive_distillation, fitnets]}
        evaluate: [val, test]
        seeds: {confirm: [1, 2]}
    """
    loaded = load(str(written(tmp_path, study, "mine.yaml")), parts=[written(tmp_path, FOCAL)])

    weights = {cell.arm: cell.config.distillation.terms.focal for cell in loaded.cells}
    assert {arm for arm, weight in weights.items() if weight > 0} == {"random_tokens"}


def test_without_parts_of_ones_own_the_configuration_is_the_one_that_ships() -> None:
    """So that its values are what they were."""
    assert trial_config(bundled()) is TrialConfig
    assert trial_config(catalogue()) is TrialConfig


def test_a_part_that_does_not_ship_enters_the_identity_by_the_digest_of_its_file(tmp_path: Path) -> None:
    """The same bytes are the same part wherever they lie; other bytes are another one."""
    here = catalogue([written(tmp_path, FOCAL)])
    there = catalogue([written(tmp_path, FOCAL, "elsewhere.py")])
    changed = catalogue([written(tmp_path, FOCAL + "\n# changed\n", "changed.py")])

    found = [each.identities([each.of(Term)["focal"]]) for each in (here, there, changed)]

    assert found[0].keys() == {"term/focal"}
    assert found[0] != found[2]
    assert here.identities(part for part, _ in bundled().listed) == {} if bundled().listed else True


def test_values_of_an_extended_configuration_are_sent_to_a_process_that_has_the_parts(tmp_path: Path) -> None:
    """Whole and in part; the other process has nothing but the sources."""
    found = catalogue([written(tmp_path, FOCAL)])
    config = trial_config(found).model_validate({"distillation": {"terms": {"focal": 0.5}, "focal": {"gamma": 3}}})
    sent = tmp_path / "sent"
    sent.write_bytes(pickle.dumps((imported(), pickle.dumps([config, config.distillation, config.task]))))
    (tmp_path / "my_parts.py").unlink()
    program = """
        import pickle, sys
        from ablative.trainables.parts.sources import install
        sources, content = pickle.loads(open(sys.argv[1], "rb").read())
        install(sources)
        config, distillation, task = pickle.loads(content)
        assert config.distillation == distillation and config.task == task
        print(config.distillation.terms.focal, distillation.focal.gamma, type(distillation.focal).__module__)
    """

    done = subprocess.run([sys.executable, "-c", dedent(program), str(sent)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["0.5", "3.0"]
    assert pickle.loads(pickle.dumps(config)) == config


def test_a_package_folder_may_list_parts_and_import_its_own_modules(tmp_path: Path) -> None:
    """By relative imports, as a package does."""
    folder = tmp_path / "mine"
    folder.mkdir()
    written(folder, FOCAL, "focal.py")
    written(folder, "from .focal import FOCAL\nPARTS = [FOCAL]\n", "__init__.py")

    assert "focal" in catalogue([folder]).of(Term)
    assert {name for name, _ in read_source(folder).files} == {"__init__.py", "focal.py"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n1 / 0\n", r"my_parts\.py:2: ZeroDivisionError"),
        ("import nothing_of_this_name\n", r"my_parts\.py:1: ModuleNotFoundError"),
        ("def (:\n", r"my_parts\.py:1: SyntaxError"),
        ("exit(3)\n", r"my_parts\.py:1: SystemExit"),
        ("x = 1\n", r"my_parts\.py: no parts; wanted PARTS = \[\.\.\.\]"),
        ("PARTS = [1]\n", r"my_parts\.py: PARTS\[0\] is int; wanted a part"),
        (FOCAL.replace('"focal"', '"Focal loss"'), r"my_parts\.py:\d+: term 'Focal loss': not a name"),
        (FOCAL.replace("Focal agreement.", ""), r"my_parts\.py:\d+: term focal: description is empty"),
        (FOCAL.replace("teacher.prob", "teacher.gob"), r"reads 'teacher\.gobabilities'; wanted some of"),
        (
            FOCAL.replace('"student.logits"', '"teacher.image"'),
            r"focal: reads nothing from a student, so nothing learns",
        ),
        (FOCAL.replace('"student.logits", ', ""), r"focal: reads and shares are tuples of names"),
        (FOCAL.replace('"focal"', '"task"'), r"term task: training already has a curve of this name"),
        (FOCAL.replace("loss=loss", "loss=None"), r"term focal: loss and trains are functions"),
        (FOCAL.replace("loss=loss", "loss=loss, weight=0.0"), r"term focal: weight is 0\.0; wanted a number above 0"),
        (FOCAL.replace("loss=loss", "loss=loss, shares=('ratio',)"), r"shares 'ratio'; wanted some of distance"),
        (TWICE, r"my_parts\.py:\d+: term 'focal' is already defined in .*my_parts\.py:\d+"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """Whatever it raises."""
    with pytest.raises(PartError, match=said):
        catalogue([written(tmp_path, text)])


def test_a_path_that_is_no_file_of_parts_is_named(tmp_path: Path) -> None:
    """Not there, a folder that is no package, a file that is no Python."""
    (tmp_path / "plain").mkdir()
    for name, said in (("missing.py", "not there"), ("plain", "without __init__.py"), ("notes.txt", "no Python file")):
        if name.endswith(".txt"):
            written(tmp_path, "x", name)
        with pytest.raises(PartError, match=f"{name}: .*{said}"):
            catalogue([tmp_path / name])


def test_options_without_defaults_or_with_a_taken_name_are_refused(tmp_path: Path) -> None:
    """The description lies about what a study may leave out, or would hide a setting."""
    bare = FOCAL.replace("Field(2.0, ge", "Field(ge")
    with pytest.raises(PartError, match="options need defaults"):
        trial_config(catalogue([written(tmp_path, bare)]))
    taken = FOCAL.replace('name="focal"', 'name="selection"')
    with pytest.raises(PartError, match="selection: a setting already has this name"):
        trial_config(catalogue([written(tmp_path, taken)]))


def test_a_broken_package_is_left_out_with_its_reason_and_hinders_no_study(tmp_path: Path) -> None:
    """Whatever its import does; what ships, and what other packages bring, is there."""
    folder = tmp_path / "site"
    for name, text in (
        ("whole", FOCAL),
        ("absent", "import nothing_of_this_name"),
        ("ends", "raise SystemExit(3)"),
        ("other", "FOCAL = 1"),
    ):
        points = f"[ablative.terms]\nfocal = {name}_parts:FOCAL\n"
        (folder / f"{name}-1.0.dist-info").mkdir(parents=True)
        written(folder / f"{name}-1.0.dist-info", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "METADATA")
        written(folder / f"{name}-1.0.dist-info", points, "entry_points.txt")
        written(folder, text, f"{name}_parts.py")
    program = """
        from ablative.trainables.parts.sources import installed
        from ablative.trainables.parts.term import Term
        found = installed()
        part = found.of(Term)["focal"]
        print(found.identities([part]))
        print(*found.broken, sep="\\n")
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([IMPORT_PATH, str(folder)])}

    done = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, env=environment)

    assert done.returncode == 0, done.stderr
    identity, *broken = done.stdout.splitlines()
    assert identity == "{'term/focal': 'whole 1.0'}"
    assert len(broken) == 3
    assert all("entry point ablative.terms: focal" in line for line in broken)
    assert any("absent_parts.py:1" in line for line in broken)


def test_a_task_of_ones_own_keeps_its_identity_with_the_options_of_a_trial(tmp_path: Path) -> None:
    """What is made of it for a trial is the same part."""
    text = """
        from pydantic import Field
        from ablative.trainables.parts.part import Options
        from ablative.trainables.parts.task import Layout, Task

        class Own(Options):
            size: int = Field(1, ge=1, description="Size.")

        def layout(place):
            return Layout(required=(), pictures=(), image_folder=".", remedy="none", files_of=lambda split: ())

        PARTS = [Task(
            name="own", description="A task.", options=Own, layout=layout, read=lambda reading: iter(()),
            classes=lambda place: ("a", "b"), head="exclusive",
        )]
    """
    found = catalogue([written(tmp_path, text)])
    config = trial_config(found).model_validate({"task": {"name": "own", "own": {"size": 2}}})

    assert CLIP_TD.used(config, found).keys() == {"task/own"}
    assert found.origin(config.task.part) == found.origin(found.of(Task)["own"])
