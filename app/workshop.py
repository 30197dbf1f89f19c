"""`lesionmap train`, `quantize`: need the training environment (`make workshop`)."""

import typer

train_app = typer.Typer(help="Train a model from scratch (needs `make workshop`).")
quantize_app = typer.Typer(help="Export and quantise a trained model (needs `make workshop`).")
