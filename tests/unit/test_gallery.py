"""The gallery draws what there are data for: which numbers stand in one chart, and which never do."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from drawn_timings import timing, written
from PIL import Image
from written_records import VALID, confusions, put
from written_runs import start

from repro import records
from repro.metrics import ImageConfusions, bootstrap, scores
from repro.report import figures, gallery


def predictions(seed, classes=4):
    """Confusions of a net on images whose truth is always the same."""
    truth, rng = np.random.default_rng(classes), np.random.default_rng(seed)
    found = []
    for name in VALID:
        counts = truth.integers(1, 500, classes)
        found.append((name, np.stack([rng.multinomial(n, rng.dirichlet(np.ones(classes))) for n in counts])))
    return ImageConfusions.from_matrices(found, classes)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draw with charts that only note what they are given: (name of the chart, its arguments)."""
    charts = ("class_iu", "confusion_matrix", "latency", "tradeoff", "cost", "training_curves", "patch_sampling")
    noted = []

    def note(name):
        def chart(*arguments, path, title=""):
            path.parent.mkdir(exist_ok=True)
            path.write_text("a chart")
            if path.suffix == ".svg":
                noted.append((name, *arguments))

        return chart

    monkeypatch.setattr(gallery, "figures", SimpleNamespace(Tradeoff=figures.Tradeoff, **{n: note(n) for n in charts}))

    def draw(found, work_dirs=tmp_path / "none"):
        noted.clear()
        return gallery.draw(found, work_dirs, tmp_path / "figures"), list(noted)

    return draw


def test_nothing_measured_is_nothing_drawn(drawn, tmp_path):
    assert drawn([]) == ({}, [])
    assert not (tmp_path / "figures").exists()


def test_nets_scored_on_the_same_labels_share_a_chart_from_coarse_to_fine(drawn, tmp_path):
    for seed, net in enumerate(("fcn8s", "fcn32s", "fcn16s")):
        for again in (0, 10):
            put(tmp_path, seed=again, found=predictions(seed + again), experiment=f"voc2011/{net}_vgg16")
    other = put(tmp_path, found=predictions(9), recipe="release")
    shorter = put(tmp_path, found=predictions(9), split="val")
    relabelled = put(tmp_path, found=confusions(9), experiment="voc2011/fcn32s_vgg16")  # another truth
    found = records.read_all(tmp_path)
    figures_of, noted = drawn(found)
    series = [list(arguments[0]) for name, *arguments in noted if name == "class_iu"]
    nets = [f"voc2011/{net}_vgg16" for net in ("fcn32s", "fcn16s", "fcn8s")]
    assert sorted(series, key=len)[-1] == nets and sorted(map(len, series)) == [1, 1, 1, 3]
    (together,) = [arguments[0] for name, *arguments in noted if name == "class_iu" and len(arguments[0]) == 3]
    mine = [r.images() for r in found if r.experiment == nets[0] and r.id != relabelled.id]
    assert together[nets[0]].value.iu == pytest.approx(bootstrap(*mine).value.iu)
    matrices = [arguments[0] for name, *arguments in noted if name == "confusion_matrix"]
    assert any((matrix == sum(images.total() for images in mine)).all() for matrix in matrices)
    assert len(matrices) == 6
    named = {record for drawn in figures_of["Scores of each class"] for record in drawn.records}
    assert named == {record.id for record in found} and {other.id, shorter.id} < named
    names = [drawn.name for drawn in figures_of["Scores of each class"]]
    assert len(set(names)) == len(names) == 10


def test_both_label_sets_of_a_net_are_drawn_each_with_its_classes(drawn, tmp_path):
    heads = {"semantic": predictions(1, 5), "geometric": predictions(2, 3)}
    put(tmp_path, found=heads, dataset="siftflow", split="test", experiment="siftflow/fcn16s_vgg16")
    _, noted = drawn(records.read_all(tmp_path))
    sizes = [(name, len(arguments[1])) for name, *arguments in noted]
    assert sorted(sizes) == [("class_iu", 3), ("class_iu", 5), ("confusion_matrix", 3), ("confusion_matrix", 5)]


def test_timings_share_a_chart_only_where_they_compare(drawn, tmp_path):
    found = [
        *(timing(mode=mode, device=device) for mode in ("fast", "eager") for device in ("A GPU", "A processor")),
        timing(precision="bf16"),
        timing(batch=8),
        timing(height=320),
        timing("update", seconds={"update": [1.0]}),
        timing("sizes", seconds={"ours": [1.0]}),
        timing("cost", device="A GPU"),
        timing("cost", device="A processor"),
    ]
    found = [written(one, tmp_path) for one in found]
    figures_of, noted = drawn(found)
    assert sorted(len(arguments[0]) for name, *arguments in noted if name == "latency") == [1, 1, 1, 1, 4]
    (first,) = [arguments[0] for name, *arguments in noted if name == "latency" and len(arguments[0]) == 4]
    assert [(t.device, t.settings["mode"]) for t in first] == [
        *(("A GPU", mode) for mode in ("eager", "fast")),
        *(("A processor", mode) for mode in ("eager", "fast")),
    ]
    assert [len({t.device for t in arguments[0]}) for name, *arguments in noted if name == "cost"] == [1, 1]
    named = {record for drawn in figures_of["Time"] for record in drawn.records}
    assert named == {one.id for one in found if one.case != "sizes"}


def test_costs_are_curves_along_sizes_and_along_batches(drawn, tmp_path):
    points = {(1, 250), (1, 500), (8, 500), (2, 1000)}
    found = [written(timing("cost", batch=batch, height=side, width=side), tmp_path) for batch, side in points]
    _, noted = drawn(found)
    shown = {
        along: {(t.settings["batch"], t.settings["height"]) for t in timings}
        for name, timings, along, *_ in noted
        if name == "cost"
    }
    assert shown == {"size": {(1, 250), (1, 500), (2, 1000)}, "batch": {(1, 500), (8, 500)}}


def test_every_peer_has_a_chart(drawn, tmp_path):
    found = [written(timing("peers", peer=peer, seconds={peer: [1.0], "ours": [1.0]}), tmp_path) for peer in "AB"]
    _, noted = drawn(found)
    assert [[t.settings["peer"] for t in timings] for name, timings, *_ in noted if name == "latency"] == [["A"], ["B"]]


def test_time_and_score_meet_by_experiment_and_device(drawn, tmp_path):
    scored, timed = {}, {}
    for seed, stride in enumerate((8, 32, 16)):
        name = f"voc2011/fcn{stride}s_vgg16"
        scored[stride] = put(tmp_path / "a", found=predictions(seed), experiment=name)
        for device in ("A GPU", "A processor"):
            seconds = {"forward": np.random.default_rng(stride).gamma(2, 1, 20).tolist()}
            timed[stride] = written(timing(subject=name, device=device, seconds=seconds), tmp_path / "b")
            written(timing(subject=name, device=device, seconds={"forward": [9.0]}, batch=8), tmp_path / "b")
    written(timing(subject="voc2011/fcn8s_vgg16", mode="fast"), tmp_path / "b")  # one net makes no line
    _, noted = drawn(records.read_all_kinds(tmp_path))
    lines = [arguments[0] for name, *arguments in noted if name == "tradeoff"]
    assert [list(line) for line in lines] == [["eager"], ["eager"]]
    for point in lines[0]["eager"]:
        trials = 1000 * np.array(timed[point.stride].seconds["forward"])
        assert point.milliseconds == pytest.approx(np.quantile(trials, [0.1, 0.5, 0.9]))
        matrix = scored[point.stride].confusion["semantic"]
        low, value, high = point.mean_iu
        assert value == pytest.approx(100 * scores(matrix).mean_iu) and low < high
    assert sorted(point.stride for point in lines[0]["eager"]) == [8, 16, 32]


def test_trainings_and_predictions_of_the_runs(drawn, tmp_path):
    work_dirs = tmp_path / "runs"
    for name in ("voc2011/a", "voc2011/b", "siftflow/a"):
        start(work_dirs, name=name, losses=[(20, 1.0), (40, 2.0)])
    whole = {"experiment": {"recipe": "release"}, "train_dataloader": {"batch_size": 2, "num_workers": 0}}
    start(work_dirs, name="voc2011/c", losses=[(20, 1.0)], config=whole | {"model": {"decode_head": {"loss": {
        "type": "PixelSoftmaxLoss"}}}})  # fmt: skip
    Image.new("RGB", (3, 2)).save(work_dirs / "voc2011" / "predictions.png")
    Image.new("RGB", (3, 2)).save(work_dirs / "predictions_geometric.png")
    figures_of, noted = drawn([], work_dirs)
    curves = [[run.name for run in arguments[0]] for name, *arguments in noted if name == "training_curves"]
    assert curves == [["siftflow/a"], ["voc2011/a", "voc2011/b", "voc2011/c"]]
    (fig5,) = [[run.name for run in arguments[0]] for name, *arguments in noted if name == "patch_sampling"]
    assert fig5[0] == "voc2011/c" and set(fig5[1:]) == {"siftflow/a", "voc2011/a", "voc2011/b"}
    assert [drawn.name for drawn in figures_of["Predictions"]] == ["predictions_geometric", "voc2011-predictions"]
    again, _ = drawn([], tmp_path)  # where the figures lie in the folder of runs, they are not found again
    assert len(again["Predictions"]) == 2


def test_charts_show_the_timings_that_the_tables_count(drawn, tmp_path):
    """The newest of equal settings, from a clean tree; two numbers of threads are two devices."""

    def made(case="forward", when="02", threads=1, dirty=False):
        one = timing(case)
        where = one.provenance | {"time": f"2026-01-{when}T00:00:00+00:00", "threads": threads, "dirty": dirty}
        return written(replace(one, provenance=where), tmp_path)

    one, two = made(), made(threads=2)
    made(when="01"), made(when="03", dirty=True), made(when="03", dirty=None)
    costs = [made("cost"), made("cost", threads=2)]
    _, noted = drawn(records.read_all_kinds(tmp_path))
    (bars,) = [arguments[0] for name, *arguments in noted if name == "latency"]
    assert [found.id for found in bars] == [one.id, two.id]
    charts = [arguments[0] for name, *arguments in noted if name == "cost"]
    assert sorted(found.id for chart in charts for found in chart) == sorted(found.id for found in costs)
    assert len(charts) == 2
