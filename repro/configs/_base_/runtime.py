"""What every experiment shares: seed, hooks, processes."""

from mmengine.hooks import CheckpointHook, DistSamplerSeedHook, IterTimerHook, LoggerHook, ParamSchedulerHook
from mmengine.runner import LogProcessor

from repro.hooks import FiniteLoss
from repro.resume import ExactResume

default_scope = "mmseg"
randomness = dict(seed=1337, deterministic=True)
env_cfg = dict(
    cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0), dist_cfg=dict(backend="nccl")
)
default_hooks = dict(
    runtime_info=dict(type="RuntimeInfoHook"),
    timer=dict(type=IterTimerHook),
    sampler_seed=dict(type=DistSamplerSeedHook),
    logger=dict(type=LoggerHook, interval=20, log_metric_by_epoch=False),
    param_scheduler=dict(type=ParamSchedulerHook),
    # two, because the older one is deleted before the newer one is written
    checkpoint=dict(type=CheckpointHook, by_epoch=False, interval=4000, max_keep_ckpts=2),
)
custom_hooks = [dict(type=ExactResume), dict(type=FiniteLoss)]
log_processor = dict(type=LogProcessor, by_epoch=False, window_size=20)
