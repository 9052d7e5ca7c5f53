"""Worker processes that run queries against databases: the one way in which anything here executes SQL.

    with Pool(workers=2) as pool:
        result = pool.run(DatabaseFile("sqlite", "shop.sqlite"), "SELECT count(*) FROM orders")

Usable from any thread and from asyncio. One thread of the pool talks to all workers; it replaces a worker that dies or
that has to be killed, tells the query that ran in it, and gives the queries that waited behind it to others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from lib.errors import ExecutorError
from lib.sources.sql.executor.frames import BadFrameError
from lib.sources.sql.executor.limits import DEFAULT, Limits
from lib.sources.sql.executor.result import DatabaseFile, ErrorKind, Result, failed
from lib.sources.sql.executor.spawn import Request, WorkerProcess

# Longer statements are refused unseen; a generated one has a few thousand characters at most.
MOST_CHARACTERS = 100_000
# Workers in a row that die before they are ready; then something is wrong with the installation.
MOST_FAILED_STARTS = 3
# How often a killed process is asked whether it is gone.
REAP_S = 0.05
# Started and idle, so that no query waits for the start of the worker that replaces a killed one.
SPARE_WORKERS = 1


class Pool:
    """See the module. `workers` queries run at once; `memory_mb` bounds what a worker may use for a query's data.

    After `close`, and when no worker can be started, everything that waits and all that is asked raises ExecutorError.
    """

    def __init__(self, workers: int | None = None, *, memory_mb: int = 512):
        self._num_workers = workers or len(os.sched_getaffinity(0))
        self._memory_bytes = memory_mb << 20
        self._lock = threading.Lock()
        self._waiting: deque[Request] = deque()
        self._over: ExecutorError | None = None
        self._workers: list[WorkerProcess] = []
        self._ended: list[subprocess.Popen] = []
        self._failed_starts = 0
        self._selector = selectors.DefaultSelector()
        self._bell, self._ringer = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._ringer, False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        # Workers die with the thread that started them, so it is this one that starts them all.
        self._thread = threading.Thread(target=self._serve, daemon=True, name="sql-executor")
        self._thread.start()

    def run(self, database: DatabaseFile, sql: str, limits: Limits | None = None) -> Result:
        """Runs one query and waits for it."""
        return self.run_many([(database, sql)], limits)[0]

    def run_many(self, queries: Iterable[tuple[DatabaseFile, str]], limits: Limits | None = None) -> list[Result]:
        """Runs queries, as many at once as there are workers; results in the order of the queries."""
        queries = list(queries)
        results: list[Result | None] = [None] * len(queries)
        left, finished = len(queries), threading.Event()

        def done_with(index: int) -> Callable[[Result], None]:
            def done(result: Result) -> None:
                nonlocal left
                results[index] = result
                left -= 1
                if not left:
                    finished.set()

            return done

        self._submit([_request(*query, limits, done_with(i)) for i, query in enumerate(queries)])
        if queries:
            finished.wait()
        return self._unless_over(results)

    async def run_async(self, database: DatabaseFile, sql: str, limits: Limits | None = None) -> Result:
        """Runs one query while the event loop goes on. A query whose caller is cancelled runs to its end unheard."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def settle(result: Result) -> None:
            if not future.done():
                future.set_result(result)

        def done(result: Result) -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(settle, result)

        self._submit([_request(database, sql, limits, done)])
        return self._unless_over([await future])[0]

    @property
    def pids(self) -> list[int]:
        """The processes of the workers that are ready."""
        return [worker.process.pid for worker in list(self._workers) if worker.ready]

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Waits for all workers to have started, which the first query does not need."""
        deadline = time.monotonic() + timeout
        while len(self.pids) < self._num_workers + SPARE_WORKERS and time.monotonic() < deadline and self._over is None:
            time.sleep(0.005)

    def close(self) -> None:
        """Ends the workers at once; queries that run or wait raise ExecutorError."""
        with self._lock:
            self._over = self._over or ExecutorError(
                "The pool of SQL workers is closed.", next_step="open another one, or close it later"
            )
        self._ring()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(self, requests: list[Request]) -> None:
        accepted = []
        for request in requests:
            refusal = _refusal(request.sql)
            if refusal:
                request.done(refusal)
            else:
                accepted.append(request)
        with self._lock:
            if self._over:
                raise self._over
            self._waiting.extend(accepted)
        self._ring()

    def _unless_over(self, results: list[Result]) -> list[Result]:
        if None in results:
            raise self._over
        return results

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # a full pipe rings, a closed one needs no ring
            os.write(self._ringer, b"!")

    def _serve(self) -> None:
        try:
            for _ in range(self._num_workers + SPARE_WORKERS):
                self._start_worker()
            while self._over is None:
                self._turn()
        except BaseException as error:
            self._over = ExecutorError(f"The SQL executor failed: {type(error).__name__}: {error}")
            self._over.__cause__ = error
            raise
        finally:
            self._end()

    def _turn(self) -> None:
        """One look at everything: answers in, overdue workers out, waiting queries to those that have room."""
        for key, _ in self._selector.select(self._patience()):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._bell, 4096)
            elif key.data in self._workers:
                self._hear(key.data)
        now = time.monotonic()
        for worker in [worker for worker in self._workers if worker.deadline and worker.deadline < now]:
            self._replace(worker, ErrorKind.TIME, "The query did not end when it was interrupted; it was killed.")
        for worker in self._workers:
            if worker.losing_patience and worker.losing_patience < now:
                with self._lock:
                    self._waiting.extendleft(reversed(worker.take_back()))
        self._hand_out()
        self._ended = [process for process in self._ended if process.poll() is None]

    def _patience(self) -> float | None:
        moments = [moment for worker in self._workers for moment in (worker.deadline, worker.losing_patience) if moment]
        if self._ended:
            moments.append(time.monotonic() + REAP_S)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _hear(self, worker: WorkerProcess) -> None:
        try:
            answered, goes_on = worker.receive()
        except BadFrameError as error:
            self._replace(worker, ErrorKind.WORKER_LOST, f"The worker did not answer as it should: {error}.")
            return
        for request, result in answered:
            request.done(result)
        if worker.ready:
            self._failed_starts = 0
        if not goes_on and worker.given and not answered:
            self._replace(worker, ErrorKind.WORKER_LOST, "The worker that ran the query died.")
        elif not goes_on:
            self._replace(worker)

    def _hand_out(self) -> None:
        with self._lock:
            while self._waiting and (free := self._free_workers()):
                request = self._waiting.popleft()
                best = min(free, key=lambda worker: (len(worker.given), request.database not in worker.databases))
                best.give(request)
        for worker in self._workers:
            if worker.wants_to_send:
                self._send(worker)

    def _free_workers(self) -> list[WorkerProcess]:
        """Those that may be given a query; an idle one only while fewer run than are meant to."""
        all_run = sum(bool(worker.given) for worker in self._workers) >= self._num_workers
        return [worker for worker in self._workers if worker.has_room and (worker.given or not all_run)]

    def _send(self, worker: WorkerProcess) -> None:
        with contextlib.suppress(OSError):  # a dead worker is heard of by its socket's end
            worker.send()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.wants_to_send else 0)
        if self._selector.get_key(worker.connection).events != events:
            self._selector.modify(worker.connection, events, worker)

    def _start_worker(self) -> None:
        worker = WorkerProcess(self._memory_bytes)
        self._workers.append(worker)
        self._selector.register(worker.connection, selectors.EVENT_READ, worker)

    def _replace(self, worker: WorkerProcess, kind: ErrorKind | None = None, message: str = "") -> None:
        """Another worker in the place of this one; `kind` is the error of the query that it ran, if it ran one."""
        self._workers.remove(worker)
        self._selector.unregister(worker.connection)
        worker.kill()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= MOST_FAILED_STARTS:
                self._over = ExecutorError(
                    "No worker for SQL queries starts.", where=worker.last_words() or f"code {worker.process.wait()}"
                )
                return
        self._ended.append(worker.process)
        if kind and worker.given:
            request = worker.given.popleft()
            request.done(failed(kind, message, request.limits.seconds if kind is ErrorKind.TIME else 0.0))
        with self._lock:
            self._waiting.extendleft(reversed(worker.given))
        self._start_worker()

    def _end(self) -> None:
        for worker in self._workers:
            worker.kill()
        for process in [*self._ended, *(worker.process for worker in self._workers)]:
            process.wait()
            process.stderr.close()
        with self._lock:
            left = [request for worker in self._workers for request in worker.given] + list(self._waiting)
            self._waiting.clear()
            self._workers.clear()
        for request in left:
            request.done(None)
        self._selector.close()
        os.close(self._bell)
        os.close(self._ringer)


def _request(database: DatabaseFile, sql: str, limits: Limits | None, done: Callable[[Result | None], None]) -> Request:
    dialect, path = database
    path = path if os.path.isabs(path) else os.path.abspath(path)
    return Request(DatabaseFile(dialect, path), sql, limits or DEFAULT, done)


def _refusal(sql: str) -> Result | None:
    """What needs no database to be refused: a statement's end where the drivers do not see it, or no end."""
    if "\0" in sql:
        return failed(ErrorKind.REFUSED, "A statement holds no NUL character.")
    if len(sql) > MOST_CHARACTERS:
        return failed(ErrorKind.REFUSED, f"A statement of {len(sql)} characters; {MOST_CHARACTERS} are the most.")
    return None
