"""SIGKILL at random moments to random processes of a run, over the whole chain: what the store is worth afterwards.

    python -m benchmarks.kill_chain [--kills 100] [--seed 0] [--within 40] [--profile nano] [--set KEY=VALUE ...]

An undisturbed run says what is right. Then runs on other stores are started again and again; each is hit once, after
a random time, at a random one of its processes: the flow, a guard, a launcher, a rank, the server that it has started.
Each hit is told with the exit code of its run: a lost server is started again, so that a run may end well all the same.
After every run the store is examined: each published artifact verifies, each finished stage is still there. When one
has ended well, its digests are compared with those of the undisturbed run, and a new store begins. The report
is left out of that comparison, as it tells what the run has taken. Exits with 1 at the first thing that is not right.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from lib.errors import ArtifactError
from lib.store.artifact_store import ArtifactStore
from lib.store.run_index import RunIndex

TELLS_OF_ITS_RUN = ("report",)
GONE_WITHIN_S = 20.0  # guards give workers some seconds to leave
ROLES = {
    "flows.cli": "flow",
    "uvicorn": "server",
    "lib.workers.guard": "guard",
    "deepspeed": "launcher",
    "lib.learning": "rank",
    "lib.extrapolation": "rank",
    "lib.evaluation": "rank",
}


class Chain:
    """Runs of one profile, each a process with all that it starts."""

    def __init__(self, profile: str, settings: list[str]):
        self._line = [sys.executable, "-m", "flows.cli", "run", "--profile", profile, "--json"]
        for setting in settings:
            self._line += ["--set", setting]

    def start(self, store: Path) -> subprocess.Popen:
        with (store.parent / f"{store.name}.err").open("w") as errors:
            return subprocess.Popen(
                [*self._line, "--store", str(store)], stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def undisturbed(self, store: Path) -> tuple[dict[str, str], float]:
        """Digests by stage, and the seconds that it took."""
        started = time.perf_counter()
        process = self.start(store)
        out, _ = process.communicate()
        if process.returncode:
            sys.exit(errors_of(store))
        return digests_of(out), time.perf_counter() - started


def errors_of(store: Path) -> str:
    return (store.parent / f"{store.name}.err").read_text()


def digests_of(out: str) -> dict[str, str]:
    artifacts = json.loads(out)["artifacts"]
    return {stage: item["digest"] for stage, item in artifacts.items() if stage not in TELLS_OF_ITS_RUN}


def processes_of(store: Path) -> list[psutil.Process]:
    """The run and what it has started, also what no longer is its child."""
    found = []
    for other in psutil.process_iter(["cmdline"]):
        try:
            of_store = str(store) in " ".join([*other.cmdline(), *other.environ().values()])
            if of_store and other.status() != psutil.STATUS_ZOMBIE:
                found.append(other)
        except psutil.Error:
            continue
    return found


def role_of(process: psutil.Process) -> str:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return "gone"
    return next((role for part, role in ROLES.items() if part in line), "other")


def hit(store: Path, chance: random.Random) -> str:
    """SIGKILL to one of the run's processes, first chosen by its role: there are many ranks and one flow."""
    by_role: dict[str, list[psutil.Process]] = {}
    for candidate in processes_of(store):
        by_role.setdefault(role_of(candidate), []).append(candidate)
    by_role.pop("gone", None)
    if not by_role:
        return "nobody"
    role = chance.choice(sorted(by_role))
    try:
        chance.choice(by_role[role]).kill()
    except psutil.NoSuchProcess:
        return "nobody"
    return role


def wait_until_gone(store: Path) -> list[str]:
    """Command lines of what is still there after a while."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while left := processes_of(store):
        if time.monotonic() > deadline:
            return [" ".join(item.info["cmdline"]) for item in left]
        time.sleep(0.1)
    return []


def examine(store: Path, finished: dict[str, str]) -> list[str]:
    """What is wrong with a store; `finished` is brought up to date."""
    opened, wrong = ArtifactStore(store), []
    for manifest in opened.list():
        try:
            opened.verify(manifest.reference)
        except ArtifactError as error:
            wrong.append(str(error))
    halves = [path for path in (store / "artifacts").glob("*/*") if not (path / "manifest.json").is_file()]
    wrong += [f"half an artifact: {path}" for path in halves]
    damaged = [path for path in (store / "damaged").glob("*/*")]
    wrong += [f"set aside as damaged: {path}" for path in damaged]
    records = {record.provenance.fingerprint: record.artifact.digest for record in RunIndex(opened).list()}
    wrong += [f"lost: {digest}" for fingerprint, digest in finished.items() if records.get(fingerprint) != digest]
    finished |= records
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--within", type=float, default=40.0, help="seconds in which a run is hit, if it still is one")
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    chosen = parser.parse_args()
    chance, chain = random.Random(chosen.seed), Chain(chosen.profile, chosen.settings)
    print(f"seed {chosen.seed}, {chosen.kills} kills", flush=True)
    with tempfile.TemporaryDirectory() as name:
        expected, seconds = chain.undisturbed(Path(name) / "undisturbed")
        print(f"undisturbed: {seconds:.0f} s", flush=True)
        hits, endings, kills = Counter(), 0, 0
        store, finished = Path(name) / "store-0", {}
        while kills < chosen.kills:
            process = chain.start(store)
            moment = chance.uniform(0.0, chosen.within)
            try:
                out, _ = process.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                role = hit(store, chance)
                kills += role != "nobody"
                hits[role] += 1
                out, _ = process.communicate()
                print(f"{kills:4}: {role} after {moment:.1f} s, exit {process.returncode}", flush=True)
            wrong = [f"still there: {line}" for line in wait_until_gone(store)] + examine(store, finished)
            if process.returncode == 0:
                found = digests_of(out)
                wrong += [f"{stage} ended with another digest" for stage in expected if found[stage] != expected[stage]]
                endings += 1
                store, finished = Path(name) / f"store-{endings}", {}
            if wrong:
                print("\n".join(wrong))
                sys.exit(1)
    print(f"{kills} kills ({', '.join(f'{role} {count}' for role, count in hits.most_common())})")
    print(f"{endings} runs ended well, each with the digests of the undisturbed run")


if __name__ == "__main__":
    main()
