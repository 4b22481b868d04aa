"""torch.compile with inductor; LOOP_FULLGRAPH in the environment asks for one whole graph."""

import os

from planted import Program, Samples, mlp

import torch
import torch._inductor.compile_fx  # torch.compile imports it when it is called

program = Program()
watch = program.watch
model = mlp()
compiled = torch.compile(model, fullgraph=bool(os.environ.get("LOOP_FULLGRAPH")))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(2):
    watch.ask()
    for x, y in program.loader(Samples(program.log, count=512, sleep_ms=2), num_workers=1):
        watch.receive(int(y[0]))
        watch.to("compute.forward")
        out = compiled(x)
        watch.to("host")
        loss = out.pow(2).mean()
        optimizer.zero_grad()
        watch.to("compute.backward")
        loss.backward()
        watch.to("compute.optimizer")
        optimizer.step()
        watch.stepped()
        program.losses.append(loss.item())
        watch.ask()
    watch.exhausted()
program.finish(model)
