"""The whole chain on a few drawn images: what it leaves, that it goes on, repeats itself, and hands on its scores."""

import hashlib
import itertools
import re
import shutil
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from repro import experiments, records
from repro.evaluate import evaluate
from repro.metrics import scores
from repro.reproduce import reproduce
from repro.train import train
from repro.weights import store

STAGES = ("classifier_vgg16", "fcn32s_vgg16", "fcn16s_vgg16", "fcn8s_vgg16")


def weights(work_dirs: Path, stage: str) -> store.Weights:
    return store.load(work_dirs / "sample" / stage / "weights.pth")


def confusions(work_dirs: Path) -> dict[str, np.ndarray]:
    return {record.experiment: record.confusion["semantic"] for record in records.read_all(work_dirs / "records")}


def state(folder: Path) -> dict[Path, tuple[int, str]]:
    """Every file's time and content, but for mmengine's logs."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files}


def test_a_chain_leaves_weights_records_table_and_pictures(trained):
    for stage in STAGES:
        assert (trained / "sample" / stage / "weights.pth").is_file()
        assert not list((trained / "sample" / stage).glob("iter_*")), "a finished stage needs no checkpoint"
    assert sorted(confusions(trained)) == [f"sample/{stage}" for stage in sorted(STAGES[1:])]
    table = (trained / "sample/table.md").read_text(encoding="utf-8")
    assert all(f"| {net} " in table for net in ("FCN-32s", "FCN-16s", "FCN-8s"))
    with Image.open(trained / "sample/predictions.png") as picture:
        assert picture.width > picture.height / 2 > 100
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 1000, "photographs, not an empty canvas"


def test_each_stage_starts_from_the_one_before(trained):
    for parent, child in itertools.pairwise(STAGES):
        assert weights(trained, child).parent_sha256 == weights(trained, parent).sha256
        assert weights(trained, child).experiment == f"sample/{child}"


def test_records_say_where_their_numbers_come_from(trained, drawn, tiny):
    found = {record.experiment: record for record in records.read_all(trained / "records")}
    record = found["sample/fcn16s_vgg16"]
    handed = weights(trained, "fcn16s_vgg16")
    assert record.weights == records.Weights(handed.sha256, handed.parent_sha256, "sample/fcn16s_vgg16")
    assert record.config_sha256 == handed.config_sha256
    assert (record.training["iterations"], record.training["seed"]) == (tiny["train_cfg.max_iters"], 1337)
    assert (record.dataset.name, record.dataset.split, record.dataset.images) == ("sample", "seg11valid", 6)
    listed = (drawn / "ImageSets/Segmentation/seg11valid.txt").read_bytes()
    assert record.dataset.ids_sha256 == hashlib.sha256(listed).hexdigest()
    assert len(record.dataset.classes["semantic"]) == 21
    assert record.training["seconds"] > 0
    told = record.provenance
    assert re.fullmatch("[0-9a-f]{40}", told["commit"] or "0" * 40) and told["dirty"] in (True, False, None)
    assert told["versions"]["torch"] == metadata.version("torch") and told["versions"]["mmseg"]
    assert told["seed"] == 1337 and told["threads"] == torch.get_num_threads() and told["device"] and told["command"]
    assert told["precision"]["matmul_tf32"] is False and told["precision"]["deterministic"] is True
    assert record.recipe == "changed" and record.claims == [], "with other settings it is another experiment"


def test_per_image_counts_add_up_to_the_labelled_pixels(trained, drawn):
    images = records.read_all(trained / "records")[0].images()
    per_image = images.by_image().sum(axis=1)
    for image_id, pixels in zip(images.ids, per_image, strict=True):
        with Image.open(drawn / "SegmentationClass" / f"{image_id}.png") as label:
            assert pixels == (np.array(label) != 255).sum() > 0


def test_a_finished_chain_trains_and_scores_nothing_again(trained, drawn, tiny, capfd):
    before = state(trained)
    reproduce("sample", work_dirs=trained, data_root=drawn, options=tiny)
    after = state(trained)
    assert "| FCN-8s " in capfd.readouterr().out, "yet it prints its table"
    rendered = {trained / "sample/table.md", trained / "sample/predictions.png"}
    assert set(after) == set(before)
    assert {path for path in after if after[path] != before[path]} <= rendered
    assert all(after[path][1] == before[path][1] for path in rendered), "rendered again, to the byte"


def test_two_runs_from_scratch_are_equal_bit_for_bit(trained, drawn, tiny, tmp_path):
    reproduce("sample", work_dirs=tmp_path, data_root=drawn, options=tiny)
    for stage in STAGES:
        assert weights(tmp_path, stage).sha256 == weights(trained, stage).sha256
    first, second = confusions(trained), confusions(tmp_path)
    assert first.keys() == second.keys()
    for name, matrix in first.items():
        np.testing.assert_array_equal(matrix, second[name])


def test_another_seed_is_another_training(trained, drawn, tiny, tmp_path):
    start = trained / "sample/fcn32s_vgg16/weights.pth"
    card = experiments.get("sample/fcn16s_vgg16")
    path = train(card, work_dirs=tmp_path, data_root=drawn, start=[start], options=tiny, seed=2)
    assert store.load(path).sha256 != weights(trained, "fcn16s_vgg16").sha256
    assert store.load(path).training["seed"] == 2


@pytest.mark.parametrize(("coarse", "fine"), [("fcn32s_vgg16", "fcn16s_vgg16"), ("fcn16s_vgg16", "fcn8s_vgg16")])
def test_a_finer_net_starts_with_the_predictions_of_its_parent(trained, drawn, tiny, tmp_path, coarse, fine):
    """Zero-initialised skips add nothing; upsampling in two steps instead of one moves outlines by a pixel or so."""
    parent = weights(trained, coarse)
    generator = torch.Generator().manual_seed(0)
    score = "decode_head.score_fr.weight"
    vivid = parent.tensors | {score: torch.randn(parent.tensors[score].shape, generator=generator)}
    start = tmp_path / "parent.pth"
    store.save(replace(parent, tensors=vivid), start)
    untrained = tiny | {"train_cfg.max_iters": 0}
    child = train(
        experiments.get(f"sample/{fine}"), work_dirs=tmp_path, data_root=drawn, start=[start], options=untrained
    )
    before, after = (
        evaluate(experiments.get(f"sample/{name}"), work_dirs=tmp_path, weights=path, data_root=drawn, options=tiny)
        for name, path in ((coarse, start), (fine, child))
    )
    assert before and after
    matrices = before.confusion["semantic"], after.confusion["semantic"]
    assert (matrices[0].sum(axis=0) > 0).sum() > 3, "a flat prediction would prove nothing"
    shares = [matrix.sum(axis=0) / matrix.sum() for matrix in matrices]
    assert np.abs(shares[0] - shares[1]).sum() < 0.05
    assert abs(scores(matrices[0]).pixel_acc - scores(matrices[1]).pixel_acc) < 0.02


def test_reproduce_goes_on_after_an_interruption(trained, drawn, tiny, tmp_path, monkeypatch):
    from repro.models.segmentor import FCN

    step = FCN.train_step
    taken = []

    def interrupted(self, *args, **kwargs):
        taken.append(1)
        if len(taken) > 4:  # in the second stage of segmentation
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(FCN, "train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            reproduce("sample", work_dirs=tmp_path, data_root=drawn, options=tiny)
    kept = (tmp_path / "sample/fcn32s_vgg16/weights.pth").stat().st_mtime_ns
    reproduce("sample", work_dirs=tmp_path, data_root=drawn, options=tiny)
    assert (tmp_path / "sample/fcn32s_vgg16/weights.pth").stat().st_mtime_ns == kept
    assert weights(tmp_path, "fcn8s_vgg16").sha256 == weights(trained, "fcn8s_vgg16").sha256


def test_the_controls_run_after_the_chain(trained, drawn, tiny, tmp_path, capfd):
    """The group `ablations` starts from another group's weights and has no table."""
    for stage in STAGES[:2]:
        shutil.copytree(trained / "sample" / stage, tmp_path / "sample" / stage)
    reproduce("ablations", work_dirs=tmp_path, data_root=drawn, options=tiny)
    frozen = store.load(tmp_path / "ablations/fcn16s_sample_zero_skip/weights.pth")
    assert not frozen.tensors["decode_head.score_pool4.weight"].any()
    assert frozen.tensors["decode_head.score_fr.weight"].any()
    plain = store.load(tmp_path / "ablations/fcn32s_sample_lower_rate/weights.pth")
    assert "decode_head.score_pool4.weight" not in plain.tensors
    assert (tmp_path / "ablations/predictions.png").is_file()
    digests = {
        store.load(tmp_path / f"ablations/fcn32s_sample_patches_{percent}/weights.pth").sha256
        for percent in (100, 50, 25)
    }
    assert len(digests) == 3


@pytest.mark.parametrize("percent", [50, 25])
def test_sampled_patches_train_at_full_size_and_on_the_sample(trained, drawn, tiny, tmp_path, percent):
    """As the experiment on VOC stands, but for its width; and as `reproduce voc2011_ablations --sample` runs it."""
    start = [trained / "sample/classifier_vgg16/weights.pth"]
    for name in (
        f"voc2011_ablations/fcn32s_vgg16_patches_{percent}",
        f"sample/voc2011_ablations/fcn32s_vgg16_patches_{percent}",
    ):
        options = tiny | {
            "train_cfg.max_iters": 2 * 100 // percent,
            "train_dataloader.num_workers": 0,
            "train_dataloader.persistent_workers": False,
        }
        path = train(experiments.get(name), work_dirs=tmp_path, data_root=drawn, start=start, options=options)
        assert store.load(path).tensors["decode_head.score_fr.weight"].any(), "it has learned something"
