"""The device that is timed: its precision, its clock, its memory, its meter."""

import contextlib
import gc
import platform
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.backends import cuda, cudnn

from repro.provenance import cpu_name

PRECISIONS = ("fp32", "tf32", "bf16")
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")


@contextlib.contextmanager
def use_precision(name: str) -> Iterator[None]:
    """Multiply in a precision, until the end of the block.

    `fp32` is IEEE fp32: TF32 is off in matrix products and in cuDNN. `tf32` turns it on in both. `bf16` leaves fp32
    arithmetic as it is in `fp32`: who times it casts net and input (`repro.timing.nets`).

    Raises:
        ValueError: another name.
    """
    if name not in PRECISIONS:
        raise ValueError(f"precision is {', '.join(PRECISIONS)}, not {name!r}")
    before = cuda.matmul.allow_tf32, cudnn.allow_tf32
    cuda.matmul.allow_tf32 = cudnn.allow_tf32 = name == "tf32"
    try:
        yield
    finally:
        cuda.matmul.allow_tf32, cudnn.allow_tf32 = before


def synchronize(device: str) -> None:
    """Wait until the device has done all that it was told; a CPU always has."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def describe(device: str) -> dict[str, Any]:
    """Name and software of the device, ready for JSON: `name`, `threads`, and of a GPU driver, CUDA, cuDNN, memory."""
    found: dict[str, Any] = {"name": cpu_name(), "threads": torch.get_num_threads(), "system": platform.platform()}
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "name": properties.name,
            "memory_bytes": properties.total_memory,
            "capability": f"{properties.major}.{properties.minor}",
            "driver": _driver(),
            "cuda": torch.version.cuda,
            "cudnn": cudnn.version(),
        }
    return found


def _driver() -> str | None:
    with contextlib.suppress(OSError):
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
        found = re.search(r"Module(?: for \S+)?\s+([\d.]+)", text)
        return found and found[1]
    return None


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error says that the device's memory did not do."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in OUT_OF_MEMORY)


def release(device: str) -> None:
    """Hand back the memory of what nobody holds any more."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


def available_memory() -> int | None:
    """Bytes that a process can still take, of the system and of the container that it runs in; None: nobody tells."""
    known = []
    with contextlib.suppress(OSError):
        known.append(_kilobytes(Path("/proc/meminfo"), "MemAvailable"))
    with contextlib.suppress(OSError, ValueError):  # ValueError: "max", no limit
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        statistics = (group / "memory.stat").read_text(encoding="ascii")
        cached = re.search(r"^inactive_file (\d+)$", statistics, re.MULTILINE)  # what the system would drop
        known.append(limit - used + (int(cached[1]) if cached else 0))
    return min(known, default=None)


def held_memory(device: str) -> int | None:
    """Bytes that are taken now, counted as `peak_memory` counts them."""
    if device.startswith("cuda"):
        return torch.cuda.memory_allocated(device)
    with contextlib.suppress(OSError):
        return _kilobytes(Path("/proc/self/status"), "VmRSS")
    return None


@contextlib.contextmanager
def peak_memory(device: str) -> Iterator[Callable[[], int | None]]:
    """Hand out a function that tells the most bytes that were taken since the block began.

    On CUDA those of the tensors (torch's `max_memory_allocated`). On a CPU those of the whole process, interpreter and
    libraries included; None where the system does not tell.
    """
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        yield lambda: torch.cuda.max_memory_allocated(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
        readable = True
    except OSError:
        readable = False
    yield lambda: _kilobytes(Path("/proc/self/status"), "VmHWM") if readable else None


def _kilobytes(path: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", path.read_text(encoding="ascii"), re.MULTILINE)
    if not found:
        raise OSError(f"{path} does not tell {name}")
    return int(found[1]) * 1024


def energy_meter(device: str) -> Callable[[], float] | None:
    """A function that reads the joules that a GPU has used so far; None where there is no meter.

    It needs the package `nvidia-ml-py`. The counter moves a few dozen times a second: read it over a second or more.
    """
    if not device.startswith("cuda"):
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:  # an older GPU, or one that hides it
        return None
    return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
