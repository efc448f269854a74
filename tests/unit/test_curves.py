"""Curves are what mmengine wrote: read from files of its own writers, over all starts of a training."""

import json
import shutil

import numpy as np
import pytest
from written_runs import start

from repro import experiments
from repro.errors import UserError
from repro.report.curves import find_runs, read_run
from repro.report.grouping import same_but_for_sampling
from repro.settings import load_config


def test_scalars_and_settings(tmp_path):
    rng = np.random.default_rng(0)
    losses = [(step, float(loss)) for step, loss in zip(range(20, 400, 20), rng.gamma(2, 1, 19), strict=True)]
    folder = start(tmp_path, losses=losses, validations=[(200, 41.5), (400, 55.25)])
    (folder.parent / "20260101_000000.log").write_text("System environment:\n    GPU number: 4\n")
    (run,) = find_runs(tmp_path)
    assert (run.name, run.group, run.recipe) == ("voc2011/fcn32s_vgg16", "voc2011", "release")
    assert (run.images, run.accumulated, run.sampled) == (8, 20, 0.25)
    assert list(zip(*(part.tolist() for part in run.scalars["loss"]), strict=True)) == losses
    assert [part.tolist() for part in run.scalars["mean_iu"]] == [[200, 400], [41.5, 55.25]]
    assert "iter" not in run.scalars and "step" not in run.scalars


def test_where_two_starts_overlap_the_later_counts(tmp_path):
    start(tmp_path, when="20260101_000000", losses=[(step, 1.0) for step in range(20, 201, 20)])
    start(tmp_path, when="20260102_000000", losses=[(step, 2.0) for step in range(120, 181, 20)])
    start(tmp_path, when="20260103_000000")  # ended before it logged anything
    run = read_run(tmp_path / "voc2011/fcn32s_vgg16", "a")
    steps, losses = run.scalars["loss"]
    assert steps.tolist() == list(range(20, 181, 20))  # what the first wrote beyond 180 was given up
    assert losses.tolist() == [1.0] * 5 + [2.0] * 4


def test_a_run_of_the_stock_runner_s_folder_is_one_experiment_each(tmp_path):
    for name in ("voc2011/b", "voc2011/a", "sample/voc2011/c"):
        start(tmp_path, name=name, losses=[(20, 1.0)])
    start(tmp_path, name="voc2011/only_validated", validations=[(20, 3.0)])
    assert [run.name for run in find_runs(tmp_path)] == ["sample/voc2011/c", "voc2011/a", "voc2011/b"]
    assert find_runs(tmp_path / "not there") == []
    with pytest.raises(UserError, match="no training"):
        read_run(tmp_path / "not there", "a")


def test_without_settings_an_iteration_is_an_image_and_an_update(tmp_path):
    (start(tmp_path, losses=[(20, 1.0)]) / "config.py").unlink()
    (run,) = find_runs(tmp_path)
    assert (run.recipe, run.images, run.accumulated, run.sampled) == ("", 1, 1, 1)


def test_a_line_cut_off_is_left_out_and_any_other_refused(tmp_path):
    folder = start(tmp_path, losses=[(20, 1.0), (40, float("nan")), (60, 3.0)])
    file = folder / "scalars.json"
    whole = file.read_text()
    assert np.isnan(find_runs(tmp_path)[0].scalars["loss"][1][1])
    for cut in range(len(whole.splitlines(keepends=True)[-1])):
        file.write_text(whole[: len(whole) - cut])
        assert find_runs(tmp_path)[0].scalars["loss"][0].tolist() in ([20, 40, 60], [20, 40])
    for line in ('{"loss": "high", "step": 20}', '{"loss": 1.0}', "[1]", "{", '{"loss": 1.0, "step": 2.5}'):
        file.write_text(f"{line}\n{whole}")
        with pytest.raises(UserError, match=r"scalars\.json, line 1: .*move"):
            find_runs(tmp_path)
    file.write_text(whole)
    (folder / "config.py").write_text("model = dict(\n")
    with pytest.raises(UserError, match=r"config\.py is not a config"):
        find_runs(tmp_path)


@pytest.mark.parametrize(
    ("whole", "patches", "others"),
    [
        (
            "ablations/fcn32s_sample_patches_100",
            ["ablations/fcn32s_sample_patches_50", "ablations/fcn32s_sample_patches_25"],
            ["sample/fcn32s_vgg16", "ablations/fcn32s_sample_lower_rate"],
        ),
        (
            "voc2011/fcn32s_vgg16_cvpr",
            ["voc2011_ablations/fcn32s_vgg16_patches_50", "voc2011_ablations/fcn32s_vgg16_patches_25"],
            ["voc2011/fcn32s_alexnet_voc_cvpr", "voc2011/fcn32s_vgg16", "voc2011/fcn32s_fixed_vgg16_cvpr"],
        ),
    ],
)
def test_figure_5_takes_the_trainings_that_differ_in_sampling_alone(tmp_path, whole, patches, others):
    for name in (*others, *patches, whole):
        folder = start(tmp_path, name=name, losses=[(20, 1.0)])
        load_config(experiments.get(name)).dump(folder / "config.py")
    (found,) = same_but_for_sampling(find_runs(tmp_path))
    assert [run.name for run in found] == [whole, *patches]
    assert [run.sampled * run.accumulated for run in found] == [found[0].accumulated] * 3
    shutil.rmtree(tmp_path / whole)
    remaining = same_but_for_sampling(find_runs(tmp_path))
    assert [run.name for run in remaining[0]] == patches
    for name in patches:
        shutil.rmtree(tmp_path / name)
    assert same_but_for_sampling(find_runs(tmp_path)) == []


def test_mmengine_writes_one_object_a_line(tmp_path):
    """What the reader relies on."""
    folder = start(tmp_path, losses=[(20, 1.5)])
    assert [json.loads(line) for line in (folder / "scalars.json").read_text().splitlines()] == [
        {"loss": 1.5, "lr": 0.001, "iter": 20, "step": 20}
    ]
