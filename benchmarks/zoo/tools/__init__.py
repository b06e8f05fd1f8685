"""Families made by the tools that people use: transformers, PEFT, mergekit, diffusers, bitsandbytes.

- `draws`: who comes from whom and how
- `architectures`: small configurations and what they train on
- `trained`, `reshaped`, `merged`, `adapters`, `compressed`: one way of making models each
- `family`: carries a plan out

Run `python -m benchmarks.zoo.tools OUT --seed 1`. The packages are those of the dependency group `zoo`.
"""
