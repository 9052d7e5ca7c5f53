from lib.workers.oom_kills import count_oom_kills


def test_the_counter_is_read_among_others(tmp_path):
    path = tmp_path / "vmstat"
    path.write_text("nr_free_pages 12\noom_kill 7\nnuma_hit 3\n")
    assert count_oom_kills(path) == 7


def test_a_system_without_the_counter_has_none(tmp_path):
    (tmp_path / "vmstat").write_text("nr_free_pages 12\n")
    assert count_oom_kills(tmp_path / "vmstat") == 0
    assert count_oom_kills(tmp_path / "nothing") == 0


def test_this_system_s_own_counter_never_falls():
    assert 0 <= count_oom_kills() <= count_oom_kills()
