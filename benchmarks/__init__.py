"""The figures in the docs: ratios, each from pairs of measurements that took turns in one run."""
