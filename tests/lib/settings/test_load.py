import pytest

from lib.errors import SettingsError
from lib.settings.load import load_settings, profile_names
from lib.settings.settings import Settings


def test_every_profile_loads_and_laptop_is_the_defaults():
    assert set(profile_names()) >= {"laptop", "nano", "cluster"}
    for name in profile_names():
        load_settings(name)
    assert load_settings("nano").policy.type == "nano"
    assert load_settings("cluster").policy.model == "Qwen/Qwen2.5-VL-3B-Instruct"
    assert load_settings("cluster").workers.ranks == 8


def test_overrides_win_over_the_profile_and_the_last_one_wins():
    settings = load_settings("nano", ["reinforce.steps=5", "reinforce.steps=6", "evaluate.budgets=[1, 3]"], seed=4)
    assert (settings.reinforce.steps, settings.evaluate.budgets, settings.seed) == (6, (1, 3), 4)


def test_domains_that_are_asked_for_win_over_the_profile_and_none_leave_it_as_it_is():
    assert load_settings("nano").synthesis.domains == load_settings("nano", domains=[]).synthesis.domains
    assert load_settings("nano", domains=["knowledge"]).synthesis.domains == ("knowledge",)
    with pytest.raises(
        SettingsError, match=r"synthesis.domains.1 cannot be 'cookery'. Allowed: 'knowledge', 'sql' or 'vision'"
    ):
        load_settings("nano", ["synthesis.domains=['knowledge']"], domains=["knowledge", "cookery"])


def test_a_new_type_drops_what_the_profile_said_for_the_old_one():
    assert load_settings("cluster", ["policy.type=nano"]).policy.type == "nano"


def test_a_key_of_the_default_type_needs_no_type():
    settings = load_settings("nano", ["policy.layers=2"])
    assert (settings.policy.type, settings.policy.layers) == ("nano", 2)


def test_texts_need_no_quotes_and_nested_sections_are_reached():
    overrides = ["synthesis.writer.type=openai", "synthesis.writer.base_url=http://x/v1", "synthesis.writer.model=m"]
    assert load_settings("laptop", overrides).synthesis.writer.base_url == "http://x/v1"


def test_a_user_s_own_toml_is_a_profile(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[reinforce]\nsteps = 3\n[policy]\ntype = "nano"\n')
    assert load_settings(str(path)).reinforce.steps == 3


MCP = ["environment.mcp.mine.type=http", "environment.mcp.mine.url=http://localhost:8000/mcp"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["reinforc.steps=1"], ["Unknown key 'reinforc'", "Did you mean 'reinforce'", "warm_up"]),
        (["reinforce.stepz=1"], ["Unknown key 'reinforce.stepz'", "Did you mean 'reinforce.steps'", "group_size"]),
        (["policy.type=nano", "policy.vocabulry=400"], ["Did you mean 'policy.vocabulary'"]),
        (["synthesis.writer.type=openai", "synthesis.writer.base_ulr=x"], ["Did you mean 'synthesis.writer.base_url'"]),
        (["reinforce.steps=0"], ["reinforce.steps", "greater than or equal to 1", "given: 0"]),
        (["policy.type=nanno"], ["policy.type", "'nanno'", "'smollm2', 'nano', 'pretrained'"]),
        (["workers.precision=float23"], ["workers.precision", "'auto', 'float32' or 'bfloat16'", "mean 'float32'"]),
        (["synthesis.min_hops=9"], ["min_hops must not exceed max_hops"]),
        (["synthesis.max_hops=9"], ["synthesis.max_hops (9)", "environment.max_tool_calls (6)"]),
        (["synthesis.domains=['knowlege']"], ["synthesis.domains.0", "Did you mean 'knowledge'"]),
        (["synthesis.domains=[]"], ["domains must name at least one of knowledge, sql, vision"]),
        (["synthesis.domains=['knowledge', 'knowledge']"], ["domains must name every domain once"]),
        (["environment.max_tool_calls=1"], ["synthesis.max_hops (2)", "environment.max_tool_calls (1)"]),
        (["seed.deep=1"], ["seed"]),
        (["policy=4"], ["policy", "given: 4"]),
        (["reinforce=4"], ["reinforce is a section", "given: 4"]),
        (["source.type=triples"], ["source.triples is missing"]),
        (["reinforce.learning_rate=inf"], ["reinforce.learning_rate", "finite"]),
        (["evaluate.policies=['warmup']"], ["evaluate.policies.0", "Did you mean 'warm_up'"]),
        (["evaluate.policies=[]"], ["evaluate.policies", "at least 1"]),
        (["evaluate.policies=['base', 'base']"], ["every stage once"]),
        (["evaluate.budgets=[1, -1]"], ["evaluate.budgets.1", "given: -1"]),
        (["synthesis.min_difficulty=0.9", "synthesis.max_difficulty=0.1"], ["no question could qualify"]),
        (["demonstrate.min_trained_share=0.9", "demonstrate.max_trained_share=0.1"], ["no episodes could pass"]),
        (["reinforce.steps=3", "reinforce.trajectory_every=3"], ["leave one checkpoint", "raise steps or lower"]),
        (["reinforce.steps=1"], ["leave one checkpoint"]),
        (["environment.tools.serch.limit=2"], ["environment.tools.serch", "search, open, run_sql"]),
        (["synthesis.domains=['sql']", *MCP], ["environment.mcp", "'knowledge'", "leaves out"]),
        (["engine.type=vllm", "engine.urls=['gpu-7:8000']"], ["engine.urls", "'gpu-7:8000' is no address"]),
        (["engine.type=vllm", "engine.urls=['http://a:1', 'http://a:1/']"], ["engine.urls", "named twice"]),
        (["synthesis.domains=['sql']", "engine.type=vllm", "engine.turn_timeout_s=900"], ["3540 s", "1800"]),
        (["steps"], ["section.key=value"]),
        (["=3"], ["section.key=value"]),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(overrides, said):
    with pytest.raises(SettingsError) as caught:
        load_settings("laptop", overrides)
    for text in said:
        assert text in str(caught.value)


def test_an_unknown_profile_and_a_broken_file_are_named(tmp_path):
    with pytest.raises(SettingsError, match="Did you mean 'laptop'"):
        load_settings("lapto")
    broken = tmp_path / "broken.toml"
    broken.write_text("[policy\n")
    with pytest.raises(SettingsError, match="not valid TOML.*line 1"):
        load_settings(str(broken))


def test_a_profile_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"seed = 1 # \xff")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings(str(path))


def test_every_field_of_every_section_refuses_unknown_keys():
    for name, section in Settings():
        if name != "seed":
            with pytest.raises(SettingsError, match="Unknown key"):
                load_settings("laptop", [f"{name}.no_such_key=1"])
            assert section.model_config["extra"] == "forbid"
