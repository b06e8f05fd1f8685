"""How fast the whole atlas is audited, against a plain networkx walk over all ancestors of the same graph.

    uv run python benchmarks/audit.py [--store local:DIR]

The store holds a loaded list. The walk asks networkx for the ancestors of every model that has any. It looks up each
ancestor's licence in a dictionary, without relation, confidence, path or clause. Nothing is timed but that loop.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import networkx as nx

from atlas_db.core.settings import load_settings
from atlas_db.licenses.audit import AuditOptions, Auditor
from atlas_db.licenses.audit_graph import AuditGraph, read_audit_graph
from atlas_db.licenses.write_findings import audit_and_write
from atlas_db.store.connect import open_store


def timed_audit(graph: AuditGraph) -> tuple[float, Auditor]:
    """Return seconds of auditing all models, and the auditor."""
    began = time.perf_counter()
    auditor = Auditor(graph, AuditOptions())
    for index in range(graph.models):
        auditor.audit_model(index, all_findings=False)
    return time.perf_counter() - began, auditor


def walked(graph: AuditGraph) -> tuple[float, int]:
    """Return seconds of a networkx walk, and how many (model, ancestor) pairs it looked at."""
    steps = nx.DiGraph((child, edge.parent) for child, edges in graph.parents.items() for edge in edges)
    license_ids = {index: {claim.id for claim in claims} for index, claims in enumerate(graph.claims)}
    pairs = differ = 0
    began = time.perf_counter()
    for model in graph.parents:
        for ancestor in nx.descendants(steps, model):
            pairs += 1
            differ += license_ids[ancestor] != license_ids[model]
    return time.perf_counter() - began, pairs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="local")
    given = parser.parse_args()
    settings = load_settings(store=given.store)
    out = sys.stdout.write
    with open_store(settings) as store:
        began = time.perf_counter()
        graph = read_audit_graph(store)
        out(f"read               {time.perf_counter() - began:6.1f} s   {len(graph.ids):,} models and datasets\n")
        ours, auditor = timed_audit(graph)
        out(f"rules              {ours:6.1f} s   {len(auditor.report.findings):,} findings with path and clause\n")
        theirs, pairs = walked(graph)
        out(f"networkx walk      {theirs:6.1f} s   {pairs:,} pairs; judging is {ours / theirs:.2f} of it\n")
        del graph, auditor
        began = time.perf_counter()
        report = audit_and_write(store, settings.home, AuditOptions(), settings.batch_rows)
        out(f"audit and write    {time.perf_counter() - began:6.1f} s   {report.seconds}\n")
    out(f"peak of Python     {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:7.2f} GiB\n")


if __name__ == "__main__":
    main()
