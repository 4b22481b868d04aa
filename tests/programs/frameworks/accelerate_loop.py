"""A loop with accelerate: two batches' gradients a step, a scheduler, an evaluation and a saved state each epoch."""

import time

BEGAN = time.perf_counter()

import torch
import torch._dynamo
import torch.nn.functional as F
from accelerate import Accelerator
from torch.utils.data import DataLoader

from small import SlowSamples, arguments, digest, finish, make_model
from stopwatch import Stopwatch

IMPORTED = time.perf_counter()


def main() -> None:
    options = arguments()
    watch = Stopwatch(BEGAN, IMPORTED)
    torch.set_num_threads(1)
    torch.manual_seed(2)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    samples = SlowSamples(640, 0.002)
    held_out = SlowSamples(160, 0.004)
    model = make_model(width=1024, layers=3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    loader = DataLoader(samples, batch_size=16, shuffle=True, num_workers=options.workers, collate_fn=samples.collate)
    evaluation = DataLoader(held_out, batch_size=32, collate_fn=held_out.collate)
    model, optimizer, loader, evaluation, scheduler = accelerator.prepare(
        model, optimizer, loader, evaluation, scheduler
    )
    losses = []
    for epoch in range(3):
        model.train()
        watch.ask()
        for x, y in loader:
            watch.receive(0)
            with accelerator.accumulate(model):
                watch.to("compute.forward")
                out = model(x)
                watch.to("host")
                loss = F.cross_entropy(out, y)
                watch.to("compute.backward")
                accelerator.backward(loss)
                watch.to("compute.optimizer")
                optimizer.step()
                watch.to("host")
                if accelerator.sync_gradients:
                    watch.stepped()
                scheduler.step()
                optimizer.zero_grad()
            losses.append(loss.item())
            watch.ask()
        watch.exhausted()
        with watch.inside("evaluation"), torch.no_grad():
            model.eval()
            right = sum(int((model(x).argmax(1) == y).sum()) for x, y in evaluation)
        with watch.inside("checkpoint"):
            accelerator.save_state(f"state-{epoch}")
        accelerator.print(f"epoch {epoch} loss {sum(losses) / len(losses):.6f} right {right}")
    # accelerate fetches a second batch before it gives the first: where start-up ends within is not the user's to see.
    sees = ["startup.imports+startup.setup", "startup.workers+startup.first_step", "input.wait", "compute.forward"]
    sees += ["compute.backward", "compute.optimizer", "host", "evaluation", "checkpoint"]
    finish(watch, options.truth, sees)
    print("weights", digest(model))


if __name__ == "__main__":
    main()
