"""Ray Train with two workers, each a process of Ray's own that trains; Ray starts a cluster of this one machine."""

import time

BEGAN = time.perf_counter()

import argparse
import tempfile
from pathlib import Path
from typing import Any

import ray
import ray.train.torch
from ray.train import Checkpoint, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from small import arguments

SAMPLES, BATCH, EPOCHS = 640, 8, 2


def train(config: dict[str, Any]) -> None:
    """What each worker runs; its imports are its own."""
    began = time.perf_counter()
    import torch
    import torch._dynamo
    import torch.nn.functional as F
    from torch.utils.data import DataLoader

    from small import SlowSamples, digest, finish, make_model
    from stopwatch import Stopwatch

    watch = Stopwatch(began, time.perf_counter())
    torch.set_num_threads(1)
    torch.manual_seed(9)
    rank = ray.train.get_context().get_world_rank()
    samples = SlowSamples(SAMPLES, 0.002)
    model = ray.train.torch.prepare_model(make_model(width=256, layers=2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    loader = DataLoader(samples, batch_size=BATCH, shuffle=True, collate_fn=samples.collate)
    loader = ray.train.torch.prepare_data_loader(loader)
    for epoch in range(EPOCHS):
        if ray.train.get_context().get_world_size() > 1:
            loader.sampler.set_epoch(epoch)
        watch.ask()
        for x, y in loader:
            watch.receive(0)
            optimizer.zero_grad()
            watch.to("compute.forward")
            out = model(x)
            watch.to("host")
            loss = F.cross_entropy(out, y)
            watch.to("compute.backward")
            loss.backward()
            watch.to("compute.optimizer")
            optimizer.step()
            watch.stepped()
            del x, y
            watch.ask()
        watch.exhausted()
        with tempfile.TemporaryDirectory() as folder:
            if rank == 0:
                with watch.inside("checkpoint"):
                    torch.save({"model": model.state_dict(), "ballast": torch.zeros(1 << 22)}, f"{folder}/model.pt")
            checkpoint = Checkpoint.from_directory(folder) if rank == 0 else None
            ray.train.report({"loss": loss.item(), "weights": digest(model)}, checkpoint=checkpoint)
    sees = ["startup.workers", "startup.first_step", "input.wait", "compute.forward", "compute.backward+sync"]
    sees += ["compute.optimizer", "checkpoint"]
    finish(watch, Path(config["truth"]) if config["truth"] else None, sees, f"rank-{rank}")


def run(options: argparse.Namespace) -> None:
    """Starts the cluster and trains on it."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    trainer = TorchTrainer(
        train,
        train_loop_config={"truth": str(options.truth) if options.truth else ""},
        scaling_config=ScalingConfig(num_workers=2, use_gpu=False),
        run_config=RunConfig(storage_path=str(Path.cwd() / "storage"), name="small"),
    )
    result = trainer.fit()
    assert result.metrics is not None
    print("loss", result.metrics["loss"], "weights", result.metrics["weights"])
    ray.shutdown()


if __name__ == "__main__":
    run(arguments())
