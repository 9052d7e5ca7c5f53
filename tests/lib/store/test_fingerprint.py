import pytest

from lib.settings.settings import Settings
from lib.settings.synthesis import OpenAIWriter, SynthesisSettings
from lib.store.fingerprint import EXCLUDED_SETTINGS, build_fingerprint, library_versions

BASE = {
    "contracts": {"questions": "questions=1"},
    "settings": {"synthesis": SynthesisSettings()},
    "files": {"source.triples (.tsv)": "aa"},
    "inputs": {"source": "bb"},
    "seed": 0,
    "code": {"lib.x": "cc"},
    "libraries": ("numpy",),
}

OTHER = {
    "contracts": {"questions": "questions=2"},
    "settings": {"synthesis": SynthesisSettings(num_questions=7)},
    "files": {"source.triples (.tsv)": "ab"},
    "inputs": {"source": "bc"},
    "seed": 1,
    "code": {"lib.x": "cd"},
    "libraries": ("numpy", "duckdb"),
}


def build(stage="synthesize", **changed):
    return build_fingerprint(stage, **(BASE | changed))


def test_equal_parts_give_the_same_digest_without_dots():
    assert build().digest == build().digest
    assert len(build().digest) == 64
    assert "." not in build().digest


@pytest.mark.parametrize("component", OTHER)
def test_each_component_changes_the_digest_and_is_named(component):
    changed = build(**{component: OTHER[component]})
    assert changed.digest != build().digest
    assert [change.component for change in changed.changes_since(build().components)] == [component]


def test_the_stage_s_name_and_an_absent_seed_count():
    assert len({build().digest, build("warm_up").digest, build(seed=None).digest}) == 3


def test_changes_read_as_sentences():
    changed = build(settings=OTHER["settings"], code={"lib.x": "cd", "lib.y": "ce"})
    texts = [str(change) for change in changed.changes_since(build().components)]
    assert texts == ["settings synthesis.num_questions: 2000 -> 7", "code lib.x changed", "code lib.y is new"]


WRITER = OpenAIWriter(type="openai", base_url="http://a/v1", model="m")


@pytest.mark.parametrize(
    ("field", "value"),
    [("api_key_variable", "OTHER"), ("concurrency", 3), ("timeout_s", 1.0), ("max_retries", 1)],
)
def test_an_excluded_field_of_the_writer_changes_nothing(field, value):
    before = build(settings={"synthesis": SynthesisSettings(writer=WRITER)})
    after = build(settings={"synthesis": SynthesisSettings(writer=WRITER.model_copy(update={field: value}))})
    assert before.digest == after.digest


@pytest.mark.parametrize(
    ("field", "value"), [("api_key_variable", "OTHER"), ("concurrency", 3), ("timeout_s", 1.0), ("max_retries", 1)]
)
@pytest.mark.parametrize("place", ["synthesis.judge", "demonstrate.teacher"])
def test_an_excluded_field_of_another_endpoint_changes_nothing(place, field, value):
    section, key = place.split(".")

    def digest(**changed):
        endpoint = {"type": "openai", "base_url": "http://a/v1", "model": "m"} | changed
        settings = Settings.model_validate({section: {key: endpoint}})
        return build(settings={section: getattr(settings, section)}).digest

    assert digest() == digest(**{field: value})
    assert digest() != digest(model="another")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("threads", 7),
        ("hostfile", "hosts"),
        ("checkpoint_every", 9),
        ("checkpoint_pause_s", 9.0),
        ("micro_batch_tokens", 99),
        ("start_timeout_s", 9.0),
        ("silence_timeout_s", 9.0),
    ],
)
def test_an_excluded_field_of_the_workers_changes_nothing(field, value):
    workers = Settings().workers
    before = build(settings={"workers": workers})
    after = build(settings={"workers": workers.model_copy(update={field: value})})
    assert before.digest == after.digest


def test_every_other_field_of_the_workers_counts():
    workers = Settings().workers
    before = build(settings={"workers": workers}).digest
    for field, value in (("ranks", 2), ("zero_stage", 3), ("precision", "float32")):
        assert build(settings={"workers": workers.model_copy(update={field: value})}).digest != before


def test_every_exclusion_names_an_existing_field_and_a_reason():
    sources = {"triples", "entities", "relations", "pages", "path"}
    for key, reason in EXCLUDED_SETTINGS.items():
        section, *rest = key.split(".")
        assert section in Settings.model_fields and reason
        if section == "workers":
            assert rest[0] in type(Settings().workers).model_fields
        if section == "source":
            assert rest[0] in sources


def test_an_absent_library_is_a_version_of_its_own():
    assert library_versions(("no-such-distribution",))["no-such-distribution"] == "absent"
