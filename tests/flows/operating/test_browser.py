"""What somebody sees who operates the chain from a browser: the pages of a real server in a real chromium.

A scheduled run of the smallest profile starts by itself, loses a worker process to SIGKILL, fails, and is retried from
its page. ROPEWALK_SCREENSHOTS=FOLDER keeps the pictures of all pages that are looked at.
"""

import io
import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from PIL import Image
from playwright.sync_api import Page, TimeoutError, expect, sync_playwright

from flows.deployments import DEPLOYMENTS
from flows.operating.prefect_api import ask
from lib.report import address
from lib.settings.load import profile_names
from lib.store.artifact_store import ArtifactStore
from tests.served import of_store, start, wait

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-background-networking"]
PATIENCE_MS = 30_000.0  # a page draws slowly where both cores are busy
RUN_TIMEOUT_S = 600
BEFORE_FAILURE = ("source", "synthesize", "base", "demonstrate")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.xdist_group("pipeline"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("browser") / "store"


@pytest.fixture(scope="module")
def url(store) -> Iterator[str]:
    """The server's address, with a schedule for every minute."""
    process = start(store, "--port", "0", "--cron", "* * * * *")
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:"), process.communicate()[1]
    yield address
    process.terminate()
    process.communicate(timeout=60)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = Path(os.environ.get("ROPEWALK_SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def page(url) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 1000}, base_url=url)
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        browser.close()


@pytest.fixture(scope="module")
def asked(page) -> set[str]:
    """The hosts that the pages have asked so far."""
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2] if "//" in request.url else ""))
    return hosts


@pytest.fixture(scope="module")
def scheduled(url, page, asked) -> dict:
    """The first run that the schedule has started; the schedule is then switched off on its page."""
    body = {"flow_runs": {"tags": {"all_": ["auto-scheduled"]}, "state": {"type": {"any_": ["RUNNING"]}}}}
    (run,) = wait(lambda: ask(f"{url}/api", "flow_runs/filter", body), 150)
    page.goto(f"/v2/deployments/deployment/{run['deployment_id']}")

    def switch_off() -> bool:
        page.get_by_role("switch").first.click()  # which a page that is not drawn yet may not notice
        page.wait_for_timeout(5_000)
        return not deployment(url, "ropewalk/pipeline")["schedules"][0]["active"]

    wait(switch_off, 120)
    return run


@pytest.fixture(scope="module")
def failed(url, store, scheduled) -> dict:
    """That run after its warm-up has lost a worker process."""
    wait(lambda: kill_rank(store, "warm_up"), RUN_TIMEOUT_S)
    run = wait(lambda: ended(url, scheduled["id"]), RUN_TIMEOUT_S)
    assert run["state_name"] == "Failed", run["state"]
    return run


@pytest.fixture(scope="module")
def retried(url, page, failed, pictures) -> dict:
    """That run after Retry in its menu."""
    page.goto(f"/v2/runs/flow-run/{failed['id']}")
    expect(page.get_by_text("Failed").first).to_be_visible()
    page.screenshot(path=pictures / "failed.png", full_page=True)
    page.get_by_role("button", name="Open menu").first.click()
    page.get_by_role("menuitem", name="Retry").click()
    page.get_by_role("button", name="Retry").last.click()
    wait(lambda: ended(url, failed["id"]) is None, 60)
    run = wait(lambda: ended(url, failed["id"]), RUN_TIMEOUT_S)
    assert run["state_name"] == "Completed", run["state"]
    return run


def deployment(url: str, name: str) -> dict:
    return ask(f"{url}/api", f"deployments/name/{name}")


def ended(url: str, run_id: str) -> dict | None:
    run = ask(f"{url}/api", f"flow_runs/{run_id}")
    return run if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None


def kill_rank(store: Path, stage: str) -> bool:
    """SIGKILL to the stage's worker process, once it has left a checkpoint."""
    if not any(store.glob(f"scratch/{stage}-*/work/checkpoints/latest")):
        return False
    for process in of_store(store, f"lib.learning.{stage}"):
        try:
            if "RANK" in process.environ():
                process.send_signal(signal.SIGKILL)
                return True
        except psutil.NoSuchProcess:
            continue
    return False


def colours(picture: bytes) -> int:
    return len(Image.open(io.BytesIO(picture)).convert("RGB").getcolors(maxcolors=2**24))


def open_artifact(page: Page, run: dict, key: str) -> None:
    """As somebody would, from the run's page: its artifacts, the one with that name, what this run has made of it."""
    link = page.locator(f"a[href$='/artifacts/key/{key}']").first
    for _ in range(3):  # a page that a busy server has left half empty is loaded again
        page.goto(f"/v2/runs/flow-run/{run['id']}?tab=Artifacts")
        with suppress(TimeoutError):
            link.wait_for(timeout=15_000)
            break
    link.click()
    page.wait_for_url(f"**/v2/artifacts/key/{key}*")
    of_run = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}, "key": {"any_": [key]}}, "sort": "CREATED_DESC"}
    newest = ask(f"{page.url.partition('/v2/')[0]}/api", "artifacts/filter", of_run)[0]["id"]
    page.locator(f"a[href*='{newest}']").first.click()
    page.wait_for_url(f"**/v2/artifacts/artifact/{newest}*")


def test_the_deployments_are_listed_with_their_schedule(page, asked, pictures):
    page.goto("/")
    assert "/v2/" in page.url  # the pages that draw lineage graphs are those that open first
    page.goto("/v2/deployments?limit=25")
    for item in DEPLOYMENTS:
        expect(page.get_by_role("link", name=item.name, exact=True).first).to_be_visible()
    expect(page.get_by_text("Every minute")).to_be_visible()
    page.screenshot(path=pictures / "deployments.png", full_page=True)


def test_the_form_of_the_pipeline_is_typed(url, page, pictures):
    page.goto(f"/v2/deployments/deployment/{deployment(url, 'ropewalk/pipeline')['id']}/run")
    expect(page.get_by_text("latest, imported, questions/DIGEST, or empty")).to_be_visible()
    for parameter in ("profile", "seed", "domains", "settings", "recompute", "given", "store"):
        expect(page.get_by_text(f"{parameter} (Optional)", exact=True)).to_be_visible()
    page.get_by_role("button", name="Select shipped").click()
    for profile in profile_names():
        expect(page.get_by_role("option", name=profile)).to_be_visible()
    page.keyboard.press("Escape")
    page.screenshot(path=pictures / "form.png", full_page=True)


def test_a_form_starts_a_run_of_a_single_stage(url, page, pictures):
    page.goto(f"/v2/deployments/deployment/{deployment(url, 'ropewalk-stage/source')['id']}/run")
    expect(page.get_by_text("profile (Optional)")).to_be_visible()
    page.get_by_label("Run Name").fill("from-the-form")
    page.screenshot(path=pictures / "form-of-a-stage.png", full_page=True)
    with page.expect_response("**/create_flow_run") as created:
        page.get_by_role("button", name="Submit").click()
    assert created.value.status == 201
    body = {"flow_runs": {"name": {"any_": ["from-the-form"]}}}
    (run,) = wait(lambda: ask(f"{url}/api", "flow_runs/filter", body), 60)
    assert wait(lambda: ended(url, run["id"]), RUN_TIMEOUT_S)["state_name"] == "Completed"


def test_a_scheduled_run_starts_by_itself(page, scheduled, pictures):
    assert scheduled["created_by"]["type"] == "SCHEDULE"
    # A served flow is fetched ahead of its time and sleeps until then, which a clock set meanwhile blurs a little.
    expected = datetime.fromisoformat(scheduled["expected_start_time"])
    assert expected - timedelta(seconds=2) <= datetime.fromisoformat(scheduled["start_time"]) <= datetime.now(UTC)
    page.goto("/v2/runs")
    expect(page.get_by_text(scheduled["name"]).first).to_be_visible()
    expect(page.get_by_text("auto-scheduled").first).to_be_visible()
    page.screenshot(path=pictures / "runs.png", full_page=True)


def test_a_failed_run_says_what_has_happened(page, failed, pictures):
    assert "warm_up" in failed["state"]["message"]
    page.goto(f"/v2/runs/flow-run/{failed['id']}?tab=Details")
    expect(page.get_by_text("Failed").first).to_be_visible()
    page.screenshot(path=pictures / "failed-details.png", full_page=True)


def test_retry_finishes_from_the_cache(page, retried, pictures):
    page.goto(f"/v2/runs/flow-run/{retried['id']}?tab=TaskRuns")
    expect(page.get_by_text("Cached").first).to_be_visible()
    page.screenshot(path=pictures / "retried.png", full_page=True)


def test_only_what_was_not_done_is_done_again(url, retried):
    body = {"flow_runs": {"id": {"any_": [retried["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"}

    def of_retry() -> dict[str, str] | None:
        tasks = [task for task in ask(f"{url}/api", "task_runs/filter", body) if task["flow_run_run_count"] == 2]
        states = {task["name"].rpartition("-")[0]: task["state_name"] for task in tasks}
        return states if states.get("lineage") == "Completed" else None

    states = wait(of_retry, 30)
    assert {stage: states[stage] for stage in BEFORE_FAILURE} == dict.fromkeys(BEFORE_FAILURE, "Cached")
    assert states["warm_up"] == states["report"] == "Completed"


def test_the_run_has_a_graph(page, retried, pictures):
    page.goto(f"/v2/runs/flow-run/{retried['id']}")
    canvas = page.locator("canvas").first
    expect(canvas).to_be_visible()
    wait(lambda: page.wait_for_timeout(500) or colours(canvas.screenshot()) > 50, 30)
    page.screenshot(path=pictures / "graph.png", full_page=True)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("synthesize", ("Cached from", "funnel", "ropewalk run --profile nano --from synthesize")),
        ("warm-up", ("Computed in", "First rows of", "ropewalk lineage warm_up/")),
        ("evaluate", ("Computed in", "Gates", "ropewalk show scores/")),
    ],
)
def test_a_card_tells_what_its_stage_has_done(page, retried, pictures, key, words):
    open_artifact(page, retried, key)
    for text in words:
        expect(page.get_by_text(text).first).to_be_visible()
    page.screenshot(path=pictures / f"card-{key}.png", full_page=True)


def test_curves_are_pictures_and_tables_are_sortable_rows(page, retried, pictures):
    open_artifact(page, retried, "reinforce-right-answers-in-training")
    image = page.locator("img[src^='data:image/svg']")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") > 200
    page.screenshot(path=pictures / "curve.png", full_page=True)
    open_artifact(page, retried, "evaluate-scores")
    expect(page.get_by_role("columnheader", name="policy").first).to_be_visible()
    page.screenshot(path=pictures / "table.png", full_page=True)


def test_the_lineage_is_a_graph_whose_boxes_lead_to_cards(page, retried, store, pictures):
    open_artifact(page, retried, "lineage")
    box = page.locator("svg .node", has_text="reinforce").first
    expect(box).to_be_visible()
    digests = {manifest.digest[:8] for manifest in ArtifactStore(store).list()}
    assert len(digests) == 10

    def shown() -> set[str]:  # empty for a moment while the page draws the graph once more
        return {re.search("[0-9a-f]{8}$", node.text_content().strip())[0] for node in page.locator("svg .node").all()}

    wait(lambda: shown() == digests, 30)
    assert box.bounding_box()["height"] > 30  # readable: three lines of text
    page.screenshot(path=pictures / "lineage.png", full_page=True)
    box.click()
    expect(page.get_by_role("heading", name="reinforce", exact=True).first).to_be_visible()


def test_one_click_opens_the_report(page, retried, store, pictures):
    open_artifact(page, retried, "report")
    with page.expect_navigation():
        page.get_by_role("link", name="Open the report").first.click()
    assert address.path_of("") in page.url
    expect(page.get_by_role("heading").first).to_be_visible()
    page.screenshot(path=pictures / "report.png", full_page=True)


def test_no_page_has_asked_anything_but_its_own_server(url, asked):
    assert asked - {""} == {url.removeprefix("http://")}
