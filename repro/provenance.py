"""Where a number comes from: commit, versions, device, precision, seed, command."""

import platform
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

import repro

# import name -> the distributions that provide it, the maintained ones first
DISTRIBUTIONS = {
    "repro": ("fcn-repro",),
    "torch": ("torch",),
    "torchvision": ("torchvision",),
    "mmengine": ("onedl-mmengine", "mmengine"),
    "mmcv": ("onedl-mmcv", "mmcv"),
    "mmseg": ("onedl-mmsegmentation", "mmsegmentation"),
    "numpy": ("numpy",),
    "cv2": ("opencv-python", "opencv-python-headless"),
}


def collect(seed: int | None, device: str = "cpu", argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Everything about this process that a record keeps, ready for JSON.

    Args:
        seed: of the measurement; None where nothing was drawn.
        device: torch's name of the device that does the work, such as `cpu` or `cuda:0`.
        argv: the command; the default is this process's. Absolute paths are reduced to their last part.

    Returns:
        `commit` and `dirty` (None outside a checkout), `versions`, `device`, `threads`, `precision`, `seed`, `command`,
        `platform`, `time` (UTC, ISO 8601).
    """
    import torch
    from torch.backends import cuda, cudnn

    commit, dirty = checkout_state(Path(repro.__file__).parents[1])
    return {
        "commit": commit,
        "dirty": dirty,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in DISTRIBUTIONS},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else cpu_name(),
        "threads": torch.get_num_threads(),
        "precision": {
            "matmul_tf32": _or(lambda: cuda.matmul.allow_tf32, lambda: cuda.matmul.fp32_precision == "tf32"),
            "cudnn_tf32": _or(lambda: cudnn.allow_tf32, lambda: cudnn.fp32_precision == "tf32"),
            "cudnn_deterministic": cudnn.deterministic,
            "cudnn_benchmark": cudnn.benchmark,
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "float32_matmul": _or(torch.get_float32_matmul_precision, lambda: vars(torch.backends)["fp32_precision"]),
        },
        "seed": seed,
        "command": [reduce_paths(argument) for argument in (sys.argv if argv is None else argv)],
        "platform": f"{platform.system()} {platform.machine()}",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _or(read: Callable[[], Any], fallback: Callable[[], Any]) -> Any:
    """torch refuses to read the older precision switches once the newer ones were set."""
    try:
        return read()
    except RuntimeError:
        return fallback()


def version(name: str) -> str | None:
    """Version of the distribution that provides an import name, read without importing it; None when not installed."""
    for distribution in DISTRIBUTIONS[name]:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def cpu_name() -> str:
    """The processor's model name, or its architecture where the system does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def checkout_state(root: Path) -> tuple[str | None, bool | None]:
    """Commit and dirty flag of the checkout at `root`; (None, None) when git does not track the package there.

    `tables/` never counts as dirty: it holds results, and nothing that measures reads it. Untracked files count where
    code or claims could hide in them, under `repro/` and `baselines/`.
    """

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(root), *arguments]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return None

    commit = git("rev-parse", "HEAD")
    # a package installed inside someone else's repository must not borrow that repository's commit
    if commit is None or git("ls-files", "--error-unmatch", "--", "repro/__init__.py") is None:
        return None, None
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)tables")
    untracked = git("ls-files", "--others", "--exclude-standard", "--", "repro", "baselines")
    return commit.strip(), None if changed is None or untracked is None else bool(changed or untracked)


def reduce_paths(argument: str) -> str:
    """Reduce every path in a command's argument that could name a folder of the user's to its last part.

    `--weights=/home/ann/nets/fcn16s.pth` -> `--weights=fcn16s.pth`; names relative to the working folder stay.
    """
    parts = re.split(r"""([=,;\[\](){}'"])""", argument)
    return "".join(_reduce(part) for part in parts)


def _reduce(part: str) -> str:
    found = re.match(r"(\s*(?:-\w)?)((?:file:)?[/\\~].*|[A-Za-z]:[\\/](?![\\/]).*|\.\..*)$", part, re.DOTALL)
    if not found:
        return part
    return found[1] + PurePosixPath(found[2].replace("\\", "/").rstrip("/")).name
