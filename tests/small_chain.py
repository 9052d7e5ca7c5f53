"""Three small real stages over real modules of the repository, and a flow that chains them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import flow

from data_contracts.contract import ArtifactKind, Contract, Rule, optional, required
from tasks.prefect_task import references_of, stage_task
from tasks.run import Run
from tasks.stage import Stage, Work

SCHEMA = pa.schema([required("value", pa.int64()), optional("note", pa.string())])
NUMBERS = Contract("numbers", 1, SCHEMA, rules=(Rule("value is positive", "value > 0"),))
KIND = ArtifactKind(name="numbers", tables=(NUMBERS,), summary="numbers")

calls: list[str] = []  # stages whose work ran, in order


def write(work: Work, values: list[int]) -> None:
    pq.write_table(pa.table({"value": pa.array(values, pa.int64())}), work.out / "numbers.parquet")


def read(work: Work, name: str) -> list[int]:
    return pq.read_table(work.inputs[name] / "numbers.parquet")["value"].to_pylist()


def count(work: Work) -> None:
    calls.append("count")
    work.progress.update(1, 2, "counting")
    write(work, list(range(1, work.settings.reinforce.steps + 1)))


def double(work: Work) -> None:
    calls.append("double")
    write(work, [2 * value for value in read(work, "count")])


def total(work: Work) -> None:
    calls.append("total")
    write(work, [sum(read(work, "count")) + sum(read(work, "double"))])


COUNT = Stage("count", KIND, count, "lib.seeds", settings=("reinforce",), libraries=("pyarrow",))
DOUBLE = Stage("double", KIND, double, "lib.progress", inputs=(COUNT,), seeded=False)
TOTAL = Stage("total", KIND, total, "lib.errors", inputs=(COUNT, DOUBLE), settings=("evaluate",), seeded=False)
STAGES = (COUNT, DOUBLE, TOTAL)

count_task, double_task, total_task = map(stage_task, STAGES)


@flow(name="small", validate_parameters=False)
def small_chain(run: Run):
    counted = count_task(run)
    doubled = double_task(run, count=counted)
    summed = total_task(run, count=counted, double=doubled)
    return references_of({"count": counted, "double": doubled, "total": summed})
