"""torch.compile with inductor; LOOP_FULLGRAPH in the environment asks for one whole graph."""

import os

from planted import Program, Samples, mlp

import torch
import torch._inductor.compile_fx  # torch.compile imports it when it is called

program = Program()
model = mlp()
compiled = torch.compile(model, fullgraph=bool(os.environ.get("LOOP_FULLGRAPH")))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(2):
    program.epoch(program.loader(Samples(program.log, count=512, sleep_ms=2), num_workers=1), compiled, optimizer)
program.finish(model)
