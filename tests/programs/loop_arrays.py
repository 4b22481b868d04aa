"""No loader: the loop cuts its batches out of an array in a file that it maps into memory."""

from planted import FEATURES, Program, mlp

import numpy as np
import torch

import work

program = Program()
watch = program.watch
np.random.default_rng(0).standard_normal((1024, FEATURES), dtype=np.float32).tofile("array.bin")
array = np.memmap("array.bin", dtype=np.float32, mode="r").reshape(-1, FEATURES)
model = mlp()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
order = np.random.default_rng(1).permutation(len(array))
work.compute(0.3)
for start in range(0, len(array), 8):
    x = torch.from_numpy(np.stack([array[i] for i in order[start : start + 8]]))
    work.wait(4e-3)
    watch.loop_begins()
    watch.to("compute.forward")
    out = model(x)
    watch.to("host")
    loss = out.pow(2).mean()
    program.update(loss, optimizer)
program.finish(model)
