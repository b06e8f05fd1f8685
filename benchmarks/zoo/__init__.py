"""Families of small models with a known lineage, really trained, with plans drawn at random.

`plan` draws who comes from whom and how; `corpora`, `nets` and `training` make the weights; `operations` merges,
quantizes, prunes, permutes; `folders` writes them as the Hub would; `vit` makes the three splits of MoTHer in small.
Run `python -m benchmarks.zoo OUT --seed 1`.
"""
