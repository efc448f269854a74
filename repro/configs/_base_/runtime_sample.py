"""The runtime of the sample's experiments, faster on CPUs."""

from mmengine.config import read_base

from repro.hooks import ChannelsLast

with read_base():
    from .runtime import *

custom_hooks.append(dict(type=ChannelsLast))
