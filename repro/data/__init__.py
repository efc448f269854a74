"""Datasets: their layouts on disk, their splits, and how an image and its labels are read."""
