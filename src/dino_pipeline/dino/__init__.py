"""DINO (arXiv:2104.14294) in pure PyTorch: no Kedro, MLflow, DVC or pandas below this folder."""
