"""OpenLineage events: what stages read and gave, for catalogues other than our own.

In: a destination, and what happens to a stage run. Out: RunEvents in a file or at a URL, both written by the
project's own client. A job is a stage, a dataset is an artifact; its schema is that of its tables. A destination
that is away costs a warning and no run.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import SettingsError
from lib.settings.lineage import LineageSettings
from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import Reference

logger = logging.getLogger("ropewalk.lineage")

PRODUCER = "urn:ropewalk"
ENDPOINT = "api/v1/lineage"  # where the specification puts it
TIMEOUT_S = 3.0  # a run waits so long, at most, for each event
API_KEY = "OPENLINEAGE_API_KEY"


@dataclass(frozen=True)
class StageRun:
    """One run of a stage, as events name it."""

    id: str  # a UUID
    stage: str
    inputs: Mapping[str, Reference]
    flow: str = ""  # the flow's name
    flow_run: str = ""  # a UUID; empty where there is none


@dataclass
class OpenLineage:
    """Writes events; each method returns whether the event has arrived."""

    settings: LineageSettings
    store: ArtifactStore
    _client: Any = field(init=False)

    def __post_init__(self) -> None:
        self._client = _make_client(self.settings.openlineage)

    def started(self, run: StageRun) -> bool:
        return self._emit("START", run)

    def completed(self, run: StageRun, gave: Reference, outcome: str) -> bool:
        """`outcome` says whether it was computed; it becomes a tag of the run."""
        return self._emit("COMPLETE", run, gave=gave, outcome=outcome)

    def failed(self, run: StageRun, error: BaseException) -> bool:
        return self._emit("FAIL", run, error=error)

    def aborted(self, run: StageRun) -> bool:
        return self._emit("ABORT", run)

    def _emit(
        self, kind: str, run: StageRun, *, gave: Reference | None = None, outcome: str = "", error: Any = None
    ) -> bool:
        from openlineage.client import event_v2 as events

        try:
            event = events.RunEvent(
                eventType=events.RunState[kind],
                eventTime=datetime.now(UTC).isoformat(),
                run=events.Run(runId=run.id, facets=self._facets_of_run(run, outcome, error)),
                job=events.Job(namespace=self.settings.namespace, name=run.stage, facets=_facets_of_job()),
                inputs=[self._input(reference) for reference in run.inputs.values()],
                outputs=[self._output(gave)] if gave else [],
            )
            self._client.emit(event)
        except Exception as failure:  # a boundary: a catalogue is worth no run
            logger.warning(
                "OpenLineage: %s of %s was not sent to %s: %s", kind, run.stage, self.settings.openlineage, failure
            )
            return False
        return True

    def _input(self, reference: Reference) -> Any:
        from openlineage.client import event_v2 as events
        from openlineage.client.facet_v2 import input_statistics_input_dataset as statistics

        counts = statistics.InputStatisticsInputDatasetFacet(**self._counts(reference))
        return events.InputDataset(
            **self._dataset(reference),
            inputFacets={"inputStatistics": counts},
        )

    def _output(self, reference: Reference) -> Any:
        from openlineage.client import event_v2 as events
        from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

        counts = statistics.OutputStatisticsOutputDatasetFacet(**self._counts(reference))
        return events.OutputDataset(
            **self._dataset(reference),
            outputFacets={"outputStatistics": counts},
        )

    def _counts(self, reference: Reference) -> dict[str, int]:
        manifest = self.store.manifest(reference)
        return {"rowCount": sum(manifest.rows.values()), "size": manifest.size, "fileCount": len(manifest.files)}

    def _dataset(self, reference: Reference) -> dict[str, Any]:
        from openlineage.client.facet_v2 import dataset_version_dataset, schema_dataset

        tables = [
            schema_dataset.SchemaDatasetFacetFields(
                name=name,
                type="table",
                description=f"{rows} rows",
                fields=_fields(pq.read_schema(self.store.path(reference) / f"{name}.parquet")),
            )
            for name, rows in self.store.manifest(reference).rows.items()
        ]
        return {
            "namespace": self.settings.namespace,
            "name": reference.full,
            "facets": {
                "schema": schema_dataset.SchemaDatasetFacet(fields=tables),
                "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=reference.digest),
            },
        }

    def _facets_of_run(self, run: StageRun, outcome: str, error: BaseException | None) -> dict[str, Any]:
        from openlineage.client.facet_v2 import error_message_run, parent_run, tags_run

        facets: dict[str, Any] = {}
        if run.flow_run:
            facets["parent"] = parent_run.ParentRunFacet(
                run=parent_run.Run(runId=run.flow_run),
                job=parent_run.Job(namespace=self.settings.namespace, name=run.flow),
            )
        if outcome:
            tag = tags_run.TagsRunFacetFields(key="outcome", value=outcome, source="ROPEWALK")
            facets["tags"] = tags_run.TagsRunFacet(tags=[tag])
        if error is not None:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                message=str(error) or repr(error),
                programmingLanguage="PYTHON",
                stackTrace="".join(traceback.format_exception(error)),
            )
        return facets


def new_run_id() -> str:
    from openlineage.client.uuid import generate_new_uuid

    return str(generate_new_uuid())


def _make_client(destination: str) -> Any:
    """Raises SettingsError where the client is not installed or the destination is neither file nor URL."""
    try:
        from openlineage.client import OpenLineageClient
        from openlineage.client.facet_v2 import set_producer
        from openlineage.client.transport.file import FileConfig, FileTransport
        from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport
    except ImportError as error:
        raise SettingsError(
            "lineage.openlineage needs the package openlineage-python, which is not installed.",
            where=f"lineage.openlineage = {destination}",
            next_step="run `pip install 'ropewalk[lineage]'`, or leave the setting out",
        ) from error
    set_producer(PRODUCER)
    scheme, _, rest = destination.partition("://")
    if not rest or scheme == "file":
        path = Path(rest or destination).expanduser().absolute()
        return OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=str(path), append=True)))
    address = urlsplit(destination)
    if scheme not in ("http", "https") or not address.netloc:
        raise SettingsError(
            f"lineage.openlineage is neither a file nor an http(s) address: {destination!r}.",
            next_step="for instance --set lineage.openlineage=http://localhost:5000",
        )
    key = os.environ.get(API_KEY)
    config = HttpConfig(
        url=f"{scheme}://{address.netloc}",
        endpoint=address.path.strip("/") or ENDPOINT,
        timeout=TIMEOUT_S,
        retry={"total": 0},
        **({"auth": ApiKeyTokenProvider({"api_key": key})} if key else {}),
    )
    return OpenLineageClient(transport=HttpTransport(config))


def _facets_of_job() -> dict[str, Any]:
    from openlineage.client.facet_v2 import job_type_job

    return {"jobType": job_type_job.JobTypeJobFacet(processingType="BATCH", integration="ROPEWALK", jobType="STAGE")}


def _fields(columns: pa.Schema | pa.StructType) -> list[Any]:
    from openlineage.client.facet_v2 import schema_dataset

    return [schema_dataset.SchemaDatasetFacetFields(name=column.name, type=str(column.type)) for column in columns]
