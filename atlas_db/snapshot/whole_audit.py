"""The audit of an opened atlas as a whole, which the command line and Python share."""

from __future__ import annotations

from atlas_db.core.settings import Settings
from atlas_db.core.terms import Progress
from atlas_db.licenses.audit import AuditOptions, AuditReport
from atlas_db.licenses.write_findings import audit_and_write, audit_without_writing
from atlas_db.snapshot.opening import is_snapshot
from atlas_db.store.bolt import Store


def audit_atlas(
    store: Store, settings: Settings, options: AuditOptions, progress: Progress = lambda *_: None
) -> AuditReport:
    """Audit the whole atlas. Verdicts and findings are written into a store; a snapshot is only read.

    Args:
        store: The atlas that the settings name, opened.
        settings: The settings. Their home folder is made where it is missing.
        options: Options of the audit.
        progress: Called with the progress.

    Raises:
        StoreLockedError: Another process is writing.
        SuppressionError: The suppression file is malformed or has expired.
    """
    if is_snapshot(settings):
        return audit_without_writing(store, options, progress)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return audit_and_write(store, settings.home, options, settings.batch_rows, progress)
