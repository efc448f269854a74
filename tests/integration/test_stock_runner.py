"""Every config works with mmengine alone, without this suite's command."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from repro import experiments

CARDS = experiments.find()

SCRIPT = """
import sys
from mmengine.config import Config
from mmengine.runner import Runner

path, data_root, work_dir = sys.argv[1:]
config = Config.fromfile(path)
config.work_dir = work_dir
config.model.backbone.width = 1 / 16
config.train_cfg.update(max_iters=2, val_interval=2)
for loader in (config.train_dataloader, config.val_dataloader):
    loader.update(num_workers=0, persistent_workers=False)
    loader.dataset.data_root = data_root
Runner.from_cfg(config).train()
"""


def test_a_config_trains_under_a_stock_runner(drawn: Path, tmp_path: Path):
    (tmp_path / "script.py").write_text(SCRIPT)
    path = experiments.CONFIGS / "voc2011/fcn16s_vgg16.py"
    result = subprocess.run(
        [sys.executable, "script.py", path, drawn, tmp_path / "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    checkpoint = torch.load(tmp_path / "run/iter_2.pth", weights_only=True)
    assert checkpoint["state_dict"]["decode_head.score_pool4.weight"].any(), "the skip has learned something"
    assert "mean_iu" in result.stdout + result.stderr


@pytest.mark.parametrize("name", CARDS)
def test_every_config_builds_its_net_at_full_width(name):
    config = Config.fromfile(CARDS[name].path)
    card = CARDS[name]
    told = {"recipe": card.recipe, "starts_from": card.starts_from, "claims": card.claims}
    assert {"recipe": config.experiment.recipe, **_tuples(config.experiment)} == told
    with torch.device("meta"):
        net = MODELS.build(config.model)
    assert all(parameter.is_meta for parameter in net.parameters())
    trained = [name for name, parameter in net.named_parameters() if parameter.requires_grad]
    assert trained
    if "fixed" in name:
        assert trained == ["decode_head.score_fr.weight", "decode_head.score_fr.bias"]


def _tuples(card: dict) -> dict[str, tuple[str, ...]]:
    """A card's parents and claims, as the suite reads them; one parent may stand as a plain string."""
    parents = card.get("starts_from", ())
    return {
        "starts_from": (parents,) if isinstance(parents, str) else tuple(parents),
        "claims": tuple(card.get("claims", ())),
    }
