"""What the command prints: experiments with their parents, the numbers of each head, the gain over each parent."""

import re
from pathlib import Path

import pytest
from written_records import confusions, put

from repro import experiments, listing
from repro.experiments import Experiment
from repro.metrics import ImageConfusions, paired_bootstrap, scores


def card(name, *parents):
    return Experiment(name=name, path=Path(f"{name}.py"), summary="A net.", recipe="release", starts_from=parents)


def scored_again(found, seed):
    """Other predictions on the same labels."""
    matrices = found.by_image().toarray().reshape(-1, found.num_classes, found.num_classes)
    for shift, matrix in enumerate(matrices):
        matrix[1] = matrix[1][[(n + shift * seed) % found.num_classes for n in range(found.num_classes)]]
    return ImageConfusions.from_matrices(zip(found.ids, matrices, strict=True), found.num_classes)


def test_the_list_joins_several_parents(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    cards = (card("a/plain"), card("a/fused", "a/plain", "b/other"))
    monkeypatch.setattr(experiments, "find", lambda: {one.name: one for one in cards})
    listing.show()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [["a/plain", "—"], ["a/fused", "a/plain", "+", "b/other", "—"]]


def test_each_head_is_printed_under_its_name(tmp_path, capsys):
    heads = {"semantic": confusions(1), "geometric": confusions(2, classes=3)}
    names = {"semantic": ["sky", "sea", "bird", "boat"], "geometric": ["up", "flat", "across"]}
    listing.print_scores(put(tmp_path, found=heads, classes=names, experiment="siftflow/net"))
    semantic, geometric = capsys.readouterr().out.split("siftflow/net, geometric")
    assert semantic.startswith("siftflow/net, semantic")
    for text, head in ((semantic, "semantic"), (geometric, "geometric")):
        lines = [line.rsplit(maxsplit=4) for line in text.splitlines()[1:]]
        total = scores(heads[head].total())
        assert [line[0].strip() for line in lines] == ["pixel acc.", "mean acc.", "mean IU", "f.w. IU", *names[head]]
        values = [total.pixel_acc, total.mean_acc, total.mean_iu, total.fw_iu, *total.iu]
        assert [line[1] for line in lines] == [f"{100 * value:.1f}" for value in values]


def test_one_head_needs_no_name(tmp_path, capsys):
    listing.print_scores(put(tmp_path, experiment="voc2011/net"))
    assert "semantic" not in capsys.readouterr().out


def test_a_fused_net_is_compared_with_both_its_parents(tmp_path, capsys):
    labels = confusions(1)
    nets = {"n/rgb": labels, "n/hha": scored_again(labels, 1), "n/fused": scored_again(labels, 2)}
    parents = {"n/fused": ("n/rgb", "n/hha"), "n/rgb": ("ilsvrc/vgg16",)}
    scored = {
        card(name, *parents.get(name, ())): put(tmp_path, found=net, experiment=name) for name, net in nets.items()
    }
    listing.print_gains(scored)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for line, parent in zip(lines, ("n/rgb", "n/hha"), strict=True):
        gain = paired_bootstrap(nets["n/fused"], nets[parent])
        value, low, high = (100 * part.mean_iu for part in (gain.value, gain.low, gain.high))
        assert line == f"n/fused - {parent}: mean IU {value:.1f} ({low:.1f} to {high:.1f})"


@pytest.mark.parametrize("other", ["images", "labels", "classes", "head"])
def test_no_gain_between_scores_of_other_pixels(tmp_path, capsys, other):
    found = confusions(1)
    parent = {
        "images": {"found": confusions(1, ids=[f"x{name}" for name in found.ids])},
        "labels": {"found": confusions(2)},
        "classes": {"found": found, "classes": {"semantic": list("wxyz")}},
        "head": {"found": {"geometric": found}},
    }[other]
    child = put(tmp_path, found=found, experiment="n/child")
    listing.print_gains(
        {card("n/parent"): put(tmp_path, experiment="n/parent", **parent), card("n/child", "n/parent"): child}
    )
    assert capsys.readouterr().out == ""


def test_each_common_head_has_its_gain(tmp_path, capsys):
    heads = {"semantic": confusions(1), "geometric": confusions(2, classes=3)}
    again = {head: scored_again(found, 1) for head, found in heads.items()}
    parent = put(tmp_path, found=heads, experiment="s/32s")
    listing.print_gains({card("s/32s"): parent, card("s/16s", "s/32s"): put(tmp_path, found=again, experiment="s/16s")})
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"-?\d+\.\d", "N", line) for line in lines] == [
        "s/16s - s/32s: mean IU N (N to N)",
        "s/16s - s/32s: geometric mean IU N (N to N)",
    ]
