"""Commands run in this process: what they say, or what they raise."""

from typer import Typer
from typer.testing import CliRunner, Result

RUNNER = CliRunner()


def invoked(app: Typer, *args: object, code: int = 0, answer: str | None = None) -> Result:
    """Run a command that must end with an exit code. answer: to what it asks."""
    result = RUNNER.invoke(app, [str(a) for a in args], input=answer, env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def run(app: Typer, *args: object, code: int = 0) -> str:
    """Run a command; what it says, in one line."""
    return " ".join(invoked(app, *args, code=code).output.split())
