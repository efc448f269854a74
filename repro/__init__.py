"""Reproduce, time and question "Fully Convolutional Networks for Semantic Segmentation" (Long et al., CVPR 2015)."""

__version__ = "0.1.0"
