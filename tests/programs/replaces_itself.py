"""Trains, replaces itself by exec, and trains again."""

import os
import sys

import torch
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for (batch,) in DataLoader(TensorDataset(torch.arange(512.0).reshape(64, 8)), batch_size=4):
    optimizer.zero_grad()
    model(batch / 512).sum().backward()
    optimizer.step()
print("generation", len(sys.argv))
sys.stdout.flush()
if len(sys.argv) == 1:
    os.execv(sys.executable, [sys.executable, sys.argv[0], "again"])
