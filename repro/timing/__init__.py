"""How long the nets take: what is timed, on what device, in what precision, against what floor.

`tests/timing` holds the protocols, pytest-benchmark runs them, and `repro time` makes records of its results.
"""
