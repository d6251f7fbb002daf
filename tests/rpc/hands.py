"""A monotonic clock for what is counted by the second."""


class Hands:
    """A monotonic clock that is set."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds
