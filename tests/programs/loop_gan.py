"""Two networks and two optimizers that step after each other on the same batch."""

from planted import FEATURES, Program, mlp

import torch
import torch.nn.functional as F

program = Program()
watch = program.watch
generator, critic = mlp(outputs=FEATURES), mlp()
steps_of_generator = torch.optim.Adam(generator.parameters(), lr=1e-3)
steps_of_critic = torch.optim.Adam(critic.parameters(), lr=1e-3)
watch.ask()
for real, y in program.loader(num_workers=2):
    watch.receive(int(y[0]))
    noise = torch.randn(len(real), FEATURES)
    watch.to("compute.forward")
    fake = generator(noise)
    watch.to("host")
    steps_of_critic.zero_grad()
    both = torch.cat([real, fake.detach()])
    watch.to("compute.forward")
    score = critic(both)
    watch.to("host")
    loss = F.softplus(-score[: len(real)]).mean() + F.softplus(score[len(real) :]).mean()
    watch.to("compute.backward")
    loss.backward()
    watch.to("compute.optimizer")
    steps_of_critic.step()
    watch.to("host")
    steps_of_generator.zero_grad()
    watch.to("compute.forward")
    score = critic(fake)
    watch.to("host")
    loss = F.softplus(-score).mean()
    watch.to("compute.backward")
    loss.backward()
    watch.to("compute.optimizer")
    steps_of_generator.step()
    watch.stepped()
    program.losses.append(loss.item())
    watch.ask()
watch.exhausted()
program.finish(generator, critic)
