"""A progress bar by tqdm around a training loop."""

import sys

import torch
from tqdm import tqdm

from small_training import Samples

torch.set_num_threads(1)
torch.manual_seed(1)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = torch.utils.data.DataLoader(Samples(160), batch_size=4)
for x, y in tqdm(loader, desc="training", mininterval=0, miniters=1):
    optimizer.zero_grad()
    loss = (model(x) - y).square().mean()
    loss.backward()
    optimizer.step()
print(f"terminal {sys.stderr.isatty()} loss {loss.item():.6f}")
