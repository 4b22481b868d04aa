"""A small training program with steps of about 2 ms, as a user would write it."""

from training import Training


def main() -> None:
    """Trains."""
    training = Training.from_command_line()
    for _ in range(training.epochs):
        for x, y in training.loader:
            training.step(x, y)
            training.tick()
    training.finish()


if __name__ == "__main__":
    main()
