"""What a run may be asked for: the form's schema, and the sentence that refuses everything else."""

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import ValidationError, validate

from flows.deployments import DEPLOYMENTS, form_of
from flows.parameters import open_run
from flows.pipeline import pipeline
from flows.single_stage import STAGE_FLOWS
from flows.stages import STAGES, find_stage, stages_before
from lib.errors import SettingsError

FORMS = {deployment.name: form_of(deployment) for deployment in DEPLOYMENTS}
DIGEST = "questions/" + 16 * "0a1b"


def refuse(name, parameters):
    with pytest.raises(ValidationError) as caught:
        validate(parameters, FORMS[name], raise_on_error=True)
    return str(caught.value)


def test_every_stage_has_a_flow_and_a_form_with_the_stages_that_it_is_made_from():
    assert list(STAGE_FLOWS) == [stage.name for stage in STAGES]
    for stage in STAGES:
        form = FORMS[stage.name]
        assert set(form["properties"]) == {"profile", "seed", "domains", "settings", "inputs", "recompute", "store"}
        (model,) = form["definitions"].values()
        assert list(model.get("properties", {})) == [item.name for item in stages_before(stage)]
    assert [stage.name for stage in stages_before(find_stage("warm_up"))] == [
        "source",
        "databases",
        "images",
        "synthesize",
        "base",
        "align",
        "demonstrate",
    ]


def test_the_form_offers_profiles_and_stages_and_says_what_each_field_means():
    form = FORMS["pipeline"]
    shipped, file = form["properties"]["profile"]["anyOf"]
    assert shipped["enum"] == ["cluster", "laptop", "nano"] and file["pattern"] == r"\.toml$"
    assert form["properties"]["domains"]["items"]["enum"] == ["knowledge", "sql", "vision"]
    assert form["properties"]["recompute"]["items"]["enum"] == [stage.name for stage in STAGES]
    assert all(field["description"] for field in form["properties"].values())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("pipeline", {}),
        (
            "pipeline",
            {
                "profile": "nano",
                "seed": 3,
                "domains": ["knowledge"],
                "settings": ["reinforce.steps=8"],
                "recompute": ["base", "report"],
            },
        ),
        ("pipeline", {"profile": "/a/b.toml", "given": {"synthesize": "imported", "source": ""}, "store": "/a"}),
        ("reinforce", {"inputs": {"synthesize": DIGEST, "warm_up": "latest"}, "recompute": True}),
    ],
)
def test_what_is_meant_is_taken(name, parameters):
    validate(parameters, FORMS[name], raise_on_error=True)


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("pipeline", {"profil": "nano"}, "'profil' was unexpected"),
        ("pipeline", {"profile": "lapto"}, "field 'profile'. Failure reason: 'lapto' is not valid"),
        ("pipeline", {"seed": "x"}, "field 'seed'. Failure reason: 'x' is not"),
        ("pipeline", {"seed": -1}, "field 'seed'"),
        ("pipeline", {"settings": ["steps"]}, "field 'settings[0]'"),
        ("pipeline", {"recompute": ["reinforc"]}, "'reinforc' is not one of"),
        ("pipeline", {"store": "relative"}, "field 'store'"),
        ("pipeline", {"domains": ["cookery"]}, "'cookery' is not one of"),
        ("synthesize", {"domains": ["knowledge", "knowledge"]}, "field 'domains'"),
        ("reinforce", {"inputs": {"report": "latest"}}, "'report' was unexpected"),
        ("reinforce", {"inputs": {"warm_up": "the last one"}}, "field 'inputs.warm_up'"),
    ],
)
def test_what_is_not_understood_is_refused_before_a_run_exists(name, parameters, said):
    assert said in refuse(name, parameters)


def test_python_callers_are_refused_in_the_same_way():
    with pytest.raises(ParameterTypeError, match="there is no profile 'lapto'; use one of cluster, laptop, nano"):
        pipeline.validate_parameters({"profile": "lapto"})
    with pytest.raises(ParameterTypeError, match="Input should be 'knowledge'"):
        pipeline.validate_parameters({"domains": ["cookery"]})
    with pytest.raises(ParameterTypeError, match="inputs.report"):
        STAGE_FLOWS["reinforce"].validate_parameters({"inputs": {"report": "latest"}})


def test_defaults_of_the_form_are_those_of_the_command_line():
    properties = parameter_schema(pipeline).properties
    assert properties["profile"]["default"] == "laptop" and properties["recompute"]["default"] == []


def test_a_run_without_a_store_is_told_how_to_name_one(monkeypatch, tmp_path):
    from flows.parameters import Given

    monkeypatch.delenv("ROPEWALK_STORE", raising=False)
    with pytest.raises(SettingsError, match="Nothing says where the store is"):
        open_run("nano", None, [], [], "", [], Given())
    monkeypatch.setenv("ROPEWALK_STORE", str(tmp_path))
    assert open_run("nano", None, [], [], "", [], Given()).store.root == tmp_path


def test_a_run_hands_its_domains_on_to_the_runs_that_it_dispatches(tmp_path):
    from flows.parameters import Given

    run = open_run("nano", 3, ["knowledge"], [], str(tmp_path), [], Given())
    assert run.settings.synthesis.domains == ("knowledge",)
    validate({**run.asked, "inputs": {}, "recompute": False}, FORMS["reinforce"], raise_on_error=True)
    assert run.asked["domains"] == ["knowledge"]
