"""`muster settings` as a person uses it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.running import refused, told


def test_set_get_and_list(config: Path) -> None:
    assert told("settings", "set", config, "limits.same", "7", "--reason", "many ask") == "limits.same is 7\n"
    first, change = told("settings", "get", config, "limits.same").splitlines()
    assert first == "7"
    assert change.endswith("7  by system:command line: many ask")
    assert [line.split("\t")[:2] for line in told("settings", "list", config, "--changed").splitlines()] == [
        ["limits.same", "7"]
    ]
    assert "retention.texts\t90 days" in told("settings", "list", config)
    assert told("settings", "set", config, "limits.same", "--default") == "limits.same is 5\n"
    assert told("settings", "list", config, "--changed") == ""


def test_a_change_ahead(config: Path) -> None:
    told("settings", "set", config, "limits.same", "7", "--from", "2999-01-01")
    first, change = told("settings", "get", config, "limits.same").splitlines()
    assert first == "5"
    assert change.startswith("  from 2999-01-01 00:00  7")
    assert "dated back" in refused("settings", "set", config, "limits.same", "6", "--from", "2020-01-01")


def test_what_is_wrong_is_one_sentence(config: Path) -> None:
    assert "there is no setting limits.some" in refused("settings", "set", config, "limits.some", "7")
    assert "limits.same is 2 to 20" in refused("settings", "set", config, "limits.same", "700")
    assert "--default" in refused("settings", "set", config, "limits.same")


def test_settings_move_to_another_gateway(config: Path, tmp_path: Path) -> None:
    told("settings", "set", config, "canned.en.desk", 'Come to "the desk",\nplease\\')
    told("settings", "set", config, "hours.closed", "2026-10-01/2026-10-07, 2027-01-01")
    told("settings", "set", config, "quiet.hours", "20-9")
    moved = tmp_path / "settings.toml"
    moved.write_text(told("settings", "export", config), "utf-8")
    told("init", tmp_path / "other", "--yes", "--name", "Other", "--admin", "chief")
    other = tmp_path / "other" / "muster.toml"
    assert told("settings", "import", other, moved) == "3 settings read, 3 changed\n"
    assert told("settings", "export", other) == moved.read_text("utf-8")
    assert told("settings", "import", other, moved) == "3 settings read, 0 changed\n"


def test_an_import_is_whole_or_nothing(config: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "settings.toml"
    wrong.write_text('"limits.same" = 7\n"limits.errors" = 700\n', "utf-8")
    assert "limits.errors is 2 to 20" in refused("settings", "import", config, wrong)
    assert told("settings", "list", config, "--changed") == ""


def test_what_the_commands_cannot_bear_is_refused(config: Path) -> None:
    assert "92 STOP cannot be switched off" in refused("settings", "set", config, "commands.off", "92")
    assert "咨询" in refused("settings", "set", config, "words.zh.11", "咨询")
    assert "names 33" in refused("settings", "set", config, "texts.zh.dues.clear", "去33投票")
    assert told("settings", "list", config, "--changed") == ""
