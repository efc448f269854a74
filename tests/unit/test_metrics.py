"""The four numbers against a per-pixel count and the paper's formulas; per-image files; the bootstrap."""

import numpy as np
import pytest

from repro.errors import UserError
from repro.metrics import METRICS, ImageConfusions, bootstrap, paired_bootstrap, scores

C = 5


def labels(rng, size=300, classes=C):
    truth, predicted = rng.integers(0, classes, (2, size))
    return truth, np.where(rng.random(size) < 0.6, truth, predicted)


def count(truth, predicted, classes=C):
    matrix = np.zeros((classes, classes), np.int64)
    for t, p in zip(truth, predicted, strict=True):
        matrix[t, p] += 1
    return matrix


def confusions(seed=0, images=40, accuracy=0.6):
    rng = np.random.default_rng(seed)
    found = []
    for n in range(images):
        truth, predicted = rng.integers(0, C, (2, 200))
        found.append((f"im{n:03}", count(truth, np.where(rng.random(200) < accuracy, truth, predicted))))
    return ImageConfusions.from_matrices(found, C)


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_a_count_pixel_by_pixel(seed):
    truth, predicted = labels(np.random.default_rng(seed))
    accuracy, iu, frequency = [], [], []
    for c in range(C):
        inside = sum(t == c and p == c for t, p in zip(truth, predicted, strict=True))
        either = sum(t == c or p == c for t, p in zip(truth, predicted, strict=True))
        accuracy.append(inside / sum(t == c for t in truth))
        iu.append(inside / either)
        frequency.append(sum(t == c for t in truth) / len(truth))
    found = scores(count(truth, predicted))
    assert found.pixel_acc == pytest.approx(sum(t == p for t, p in zip(truth, predicted, strict=True)) / len(truth))
    assert found.mean_acc == pytest.approx(sum(accuracy) / C)
    assert found.mean_iu == pytest.approx(sum(iu) / C)
    assert found.fw_iu == pytest.approx(sum(f * i for f, i in zip(frequency, iu, strict=True)))
    np.testing.assert_allclose(found.iu, iu)


def test_absent_classes_count_as_the_rule_says():
    matrix = np.array([[8, 0, 2, 0], [1, 9, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])  # 2 absent, predicted; 3 neither
    present, union = scores(matrix, "present"), scores(matrix, "union")
    ius = [8 / 11, 9 / 10]
    assert present.mean_iu == pytest.approx(sum(ius) / 2)
    assert union.mean_iu == pytest.approx(sum(ius) / 3)
    np.testing.assert_array_equal(np.isnan(present.iu), [False, False, True, True])
    np.testing.assert_array_equal(np.isnan(union.iu), [False, False, False, True])
    assert union.iu[2] == 0
    assert present.mean_acc == union.mean_acc == pytest.approx((0.8 + 0.9) / 2)
    assert present.fw_iu == union.fw_iu == pytest.approx(sum(ius) / 2)
    assert present.pixel_acc == union.pixel_acc == pytest.approx(17 / 20)
    with pytest.raises(ValueError, match="absent"):
        scores(matrix, "all")  # type: ignore[arg-type]


@pytest.mark.parametrize("absent", ["present", "union"])
@pytest.mark.parametrize("classes", [(1, 2, 3, 4), (3, 0), (2,), (5, 1)])  # 5 never occurs, 4 is predicted only
def test_a_subset_of_classes_equals_a_count_pixel_by_pixel(classes, absent):
    truth, predicted = labels(np.random.default_rng(7), classes=4)
    predicted[:9] = 4
    kept = [(t, p) for t, p in zip(truth, predicted, strict=True) if t in classes]
    accuracy, iu, weighted = [], {}, 0.0
    for c in classes:
        there = sum(t == c for t, _ in kept)
        inside, either = sum(t == p == c for t, p in kept), sum(c in pair for pair in kept)
        if there:
            accuracy.append(inside / there)
            weighted += there * inside / either
        if there or (absent == "union" and either):
            iu[c] = inside / either
    found = scores(count(truth, predicted, 6), absent, classes)
    assert found.pixel_acc == pytest.approx(sum(t == p for t, p in kept) / len(kept))
    assert found.mean_acc == pytest.approx(sum(accuracy) / len(accuracy))
    assert found.mean_iu == pytest.approx(sum(iu.values()) / len(iu))
    assert found.fw_iu == pytest.approx(weighted / len(kept))
    np.testing.assert_allclose(found.iu, [iu.get(c, np.nan) for c in range(6)])


def test_all_classes_are_the_same_as_none_named():
    matrix = count(*labels(np.random.default_rng(1)))
    assert scores(matrix, classes=range(C)).mean_iu == scores(matrix).mean_iu
    for wrong in ((), (0, 0), (C,), (-1,)):
        with pytest.raises(ValueError, match="classes is"):
            scores(matrix, classes=wrong)
    matrix[2] = 0
    with pytest.raises(UserError, match="no labelled pixel"):
        scores(matrix, classes=(2,))


def test_counts_beyond_32_bits_stay_exact():
    big = 2**40 + 1
    assert scores(np.array([[big, 0], [1, 0]])).pixel_acc == pytest.approx(big / (big + 1), abs=0)


@pytest.mark.parametrize(
    "matrix", [np.zeros((2, 2), int), np.ones((2, 3), int), np.ones((2, 2)), np.array([[1, -1], [0, 1]])]
)
def test_what_is_no_confusion_matrix_is_refused(matrix):
    with pytest.raises(UserError):
        scores(matrix)


def test_images_keep_each_matrix_whatever_their_order():
    rng = np.random.default_rng(3)
    matrices = {f"im{n}": count(*labels(rng, 20)) for n in (2, 0, 1)}
    matrices["im3"] = np.zeros((C, C), np.int64)  # all void
    found = ImageConfusions.from_matrices(iter(matrices.items()), C)
    assert found.ids == ["im0", "im1", "im2", "im3"]
    for row, name in zip(found.by_image().toarray(), found.ids, strict=True):
        np.testing.assert_array_equal(row.reshape(C, C), matrices[name])
    np.testing.assert_array_equal(found.total(), sum(matrices.values()))
    again = ImageConfusions.from_matrices(reversed(matrices.items()), C)
    assert again.to_bytes() == found.to_bytes()


def test_images_refuse_a_repeated_id_and_a_foreign_size():
    one = np.eye(C, dtype=np.int64)
    with pytest.raises(UserError, match="twice"):
        ImageConfusions.from_matrices([("a", one), ("a", one)], C)
    with pytest.raises(UserError, match="not 4 x 4"):
        ImageConfusions.from_matrices([("a", one)], 4)


def test_npz_round_trip(tmp_path):
    found = confusions()
    found.save(tmp_path / "a.npz")
    read = ImageConfusions.load(tmp_path / "a.npz")
    assert (read.ids, read.num_classes) == (found.ids, found.num_classes)
    for name in ("image", "truth", "predicted", "count"):
        np.testing.assert_array_equal(getattr(read, name), getattr(found, name))
        assert getattr(read, name).dtype == np.int64
    read.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_damaged_npz_is_refused(tmp_path):
    found = confusions(images=2)
    good = dict(np.load(save(tmp_path / "good.npz", found)))
    for name, changed in {
        "negative": {"count": -good["count"]},
        "class": {"truth": good["truth"] + C},
        "image": {"image": good["image"] + 1},
        "order": {name: good[name][::-1] for name in ("image", "truth", "predicted", "count")},
        "kind": {"count": good["count"].astype(float)},
        "length": {"count": good["count"][:-1]},
        "ids": {"ids": good["ids"][::-1]},
        "pickle": {"ids": np.array([{}, {}], dtype=object)},
    }.items():
        np.savez(tmp_path / f"{name}.npz", **{**good, **changed})
        with pytest.raises(UserError, match=name):  # the path is named
            ImageConfusions.load(tmp_path / f"{name}.npz")
    np.savez(tmp_path / "missing.npz", **{name: value for name, value in good.items() if name != "truth"})
    (tmp_path / "truncated.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:200])
    (tmp_path / "text.npz").write_text("no")
    (tmp_path / "empty.npz").write_bytes(b"")
    for name in ("missing", "truncated", "text", "empty", "nowhere"):
        with pytest.raises(UserError, match=name):
            ImageConfusions.load(tmp_path / f"{name}.npz")


def save(path, found):
    found.save(path)
    return path


def test_bootstrap_equals_drawing_images_one_by_one():
    found, resamples = confusions(images=12), 20
    matrices = found.by_image().toarray().reshape(-1, C, C)
    weights = np.random.default_rng(7).multinomial(12, np.full(12, 1 / 12), size=resamples)
    drawn = [scores(sum(w * m for w, m in zip(row, matrices, strict=True))) for row in weights]
    estimate = bootstrap(found, resamples=resamples, seed=7)
    for metric in METRICS:
        values = [getattr(one, metric) for one in drawn]
        low, high = np.quantile(values, [0.025, 0.975])
        assert getattr(estimate.low, metric) == pytest.approx(low)
        assert getattr(estimate.high, metric) == pytest.approx(high)
        assert getattr(estimate.value, metric) == getattr(scores(found.total()), metric)
    np.testing.assert_allclose(estimate.low.iu, np.quantile([one.iu for one in drawn], 0.025, axis=0))


def test_bootstrap_over_a_subset_equals_one_without_the_other_pixels():
    found, classes = confusions(images=15), (1, 2, 4)
    matrices = found.by_image().toarray().reshape(-1, C, C) * np.isin(np.arange(C), classes)[:, None]
    kept = ImageConfusions.from_matrices(zip(found.ids, matrices, strict=True), C)
    subset, present = bootstrap(found, classes=classes, resamples=50), bootstrap(kept, resamples=50)
    for part in ("value", "low", "high"):
        for metric in METRICS:
            assert getattr(getattr(subset, part), metric) == getattr(getattr(present, part), metric)


def test_bootstrap_is_reproducible_and_narrows_with_images():
    small, large = confusions(images=20), confusions(images=500)
    first, again, other = bootstrap(small), bootstrap(small), bootstrap(small, seed=1)
    assert (first.low.mean_iu, first.high.mean_iu) == (again.low.mean_iu, again.high.mean_iu)
    assert first.low.mean_iu != other.low.mean_iu
    assert first.low.mean_iu < first.value.mean_iu < first.high.mean_iu
    wide = first.high.mean_iu - first.low.mean_iu
    narrow = bootstrap(large)
    assert (narrow.high.mean_iu - narrow.low.mean_iu) < wide / 3


def test_bootstrap_interval_covers_about_as_often_as_it_says():
    true = scores(confusions(seed=99, images=4000).total()).mean_iu
    hits = 0
    for seed in range(100):
        estimate = bootstrap(confusions(seed=seed, images=60), resamples=200)
        hits += estimate.low.mean_iu <= true <= estimate.high.mean_iu
    assert 87 <= hits <= 100


def test_bootstrap_of_seeds_is_of_their_mean():
    a, b = confusions(1), confusions(2)
    both = bootstrap(a, b)
    assert both.value.mean_iu == pytest.approx((bootstrap(a).value.mean_iu + bootstrap(b).value.mean_iu) / 2)
    assert bootstrap(a, a).low.mean_iu == pytest.approx(bootstrap(a).low.mean_iu)


def test_bootstrap_survives_a_class_of_one_image_and_an_empty_image():
    matrices = [(f"im{n}", np.diag([9, 0, 0, 0, 0]) + np.eye(C, dtype=int)[0] * 0) for n in range(5)]
    matrices[0][1][1, 1] = 5
    matrices.append(("void", np.zeros((C, C), int)))
    estimate = bootstrap(ImageConfusions.from_matrices(matrices, C))
    assert estimate.value.iu[1] == estimate.low.iu[1] == 1
    assert np.isnan([estimate.value.iu[2], estimate.low.iu[2], estimate.high.iu[2]]).all()


def test_paired_difference():
    a, b = confusions(1, accuracy=0.7), confusions(1, accuracy=0.6)
    same = paired_bootstrap(a, a)
    assert same.value.mean_iu == same.low.mean_iu == same.high.mean_iu == 0
    found = paired_bootstrap(a, b)
    assert found.value.mean_iu == pytest.approx(scores(a.total()).mean_iu - scores(b.total()).mean_iu)
    assert 0 < found.low.mean_iu < found.value.mean_iu < found.high.mean_iu
    assert paired_bootstrap(b, a).low.mean_iu == pytest.approx(-found.high.mean_iu)


def test_pairs_need_the_same_images():
    a, b = confusions(images=5), confusions(images=6)
    with pytest.raises(UserError, match="im005"):
        paired_bootstrap(a, b)
    with pytest.raises(UserError, match="classes"):
        paired_bootstrap(a, ImageConfusions.from_matrices([(name, np.eye(3, dtype=int)) for name in a.ids], 3))
    with pytest.raises(UserError, match="no image"):
        bootstrap(ImageConfusions.from_matrices([], C))
