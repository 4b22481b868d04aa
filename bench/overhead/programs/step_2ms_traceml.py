"""step_2ms.py with the edit that TraceML asks for: initialise it, and put each step into trace_step."""

import traceml_ai as traceml  # type: ignore[import-not-found]
from training import Training


def main() -> None:
    """Trains."""
    traceml.init(mode="auto")
    training = Training.from_command_line()
    for _ in range(training.epochs):
        for x, y in training.loader:
            with traceml.trace_step(training.model):
                training.step(x, y)
            training.tick()
    training.finish()


if __name__ == "__main__":
    main()
