"""ucenv: clone, share and account for conda environments on clusters."""

__version__ = "0.1.0"
