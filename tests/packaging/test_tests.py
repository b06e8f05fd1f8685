"""The tree of tests: it mirrors the packages, every module is tested by name, and no test imports another."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import MODULES, PACKAGES, ROOT

TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
COVERED_BY = {
    "atlas_db/__main__.py": "tests/atlas_db/cli/test_main.py",
    "atlas_db/analysis/report/analysis_files.py": "tests/atlas_db/cli/test_analyse.py",
    "atlas_db/analysis/ecosystem.py": "tests/atlas_db/analysis/test_sections.py",
    "atlas_db/analysis/report/figure_files.py": "tests/atlas_db/cli/test_analyse.py",
    "atlas_db/analysis/findings.py": "tests/atlas_db/analysis/test_sections.py",
    "atlas_db/analysis/frames.py": "tests/atlas_db/analysis/test_sections.py",
    "atlas_db/analysis/mutation.py": "tests/atlas_db/analysis/test_sections.py",
    "atlas_db/analysis/report/papers.py": "tests/atlas_db/cli/test_analyse.py",
    "atlas_db/analysis/similarity.py": "tests/atlas_db/analysis/test_sections.py",
    "atlas_db/api/agent_tools.py": "tests/atlas_db/api/test_agent_server.py",
    "atlas_db/api/explain.py": "tests/gnn/models/test_reporting_propensity.py",
    "atlas_db/api/results.py": "tests/atlas_db/api/test_atlas.py",
    "atlas_db/cli/bom.py": "tests/atlas_db/cli/test_audit.py",
    "atlas_db/cli/chart.py": "tests/atlas_db/cli/test_fingerprint.py",
    "atlas_db/cli/common.py": "tests/atlas_db/cli/test_main.py",
    "atlas_db/cli/compare.py": "tests/atlas_db/cli/test_analyse.py",
    "atlas_db/cli/dashboard.py": "tests/atlas_db/dashboard/test_app.py",
    "atlas_db/cli/diff.py": "tests/atlas_db/cli/test_analyse.py",
    "atlas_db/cli/doctor.py": "tests/atlas_db/cli/test_store.py",
    "atlas_db/cli/explain.py": "tests/atlas_db/cli/test_complete.py",
    "atlas_db/cli/fetch.py": "tests/ingest/hub/test_api_listing.py",
    "atlas_db/cli/gpai.py": "tests/atlas_db/cli/test_gate.py",
    "atlas_db/cli/impact.py": "tests/atlas_db/cli/test_gate.py",
    "atlas_db/cli/licenses.py": "tests/atlas_db/cli/test_audit.py",
    "atlas_db/cli/mcp.py": "tests/atlas_db/api/test_agent_server.py",
    "atlas_db/cli/panels.py": "tests/atlas_db/cli/test_main.py",
    "atlas_db/cli/notice.py": "tests/atlas_db/cli/test_gate.py",
    "atlas_db/cli/run.py": "tests/atlas_db/pipeline/test_run.py",
    "atlas_db/cli/runs.py": "tests/atlas_db/cli/test_complete.py",
    "atlas_db/cli/status.py": "tests/atlas_db/cli/test_demo.py",
    "atlas_db/cli/verify.py": "tests/atlas_db/cli/test_origin.py",
    "atlas_db/cli/targets.py": "tests/atlas_db/cli/test_snapshot.py",
    "atlas_db/columnar/graph.py": "tests/atlas_db/columnar/test_read.py",
    "atlas_db/core/records.py": "tests/ingest/hub/test_decode.py",
    "atlas_db/dashboard/export.py": "tests/atlas_db/dashboard/test_app.py",
    "atlas_db/dashboard/view_queries.py": "tests/atlas_db/dashboard/test_app.py",
    "atlas_db/export/graph_files.py": "tests/atlas_db/export/test_write_export.py",
    "atlas_db/export/graph_objects.py": "tests/atlas_db/api/test_graph_access.py",
    "atlas_db/export/graph_tables.py": "tests/atlas_db/export/test_write_export.py",
    "atlas_db/export/table_files.py": "tests/atlas_db/export/test_write_export.py",
    "atlas_db/provenance/answer_models.py": "tests/atlas_db/cli/test_origin.py",
    "atlas_db/licenses/audit_graph.py": "tests/atlas_db/licenses/test_policy_check.py",
    "atlas_db/licenses/duties.py": "tests/atlas_db/licenses/test_card_model.py",
    "atlas_db/licenses/model_lineage.py": "tests/atlas_db/licenses/test_audit.py",
    "atlas_db/pipeline/stages.py": "tests/atlas_db/pipeline/test_run.py",
    "atlas_db/pipeline/summary.py": "tests/atlas_db/pipeline/test_run.py",
    "atlas_db/provenance/origin_answer.py": "tests/atlas_db/cli/test_origin.py",
    "atlas_db/provenance/origin_record.py": "tests/atlas_db/cli/test_origin.py",
    "atlas_db/provenance/origin_sheet.py": "tests/atlas_db/cli/test_origin.py",
    "atlas_db/snapshot/opening.py": "tests/atlas_db/cli/test_snapshot.py",
    "atlas_db/snapshot/repositories.py": "tests/atlas_db/snapshot/test_table_store.py",
    "atlas_db/columnar/arrow_columns.py": "tests/atlas_db/columnar/test_read.py",
    "gnn/dataset/assemble.py": "tests/gnn/dataset/test_hashed_tokens.py",
    "ingest/formats/matrix.py": "tests/ingest/formats/test_open_model.py",
    "ingest/formats/quantized/mxfp4_blocks.py": "tests/ingest/formats/quantized/test_quantized_formats.py",
    "ingest/formats/quantized/small_floats.py": "tests/ingest/formats/quantized/test_quantized_formats.py",
    "ingest/formats/quantized/stored_tensors.py": "tests/ingest/formats/quantized/test_quantized_formats.py",
    "ingest/hub/parquet_files/row_worker.py": "tests/ingest/hub/parquet_files/test_bounded_rows.py",
    "ingest/load/write_records.py": "tests/ingest/load/test_load_records.py",
}
"""Modules without a test of their own name, and the test that goes through them."""
MIXED = ("benchmarks", "faults", "packaging", "docs", "real_data", "release", "support")
"""Folders of tests that belong to no single module."""


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_is_tested_by_name(module: object) -> None:
    path = str(module)
    folder, _, name = path.rpartition("/")
    own = ROOT / "tests" / folder / f"test_{name}"
    if name.endswith("_parameters.py"):
        assert (ROOT / "tests/atlas_db/core/test_parameters.py").is_file(), "it goes through all of them"
    elif path in COVERED_BY:
        assert not own.is_file(), f"{own.name} is there: take {path} out of the table"
        assert (ROOT / COVERED_BY[path]).is_file()
    else:
        assert own.is_file(), f"{path} has no test: add {own.relative_to(ROOT)}, or name the test that covers it"


def test_the_table_names_modules_that_are_there() -> None:
    assert COVERED_BY.keys() <= {str(module) for module in MODULES}


def test_the_tree_of_tests_mirrors_the_packages() -> None:
    modules = {str(module) for module in MODULES}
    for test in TESTS:
        folder, _, name = str(test.relative_to(ROOT / "tests")).rpartition("/")
        if folder.partition("/")[0] not in MIXED:
            assert folder.partition("/")[0] in PACKAGES, f"{test} mirrors no package"
            assert f"{folder}/{name.removeprefix('test_')}" in modules, f"{test} has the name of no module"


def test_no_test_imports_a_test() -> None:
    for file in sorted((ROOT / "tests").rglob("*.py")):
        found = re.findall(r"^\s*(?:from|import) (tests\.[\w.]*test_\w+)", file.read_text(encoding="utf-8"), re.M)
        assert not found, f"{file} imports {found}: helpers stand in tests/support"
