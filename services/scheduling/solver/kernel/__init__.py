"""What is compiled. Only functions over blocks of numbers; what they get is made in `flat`."""

COMPILED = "MES_SOLVER_COMPILED"
"""The variable that has functions compiled; to be set before anything else of the kernel is imported."""
