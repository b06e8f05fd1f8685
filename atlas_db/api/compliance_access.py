"""What an atlas answers about licences and duties: audit, bill of materials, gate, notice, impact, EU rules."""

from __future__ import annotations

from pathlib import Path

from atlas_db.api.results import BillOfMaterials
from atlas_db.bom.collect import collect_contents
from atlas_db.bom.cyclonedx import write_bom
from atlas_db.cards.card_store import FOLDER
from atlas_db.claims.repository_ids import requested_id
from atlas_db.compliance.gate import GateAnswer, decide, read_policy
from atlas_db.compliance.gpai import GpaiReport, describe_gpai
from atlas_db.compliance.impact import Impact, measure_impact
from atlas_db.compliance.notice import Notice, collect_notice
from atlas_db.core.errors import UsageError
from atlas_db.core.settings import Settings
from atlas_db.licenses.audit import AuditOptions, AuditReport, audit_models
from atlas_db.snapshot.opening import request_missing
from atlas_db.snapshot.targets import Targets, read_targets
from atlas_db.snapshot.whole_audit import audit_atlas
from atlas_db.store.bolt import Store
from atlas_db.store.contents import require_models


class ComplianceAccess:
    """What an atlas answers about licences and duties. None of it is legal advice.

    Models are ids, or paths: a folder of a model, a README.md, a .gguf or .safetensors file, a merge configuration.
    """

    _store: Store
    _settings: Settings

    def audit(
        self, *models: str | Path, profile: str = "default", min_confidence: float = 0.0, online: bool = False
    ) -> AuditReport:
        """Audit models against the licences of everything upstream. Nothing is written. This is no legal advice.

        Args:
            *models: Model ids, or paths.
            profile: strict, default or lenient.
            min_confidence: Lineage edges below this confidence are left out.
            online: Whether the Hub is asked for models and parents that the atlas lacks.

        Returns:
            Verdicts, findings, and obligations that are in order as long as they are met.

        Raises:
            ModelNotFoundError: The atlas has none of them.
            InputError: A path cannot be read.
            HubError: The Hub does not answer.

        Examples:
            >>> report = atlas.audit("atlas-demo/tern-chat")
            >>> report.to_frame()[["ancestor", "rule", "verdict"]].values.tolist()[0]
            ['atlas-demo/tern', 'non-commercial-lost', 'violation']
        """
        store, targets = self._targets(models, online=online)
        return audit_models(store, targets.ids, AuditOptions(profile, min_confidence), targets.folders)

    def audit_all(self, *, profile: str = "default", min_confidence: float = 0.0) -> AuditReport:
        """Audit the whole atlas, and write verdicts and findings into it; a snapshot is audited without writing.

        Args:
            profile: strict, default or lenient.
            min_confidence: Lineage edges below this confidence are left out.

        Raises:
            EmptyStoreError: The store holds no models.
            StoreLockedError: Another process is writing.

        Examples:
            >>> atlas.audit_all().models
            371
        """
        require_models(self._store)
        return audit_atlas(self._store, self._settings, AuditOptions(profile, min_confidence))

    def bom(
        self, model: str | Path, *, spec: str = "1.7", author: str | None = None, online: bool = False
    ) -> BillOfMaterials:
        """Return a model's bill of materials (CycloneDX), validated against the schema of the standard.

        Args:
            model: Model id, or path. Files of a folder are hashed.
            spec: Version of CycloneDX: 1.6 or 1.7.
            author: Who answers for the bill.
            online: Whether the Hub is asked for parents that the atlas lacks.

        Raises:
            ModelNotFoundError: There is no such model.
            InputError: The path cannot be read.
            HubError: The Hub does not answer.
            BomError: The document would be invalid.

        Examples:
            >>> bill = atlas.bom("atlas-demo/tern-chat")
            >>> bill.document["bomFormat"], bill.components[0]["name"]
            ('CycloneDX', 'tern')
        """
        store, targets = self._targets([model], online=online)
        name, folder = targets.first
        contents = collect_contents(store, name, folder=folder, cards=self._settings.home / FOLDER)
        return BillOfMaterials(name, spec, write_bom(contents, spec, author))

    def gate(self, policy: str | Path, *models: str | Path, online: bool = False) -> list[GateAnswer]:
        """Decide by a policy whether models may be pulled, with all that they derive from.

        Args:
            policy: The policy, a TOML file.
            *models: Model ids, or paths.
            online: Whether the Hub is asked for models and parents that the atlas lacks.

        Returns:
            One decision a model, with its reasons, the strictest first. Paths come before ids.

        Raises:
            PolicyError: The policy is malformed, or names what there is not.
            UsageError: No model is named.
            InputError: A path cannot be read.
            HubError: The Hub does not answer.

        Examples:
            >>> [str(answer.decision) for answer in atlas.gate("policy.toml", "atlas-demo/tern-chat")]
            ['deny']
        """
        rules = read_policy(Path(policy))
        store, targets = self._targets(models, online=online)
        return decide(store, rules, targets.ids, targets.folders)

    def notice(self, *models: str | Path, data: bool = True, online: bool = False) -> Notice:
        """Return one notice for a set of models, over all that they derive from; `text()` is the file.

        Args:
            *models: Model ids, or paths; licence files of a folder are added as texts.
            data: Whether training data count.
            online: Whether the Hub is asked for models and parents that the atlas lacks.

        Raises:
            UsageError: No model is named.
            ModelNotFoundError: The atlas has none of them.
            InputError: A path cannot be read.
            HubError: The Hub does not answer.

        Examples:
            >>> found = atlas.notice("meta-llama/Meta-Llama-3-8B")
            >>> [each.license.id for each in found.licenses], "Built with" in found.text()
            (['llama3'], True)
        """
        store, targets = self._targets(models, online=online)
        return collect_notice(store, targets.ids, targets.folders, data=data)

    def impact(self, model: str, *, license: str = "", profile: str = "default") -> Impact:
        """Return what stands on a model, and what changes if it goes or gets another licence.

        Args:
            model: Model id.
            license: Licence that the model would get; empty for none.
            profile: Profile of the audit: strict, default or lenient.

        Raises:
            ModelNotFoundError: There is no such model.
            LicenseNotFoundError: The catalogue has no such licence.

        Examples:
            >>> found = atlas.impact("atlas-demo/tern", license="mit")
            >>> found.descendants, found.verdicts["violation->compliant_with_obligations"]
            (5, 2)
        """
        return measure_impact(self._store, requested_id(model), license, profile)

    def gpai(
        self, model: str | Path, *, flop: float | None = None, original_flop: float | None = None,
        systemic: bool = False, online: bool = False,
    ) -> GpaiReport:  # fmt: skip
        """Return what EU rules on general-purpose models require of whoever modifies one; `text()` is a draft.

        Args:
            model: Model id, or path.
            flop: Compute of the modification, FLOP.
            original_flop: Compute of the original, FLOP, where you know it.
            systemic: Whether the original has systemic risk, where its compute is not known.
            online: Whether the Hub is asked for models and parents that the atlas lacks.

        Returns:
            The one-third test, and the datasets that the model and its ancestors declare, with gaps.

        Raises:
            ModelNotFoundError: There is no such model.
            InputError: The path cannot be read.
            HubError: The Hub does not answer.

        Examples:
            >>> report = atlas.gpai("atlas-demo/tern-chat", flop=1e21, original_flop=7e23)
            >>> report.test.exceeds, report.test.original
            (False, 'atlas-demo/tern')
        """
        store, targets = self._targets([model], online=online)
        name, folder = targets.first
        return describe_gpai(store, name, folder, flop=flop, original_flop=original_flop, systemic=systemic)

    def _targets(self, models: tuple[str | Path, ...] | list[str | Path], *, online: bool) -> tuple[Store, Targets]:
        """Return the models, and the atlas to read them in, with what the Hub adds."""
        targets = read_targets([f"{model}" if isinstance(model, str) else f"{model.absolute()}" for model in models])
        if not targets:
            raise UsageError("no model is named", hint="Give model ids or paths")
        store = self._store
        if online:
            store, _ = request_missing(store, self._settings.home, targets)
        return store, targets
