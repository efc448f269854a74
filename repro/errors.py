"""The one exception for everything a user can cause."""


class UserError(Exception):
    """What is wrong, where, and what to do, in one line. The command prints it and exits with code 2."""

    def __str__(self) -> str:
        # torch wraps what a loader's process raises in that process's traceback, which ends with the line itself
        return super().__str__().rpartition(f"{__name__}.UserError: ")[2].strip()
