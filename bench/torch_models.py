"""The models of bench/model_rows.cpp in PyTorch, as compare_ops.py times them: under inference mode."""
import torch
import torch.nn.functional as F
from torch import nn


class VAE(nn.Module):
    def __init__(self, encoder, decoder, features, latent):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.mu, self.logvar = nn.Linear(features, latent), nn.Linear(features, latent)


fc = VAE(nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU()),
         nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Unflatten(1, (1, 28, 28))), 400, 20).eval()
conv = VAE(nn.Sequential(nn.Conv2d(3, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(),
                         nn.Conv2d(32, 128, 4, 2, 1), nn.ReLU(), nn.Flatten()),
           nn.Sequential(nn.Linear(128, 2048), nn.ReLU(), nn.Unflatten(1, (128, 4, 4)), nn.ConvTranspose2d(128, 64, 4, 2, 1),
                         nn.ReLU(), nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 3, 4, 2, 1)),
           2048, 128).eval()


@torch.inference_mode()
def score(model, x):
    """The negative evidence lower bound of each picture, z the posterior mean."""
    h = model.encoder(x)
    mu, logvar = model.mu(h), model.logvar(h)
    logits = model.decoder(mu)
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
    return reconstruction - 0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1)


@torch.inference_mode()
def decode(model, z):
    return torch.sigmoid(model.decoder(z))
