"""What the tests share: a small drawn dataset, a chain trained on it for a few steps, and the command itself."""

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Settings under which a stage trains in a second.
TINY = {"train_cfg.max_iters": 3, "model.backbone.width": 0.0625, "optim_wrapper.optimizer.lr": 0.001}


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Options for a training of seconds."""
    return dict(TINY)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn dataset of 16 training and 6 validation images; not to be changed."""
    from repro.data.sample.voc import write_voc

    root = tmp_path_factory.mktemp("data") / "sample"
    write_voc(root, train=16, val=6)
    return root


@pytest.fixture(scope="session")
def trained(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work_dirs of a whole chain, classifier to 8s, trained on `drawn` with `tiny`; not to be changed."""
    from repro.reproduce import reproduce

    work_dirs = tmp_path_factory.mktemp("trained")
    reproduce("sample", work_dirs=work_dirs, data_root=drawn, options=TINY)
    return work_dirs


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that tells the user what is wrong, of a run that failed as it should."""
        assert self.code == 2, f"exit code {self.code}\n{self.err}"
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.startswith("repro: ")]
        assert len(lines) == 1 and self.err.rstrip("\n").endswith(lines[0]), self.err
        return lines[0].removeprefix("repro: ")


Command = Callable[..., Outcome]


@pytest.fixture(scope="session")
def dismiss_workers() -> Callable[[], None]:
    """End all loaders' processes. The garbage collector would, later, and wait five seconds for each."""
    from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

    def dismiss() -> None:
        for thing in gc.get_objects():
            if type(thing) is _MultiProcessingDataLoaderIter:
                thing._shutdown_workers()

    return dismiss


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], dismiss_workers: Callable[[], None]
) -> Command:
    """Run the command in this process: `command("list")`. Options as a dictionary become --cfg-options."""
    from repro.cli import main

    def run(*arguments: object, options: dict[str, Any] | None = None) -> Outcome:
        settings = [f"{key}={value}" for key, value in (options or {}).items()]
        pairs = [part for setting in settings for part in ("--cfg-options", setting)]
        monkeypatch.setattr(sys, "argv", ["repro", *map(str, arguments), *pairs])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capfd.readouterr()
        if any("num_workers" in setting for setting in settings):
            dismiss_workers()
        return Outcome(int(stop.value.code or 0), out, err)

    return run
