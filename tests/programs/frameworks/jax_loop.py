"""JAX: a jitted training loop over batches that it slices itself. No torch."""

# mypy: allow-untyped-decorators
import hashlib

import jax
import jax.numpy as jnp
import numpy as np

from parts import Parts


def loss_of(weights: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
    """Cross entropy of a small perceptron."""
    hidden = jnp.tanh(x @ weights[0])
    logits = jax.nn.log_softmax(hidden @ weights[1])
    return -logits[jnp.arange(y.shape[0]), y].mean()


@jax.jit
def step(weights: list[jax.Array], x: jax.Array, y: jax.Array) -> tuple[list[jax.Array], jax.Array]:
    """Plain gradient descent."""
    loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
    return [w - 0.1 * g for w, g in zip(weights, gradients, strict=True)], loss


def main() -> None:
    parts = Parts()
    parts.wait_for_data()
    numbers = np.random.default_rng(5)
    x = numbers.normal(size=(4096, 64)).astype(np.float32)
    y = (x[:, :8].argmax(axis=1)).astype(np.int32)
    keys = jax.random.split(jax.random.PRNGKey(6))
    weights = [jax.random.normal(keys[0], (64, 256)) * 0.1, jax.random.normal(keys[1], (256, 8)) * 0.1]
    with parts.part("compute"):
        for epoch in range(6):
            for begin in range(0, 4096, 64):
                weights, loss = step(weights, x[begin : begin + 64], y[begin : begin + 64])
            print(f"epoch {epoch} loss {float(loss):.6f}")
    print("weights", hashlib.sha256(b"".join(np.asarray(w).tobytes() for w in weights)).hexdigest()[:16])
    parts.finish()


if __name__ == "__main__":
    main()
