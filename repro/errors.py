"""The one exception for everything a user can cause."""


class UserError(Exception):
    """What is wrong, where, and what to do, in one line. The command prints it and exits with code 2."""
