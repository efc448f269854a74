"""Charts show the numbers that they are given, say what they leave out, and are the same bytes each time."""

import contextlib
import json
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from drawn_timings import timing
from written_records import confusions

from repro.errors import UserError
from repro.metrics import bootstrap, scores
from repro.report import figures
from repro.report.curves import Run
from repro.report.figures import canvas, costs, times, training
from repro.report.figures import scores as class_scores

MODULES = (class_scores, costs, times, training)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draw, and return the figure before it is forgotten: `drawn(figures.latency, timings)`."""

    def draw(chart, *arguments, **more):
        kept = []

        @contextlib.contextmanager
        def keep(path, *size, **options):
            with canvas.canvas(path, *size, **options) as figure:
                kept.append(figure)
                yield figure

        for module in MODULES:
            monkeypatch.setattr(module, "canvas", keep)
        chart(*arguments, path=tmp_path / "chart.png", **more)
        return kept[0]

    return draw


def texts(axes):
    """What stands in the axes, on them and around them."""
    ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    return [text.get_text() for text in (*axes.texts, *ticks, axes.title, axes.xaxis.label, axes.yaxis.label)]


def run(name="voc2011/fcn32s_vgg16", points=50, **settings):
    rng = np.random.default_rng(points)
    steps = np.arange(20, 20 * points + 1, 20)
    return Run(name, {"loss": (steps, 0.5 + np.exp(-steps / 400) + rng.normal(0, 0.01, points))}, settings)


def charts():
    rng = np.random.default_rng(0)
    classes = ["background", "cat", "dining table", "tv"]
    estimates = {name: bootstrap(confusions(seed)) for seed, name in enumerate(("fcn32s", "fcn16s"))}
    point = figures.Tradeoff("FCN-8s", 8, (10.0, 11.0, 12.0), (60.0, 62.0, 64.0))
    costs = [
        timing("cost", batch=b, height=s, width=s, work={"peak_memory_bytes": 1e9}) for b in (1, 8) for s in (9, 90)
    ]
    return {
        "class_iu": (figures.class_iu, estimates, classes),
        "confusion_matrix": (figures.confusion_matrix, rng.integers(0, 99, (4, 4)), classes),
        "latency": (figures.latency, [timing(), timing(mode="fast"), timing(device="A GPU", seconds={})]),
        "tradeoff": (figures.tradeoff, {"eager": [point], "fast": [point]}),
        "cost": (figures.cost, [*costs, timing("cost", batch=8, height=900, width=900, seconds={})]),
        "training_curves": (figures.training_curves, [run(), run("b", 700)]),
        "patch_sampling": (figures.patch_sampling, [run(), run("b", 700)]),
    }


@pytest.mark.parametrize("name", charts())
def test_a_chart_is_the_same_bytes_whatever_the_users_style(tmp_path, name):
    chart, *arguments = charts()[name]
    for suffix in ("svg", "png"):
        paths = [tmp_path / f"{copy}.{suffix}" for copy in "ab"]
        chart(*arguments, path=paths[0])
        with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.hashsalt": None}):
            chart(*arguments, path=paths[1])
            assert matplotlib.rcParams["font.size"] == 20
        assert paths[0].read_bytes() == paths[1].read_bytes()
    text = (tmp_path / "a.svg").read_text()
    assert "<dc:date>" not in text and "Matplotlib" not in text
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("count", [1, 3, 9])
def test_the_iu_of_each_class_with_its_interval(drawn, count):
    found = {f"net {n}": bootstrap(confusions(n, classes=5)) for n in range(count)}
    (axes,) = drawn(figures.class_iu, found, list("abcde")).axes
    for bars, estimate in zip(axes.containers[::2], found.values(), strict=True):
        assert [bar.get_width() for bar in bars] == pytest.approx(100 * estimate.value.iu)
    tops = [bar.get_y() for bars in axes.containers[::2] for bar in bars]
    assert len(set(np.round(tops, 4))) == 5 * count  # none over another
    ends = [container.lines[2][0].get_segments() for container in axes.containers[1::2]]
    for segments, estimate in zip(ends, found.values(), strict=True):
        low_high = [(start[0], end[0]) for start, end in segments]
        assert np.array(low_high) == pytest.approx(100 * np.c_[estimate.low.iu, estimate.high.iu])


def test_bars_differ_by_more_than_colour(drawn):
    found = {f"net {n}": bootstrap(confusions(n)) for n in range(7)}
    (axes,) = drawn(figures.class_iu, found, list("abcd")).axes
    assert len({bars[0].get_hatch() for bars in axes.containers[::2]}) == 7
    lines = drawn(figures.training_curves, [run(str(n)) for n in range(7)]).axes[0].lines
    assert len({line.get_marker() for line in lines}) == 7


def test_classes_without_pixels_are_named_not_drawn(drawn):
    matrix = np.zeros((5, 5), np.int64)
    matrix[np.ix_([0, 2, 4], [0, 2, 4])] = np.random.default_rng(3).integers(1, 99, (3, 3))
    from repro.metrics import ImageConfusions

    estimate = bootstrap(ImageConfusions.from_matrices([("a", matrix), ("b", matrix)], 5))
    (axes,) = drawn(figures.class_iu, {"net": estimate}, ["sky", "cow", "sea", "moon", "tree"]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sky", "sea", "tree"]
    assert "cow, moon" in axes.get_xlabel()
    axes = drawn(figures.confusion_matrix, matrix, ["sky", "cow", "sea", "moon", "tree"]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sky", "sea", "tree"]
    assert "cow, moon" in axes.get_xlabel()


@pytest.mark.parametrize("classes", [1, 2, 21, 33, 40, 60])
def test_a_row_of_the_confusion_matrix_is_in_shares_of_its_class(drawn, classes):
    rng = np.random.default_rng(classes)
    matrix = rng.integers(1, 2000, (classes, classes)) + np.diag(rng.integers(0, 50_000, classes))
    if classes > 2:
        matrix[1] = 0  # predicted, but in no truth
    names = [f"class {n}" for n in range(classes)]
    figure = drawn(figures.confusion_matrix, matrix, names)
    axes = figure.axes[0]
    truth = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.where(truth, truth, 1)
    shown = axes.images[0].get_array().filled(np.nan)
    assert np.allclose(shown, np.where(truth, shares, np.nan), equal_nan=True)
    recall = scores(matrix).mean_acc
    assert np.nanmean(np.diagonal(shown)) == pytest.approx(recall)
    printed = {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text() for t in axes.texts}
    assert printed == {(r, c): f"{100 * shares[r, c]:.0f}" for r, c in zip(*np.nonzero(shares >= 0.05), strict=True)}
    assert [label.get_text() for label in axes.get_xticklabels()] == names
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(low.y1 < high.y0 + 1 for high, low in pairwise(boxes)), "names lie over each other"


def test_latency_bars_show_every_trial_and_keep_devices_apart(drawn):
    rng = np.random.default_rng(4)
    found = {name: rng.gamma(2, 0.1, 20).tolist() for name in ("ours", "ours, fast", "torchfcn")}
    slow = timing("peers", seconds={name: [10 * s for s in trials] for name, trials in found.items()}, peer="torchfcn")
    fast = timing("peers", seconds=found, device="A GPU", peer="torchfcn")
    figure = drawn(figures.latency, [slow, fast], title="Peers")
    assert [axes.get_title("left") for axes in figure.axes] == ["A processor", "A GPU"]
    assert figure.get_suptitle().splitlines()[1] == "voc2011/fcn8s_vgg16, fp32, eager, batch 1, 500×500, torchfcn"
    for axes, scale in zip(figure.axes, (10_000, 1000), strict=True):
        assert [label.get_text() for label in axes.get_yticklabels()] == list(found)
        bars = [container for container in axes.containers if hasattr(container, "patches")]
        for bar, trials in zip(bars, found.values(), strict=True):
            assert bar[0].get_width() == pytest.approx(scale * np.median(trials))
        ticks = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 20]
        assert np.array(ticks) == pytest.approx(scale * np.array(list(found.values())))
        whiskers = [c.lines[2][0].get_segments()[0][:, 0] for c in axes.containers if not hasattr(c, "patches")]
        assert np.array(whiskers) == pytest.approx(scale * np.quantile(list(found.values()), [0.1, 0.9], axis=1).T)


def test_a_case_that_ran_out_of_memory_has_no_bar(drawn):
    (axes,) = drawn(figures.latency, [timing(batch=1), timing(batch=20, seconds={})]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["batch 1", "batch 20"]
    assert len([c for c in axes.containers if hasattr(c, "patches")]) == 1
    assert "out of memory" in texts(axes)


def test_a_finer_stride_costs_time_and_brings_score(drawn):
    points = [figures.Tradeoff(f"FCN-{s}s", s, (t - 1, t, t + 2), (u - 3, u, u + 2)) for s, t, u in
              ((8, 30, 62.7), (32, 20, 59.4), (16, 25, 62.4))]  # fmt: skip
    (axes,) = drawn(figures.tradeoff, {"eager": points}).axes
    line = axes.containers[0].lines[0]
    assert line.get_xydata().tolist() == [[20, 59.4], [25, 62.4], [30, 62.7]]
    assert [text.get_text() for text in axes.texts] == ["FCN-32s", "FCN-16s", "FCN-8s"]


def test_cost_per_pixel_and_memory(drawn):
    rng = np.random.default_rng(5)
    found = []
    expected: dict[int, list[tuple[float, ...]]] = {}
    for batch in (1, 8):
        for height, width in ((250, 300), (1000, 500), (2000, 2000)):
            if (batch, height) == (8, 2000):
                found.append(timing("cost", batch=batch, height=height, width=width, seconds={}))
                continue
            trials, memory = rng.gamma(2, 1, 5).tolist(), int(rng.integers(1, 9) * 2**28)
            work = {"peak_memory_bytes": memory}
            one = timing("cost", batch=batch, height=height, width=width, seconds={"forward": trials}, work=work)
            found.append(one)
            pixels = height * width
            expected.setdefault(batch, []).append((pixels, 1e9 * np.median(trials) / pixels / batch, memory / 2**30))
    rng.shuffle(found)
    left, right = drawn(figures.cost, found).axes[:2]
    for line in left.lines:
        batch = int(line.get_label().removeprefix("batch "))
        assert line.get_xydata() == pytest.approx(np.array(expected[batch])[:, :2])
    curves = [line.get_xydata() for line in right.lines if len(line.get_xydata()) > 1]
    wanted = [np.array(expected[int(line.get_label().removeprefix("batch "))])[:, ::2] for line in left.lines]
    assert all(np.allclose(curve, want) for curve, want in zip(curves, wanted, strict=True))
    (cross,) = [line for line in right.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert cross.get_xdata().tolist() == [4_000_000]
    assert "250×300" in texts(left)


def test_cost_along_batches(drawn):
    seconds = {1: 2.0, 2: 3.0, 16: 40.0}
    found = [
        timing("cost", batch=batch, height=100, width=50, mode=mode, seconds={"forward": [scale * s] * 3})
        for batch, s in seconds.items()
        for mode, scale in (("eager", 1), ("fast", 0.5))
    ]
    left = drawn(figures.cost, found, "batch").axes[0]
    for line, scale in zip(left.lines, (1, 0.5), strict=True):
        expected = [[batch, 1e9 * scale * s / 5000 / batch] for batch, s in seconds.items()]
        assert line.get_xydata() == pytest.approx(np.array(expected))
    assert [line.get_label() for line in left.lines] == ["eager", "fast"]
    assert {"1", "2", "16", "images in a batch"} <= set(texts(left))


def test_a_trial_of_several_images_shows_the_time_of_one(drawn):
    found = [timing("parts", "loader", images=n, seconds={"images": [0.5 * n] * 3}) for n in (1, 40)]
    figure = drawn(figures.latency, found)
    (axes,) = figure.axes
    bars = [container for container in axes.containers if hasattr(container, "patches")]
    assert [bar[0].get_width() for bar in bars] == [500, 500]
    assert figure.get_supxlabel().startswith("milliseconds an image")


@pytest.mark.parametrize("points", [1, 7, 199, 200, 201, 5000, 74_365])
def test_long_curves_are_thinned_to_means(points):
    rng = np.random.default_rng(points)
    steps, values = np.arange(20, 20 * points + 1, 20), rng.normal(size=points)
    x, y = training.thin(steps, values)
    assert len(x) == min(points, 200) and (np.diff(x) > 0).all()
    if points <= 200:
        assert x.tolist() == steps.tolist() and y == pytest.approx(values)
    sizes = np.diff(np.linspace(0, points, len(x) + 1).astype(int))
    assert sizes.max() - sizes.min() <= 1
    assert (y * sizes).sum() == pytest.approx(values.sum()) and (x * sizes).sum() == pytest.approx(steps.sum())


def test_curves_of_loss_and_of_validation(drawn):
    one, other = run("a"), run("b", 90)
    other.scalars["mean_iu"] = (np.array([500, 1000]), np.array([40.0, 50.0]))
    (axes,) = drawn(figures.training_curves, [one]).axes
    assert axes.lines[0].get_xydata() == pytest.approx(np.stack(one.scalars["loss"], axis=1))
    left, right = drawn(figures.training_curves, [one, other]).axes
    assert [line.get_label() for line in left.lines] == ["a", "b"]
    (line,) = right.lines
    assert line.get_xydata().tolist() == [[500, 40], [1000, 50]]


def test_figure_5_counts_updates_on_one_side_and_images_on_the_other(drawn):
    settings = {"optim_wrapper.accumulative_counts": 80, "model.decode_head.loss.sampled": 0.25}
    whole = run("a", **{"optim_wrapper.accumulative_counts": 20, "train_dataloader.batch_size": 1})
    patches = run("b", **settings, **{"train_dataloader.batch_size": 2})
    left, right = drawn(figures.patch_sampling, [whole, patches]).axes
    steps = whole.scalars["loss"][0]
    assert [line.get_label() for line in left.lines] == ["whole images", "25% sampling"]
    assert left.lines[0].get_xdata() == pytest.approx(steps / 20)
    assert left.lines[1].get_xdata() == pytest.approx(steps / 80)
    assert right.lines[0].get_xdata() == pytest.approx(steps)
    assert right.lines[1].get_xdata() == pytest.approx(2 * steps)
    assert json.dumps([line.get_ydata().tolist() for line in left.lines]) == json.dumps(
        [line.get_ydata().tolist() for line in right.lines]
    )


@pytest.mark.parametrize(
    ("chart", "arguments", "why"),
    [
        (figures.class_iu, ({}, ["a"]), "1 classes"),
        (figures.class_iu, ({"net": bootstrap(confusions())}, ["a"]), "1 classes"),
        (figures.confusion_matrix, (np.ones((2, 3), int), ["a", "b"]), "2 classes"),
        (figures.confusion_matrix, (np.zeros((2, 2), int), ["a", "b"]), "empty"),
        (figures.latency, ([],), "no timing"),
        (figures.tradeoff, ({"eager": []},), "no net"),
        (figures.cost, ([],), "batch, height and width"),
        (figures.cost, ([timing("cost"), timing("cost", device="A GPU")],), "two devices"),
        (figures.training_curves, ([],), "logged a loss"),
        (figures.patch_sampling, ([Run("a", {}, {})],), "logged a loss"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_nothing_written(tmp_path, chart, arguments, why):
    with pytest.raises(UserError, match=why):
        chart(*arguments, path=tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())
