"""Densities of tests/test_posteriors.cpp and tests/test_priors.cpp, by PyTorch in float64."""
import torch
from torch import distributions as D

torch.set_default_dtype(torch.float64)

mu = torch.tensor([0.5, -1.0, 2.0])
logvar = torch.tensor([0.2, -0.6, 1.0])
L = torch.diag(torch.exp(logvar / 2))
L[1, 0], L[2, 0], L[2, 1] = 0.7, -0.3, 1.1
full = D.MultivariateNormal(mu, scale_tril=L)
normal = D.MultivariateNormal(torch.zeros(3), torch.eye(3))
print("full: log_prob", full.log_prob(torch.tensor([1.0, 0.25, -0.5])).item())
print("full: KL to N(0, 1)", D.kl_divergence(full, normal).item())

mixture = D.MixtureSameFamily(
    D.Categorical(logits=torch.tensor([0.3, -0.4, 1.0])),
    D.Independent(D.Normal(torch.tensor([[0.0, 1.0], [-2.0, 0.5], [1.5, -1.0]]),
                           torch.exp(torch.tensor([[0.0, -1.0], [0.4, 0.2], [-2.0, 1.0]]) / 2)), 1))
print("mixture: log_prob", mixture.log_prob(torch.tensor([[0.2, 0.3], [-3.0, 4.0]])).tolist())
