"""A loop with Lightning Fabric: clipped gradients, an evaluation and a checkpoint each epoch."""

import time

BEGAN = time.perf_counter()

import torch
import torch._dynamo
import torch.nn.functional as F
from lightning.fabric import Fabric, seed_everything
from torch.utils.data import DataLoader

from small import SlowSamples, arguments, digest, finish, make_model
from stopwatch import Stopwatch

IMPORTED = time.perf_counter()


def main() -> None:
    options = arguments()
    watch = Stopwatch(BEGAN, IMPORTED)
    torch.set_num_threads(1)
    seed_everything(5)
    fabric = Fabric(accelerator="cpu", devices=1)
    fabric.launch()
    samples, held_out = SlowSamples(512, 0.002), SlowSamples(128, 0.004)
    model = make_model(width=1024, layers=3)
    model, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))
    loader, evaluation = fabric.setup_dataloaders(
        DataLoader(samples, batch_size=16, shuffle=True, num_workers=options.workers, collate_fn=samples.collate),
        DataLoader(held_out, batch_size=32, collate_fn=held_out.collate),
    )
    for epoch in range(3):
        model.train()
        watch.ask()
        for x, y in loader:
            watch.receive(0)
            optimizer.zero_grad()
            watch.to("compute.forward")
            out = model(x)
            watch.to("host")
            loss = F.cross_entropy(out, y)
            watch.to("compute.backward")
            fabric.backward(loss)
            watch.to("host")
            fabric.clip_gradients(model, optimizer, max_norm=1.0)
            watch.to("compute.optimizer")
            optimizer.step()
            watch.stepped()
            del x, y
            watch.ask()
        watch.exhausted()
        with watch.inside("evaluation"), torch.no_grad():
            model.eval()
            right = sum(int((model(x).argmax(1) == y).sum()) for x, y in evaluation)
        with watch.inside("checkpoint"):
            fabric.save(f"checkpoint-{epoch}.ckpt", {"model": model, "optimizer": optimizer, "epoch": epoch})
        fabric.print(f"epoch {epoch} loss {loss.item():.6f} right {right}")
    sees = ["startup.imports+startup.setup", "startup.workers", "startup.first_step", "input.wait", "compute.forward"]
    sees += ["compute.backward", "compute.optimizer", "host", "evaluation", "checkpoint"]
    finish(watch, options.truth, sees)
    print("weights", digest(model))


if __name__ == "__main__":
    main()
