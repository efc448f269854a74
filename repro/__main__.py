"""`python -m repro`, which torchrun needs."""

from repro.cli import main

main()
