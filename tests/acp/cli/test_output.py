from __future__ import annotations

import json
from importlib.metadata import EntryPoint, PackageNotFoundError

import click
import pytest
from click.testing import CliRunner

from acp.cli import output
from acp.cli.output import Command, Finding, LazyGroup, Outcome, about
from acp.diagnostics import Diagnostic, FileRefusedError, Refused, Severity

ERROR = Diagnostic("ACP-C01", Severity.ERROR, "/a/0", "found 1, allowed is 2")
WARNING = Diagnostic("ACP-M01", Severity.WARNING, "", "odd")


def invoke(function, *words, command=None):
    made = command or click.command("tool", cls=Command)(function)
    return CliRunner(catch_exceptions=False).invoke(made, list(words))


def returning(outcome):
    return lambda: outcome


def raising(error):
    def fail():
        raise error

    return fail


def test_text():
    result = invoke(returning(Outcome(text="done", data={"a": 1})))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "done\n", "")


def test_json():
    result = invoke(returning(Outcome(text="done", data={"a": "é"})), "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.isascii()
    assert json.loads(result.stdout) == {"ok": True, "diagnostics": [], "a": "é"}


def test_data_cannot_take_the_place_of_the_verdict():
    outcome = Outcome(data={"ok": True, "diagnostics": []}, findings=[Finding(ERROR, "f")])
    answer = json.loads(invoke(returning(outcome), "--format", "json").stdout)
    assert answer["ok"] is False
    assert answer["diagnostics"] == [ERROR.as_json() | {"file": "f"}]


def test_findings_for_people_are_on_standard_error():
    outcome = Outcome(text="text", findings=[Finding(ERROR, "a.json"), Finding(WARNING)])
    result = invoke(returning(outcome))
    assert (result.exit_code, result.stdout) == (1, "text\n")
    assert result.stderr == (
        "a.json: error ACP-C01 /a/0: found 1, allowed is 2\nwarning ACP-M01: odd\n"
    )


def test_warnings_do_not_fail():
    assert invoke(returning(Outcome(findings=[Finding(WARNING)]))).exit_code == 0


def test_refusals_are_findings():
    result = invoke(raising(Refused(ERROR, WARNING)), "--format", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "ok": False,
        "diagnostics": [ERROR.as_json(), WARNING.as_json()],
    }


def test_about_names_the_file_once():
    with pytest.raises(FileRefusedError) as caught, about("outer"), about("inner"):
        raise Refused(ERROR)
    assert caught.value.file == "inner"
    assert caught.value.diagnostics == (ERROR,)


def test_about_leaves_other_exceptions_alone():
    with pytest.raises(ZeroDivisionError), about("file"):
        raise ZeroDivisionError


def test_other_exceptions_are_faults_and_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        invoke(raising(ZeroDivisionError()))


def test_colours_are_for_terminals_only(monkeypatch):
    command = click.command("tool", cls=Command)(returning(Outcome(findings=[Finding(ERROR)])))
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" not in CliRunner().invoke(command, []).stderr
    assert "\x1b[31m" in CliRunner().invoke(command, [], color=True).stderr
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in CliRunner().invoke(command, [], color=True).stderr


def test_nothing_from_a_document_commands_the_terminal():
    evil = "x\x1b]0;title\x07\x9b2J\u202e\r\n\ty\ud800"
    finding = Finding(Diagnostic(ERROR.code, Severity.ERROR, "/" + evil, evil), evil)
    result = invoke(returning(Outcome(text=evil, findings=[finding])))
    for text in (result.stdout, result.stderr):
        assert not set(text) & set("\x1b\x07\x9b\u202e\r\ud800")
    assert len(result.stderr.splitlines()) == 1
    assert "\\x1b]0;title\\x07\\x9b2J\\u202e\\r\\n\\ty\\ud800" in result.stderr


def test_interrupt_is_status_1():
    result = CliRunner().invoke(click.command(cls=Command)(raising(KeyboardInterrupt())), [])
    assert result.exit_code == 1
    assert "Aborted" in result.output


def test_usage_errors_are_status_2():
    assert invoke(raising(click.UsageError("no")), "--format", "json").exit_code == 2
    assert invoke(returning(Outcome()), "--format", "yaml").exit_code == 2


def test_example_ends_the_help_as_it_stands():
    made = click.command("tool", cls=Command, example="tool \\\n    --x")(returning(Outcome()))
    assert invoke(None, "--help", command=made).stdout.endswith("Example:\n  tool \\\n      --x\n")


def test_a_package_of_an_extra_that_is_missing():
    result = invoke(raising(ModuleNotFoundError("no", name="torch.export")), "--format", "json")
    (one,) = json.loads(result.stdout)["diagnostics"]
    assert (result.exit_code, one["code"]) == (1, "ENV-F3")
    assert "'torch', which is not installed" in one["message"]
    assert "pip install 'acp-cep[adapters]'" in one["message"]


def test_the_smallest_extra_is_named():
    result = invoke(raising(ModuleNotFoundError("no", name="numpy")), "--format", "json")
    (one,) = json.loads(result.stdout)["diagnostics"]
    assert "pip install 'acp-cep[runtime]'" in one["message"]


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        ("probe", "numpy", "probe"),
        ("measure", "numpy", "measure"),
        ("measure", "numba", "measure"),
        ("probe", "matplotlib", "plot"),
    ],
)
def test_the_extra_of_a_command_is_named_if_it_helps(command, module, extra):
    @click.command(command, cls=Command)
    def lacking():
        raise ModuleNotFoundError("no", name=module)

    answer = json.loads(invoke(None, "--format", "json", command=lacking).stdout)
    assert f"pip install 'acp-cep[{extra}]'" in answer["diagnostics"][0]["message"]


def test_a_package_of_an_extra_that_is_broken():
    result = invoke(raising(ImportError("libfoo.so not found", name="openvino")))
    assert result.exit_code == 1
    assert "fails: libfoo.so not found" in result.stderr


@pytest.mark.parametrize("name", ["acp.nonsense", "click", None])
def test_a_module_that_no_extra_brings_is_our_own_fault(name):
    with pytest.raises(ImportError):
        invoke(raising(ModuleNotFoundError("no", name=name)))


def test_without_metadata_no_extra_is_named(monkeypatch):
    def requires(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.requires", requires)
    with pytest.raises(ModuleNotFoundError):
        invoke(raising(ModuleNotFoundError("no", name="torch")))


@pytest.fixture
def group(monkeypatch, tmp_path):
    """A group with a command of its own, a lazy one, and four that other packages join."""
    (tmp_path / "joined_fine.py").write_text(
        "import click\nfrom acp.cli.output import Command, Outcome\n"
        "@click.command(cls=Command)\ndef run():\n    'Run it.'\n    return Outcome(text='ran')\n",
        encoding="utf-8",
    )
    (tmp_path / "joined_heavy.py").write_text("import no_such_torch\n", encoding="utf-8")
    (tmp_path / "joined_torch.py").write_text(
        "raise ModuleNotFoundError('no', name='torch')\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        EntryPoint("fine", "joined_fine:run", "test.commands"),
        EntryPoint("heavy", "joined_heavy:run", "test.commands"),
        EntryPoint("torch", "joined_torch:run", "test.commands"),
        EntryPoint("lazy", "joined_heavy:run", "test.commands"),
    ]
    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda group: points if group == "test.commands" else [],
    )
    made = LazyGroup(
        "tool",
        lazy={"lazy": ("joined_fine:run", "Be lazy.")},
        entry_points="test.commands",
        expected={"heavy": "Carry."},
    )
    made.add_command(click.Command("own", help="My own."))
    return made


def test_group_lists_without_importing(group):
    result = invoke(None, "--help", command=group)
    assert result.exit_code == 0
    lines = [
        line.split(maxsplit=1) for line in result.stdout.partition("Commands:\n")[2].splitlines()
    ]
    assert lines == [
        ["own", "My own."],
        ["lazy", "Be lazy."],
        ["fine", "(from joined_fine)"],
        ["heavy", "Carry."],
        ["torch", "(from joined_torch)"],
    ]


@pytest.mark.parametrize("name", ["fine", "lazy"])
def test_group_runs_what_it_imports_and_own_names_win(group, name):
    assert invoke(None, name, command=group).stdout == "ran\n"


def test_group_says_which_extra_a_joined_command_lacks(group):
    result = invoke(None, "torch", "--any", "thing", "--format", "json", command=group)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["diagnostics"][0]["code"] == "ENV-F3"
    assert "pip install" in invoke(None, "torch", "--help", command=group).stdout


def test_group_does_not_hide_faults_of_joined_commands(group):
    with pytest.raises(ModuleNotFoundError, match="no_such_torch"):
        invoke(None, "heavy", command=group)


def test_group_knows_no_other_command(group):
    assert invoke(None, "other", command=group).exit_code == 2
    assert "Did you mean lazy?" in invoke(None, "lzy", command=group).stderr


def test_progress_is_silent_unless_a_terminal_waits(monkeypatch, capsys):
    assert list(output.progress([1, 2, 3], "files")) == [1, 2, 3]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    clock = iter(range(0, 100, 2))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    assert list(output.progress([1, 2, 3], "files")) == [1, 2, 3]
    assert "1 of 3 files" in capsys.readouterr().err
