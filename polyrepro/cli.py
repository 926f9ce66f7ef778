"""The commands that the workflow's rules call; a person can paste any of them.

Heavy imports stay inside the commands, so that `--help` and planning are quick.
"""

import argparse
import sys
from pathlib import Path

from polyrepro.check_gpu import add_check_command
from polyrepro.data.commands import add_data_commands
from polyrepro.errors import PolyreproError
from polyrepro.running.interruption import EXIT_STATUS, InterruptedTrainingError
from polyrepro.settings import (
    CONFIGURATIONS,
    Settings,
    SettingsError,
    check_settings,
    read_config,
)
from polyrepro.strict_yaml import read_value
from polyrepro.studies import SCALES


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `polyrepro`.

    Errors of the user are one message and exit status 1; training that was interrupted by a signal
    and can go on exits with 75.
    """
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except InterruptedTrainingError as interruption:
        print(f"polyrepro: {interruption}", file=sys.stderr)
        sys.exit(EXIT_STATUS)
    except (PolyreproError, OSError) as error:
        sys.exit(f"polyrepro: error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="polyrepro", description="Reproduce the PolyLoss paper.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add_data_commands(commands)
    add_check_command(commands)

    command = commands.add_parser("losses", help="check the losses of all chosen studies")
    _add_settings(command)
    command.set_defaults(command=_losses)

    command = commands.add_parser("train", help="train runs that have no finished record yet")
    command.add_argument("runs", nargs="+", metavar="RUN", help="recipe/variant/seedN")
    _add_settings(command)
    command.add_argument(
        "--timeout",
        type=_positive,
        default=600,
        metavar="SECONDS",
        help="a process gives up on one that does not answer for so long (default 600)",
    )
    command.add_argument("--receipt", type=Path, help="write the ids of the finished runs here")
    command.set_defaults(command=_train)

    command = commands.add_parser("status", help="what is running, what failed, what is left")
    command.add_argument("runs", nargs="*", metavar="RUN", help="these in detail")
    _add_settings(command)
    command.add_argument(
        "--watch",
        nargs="?",
        type=_positive,
        const=5,
        metavar="SECONDS",
        help="read again every so often (default 5), until Ctrl-C",
    )
    command.set_defaults(command=_status)

    command = commands.add_parser("select", help="choose a variant on validation accuracy")
    command.add_argument("selection")
    _add_settings(command)
    command.set_defaults(command=_select)

    command = commands.add_parser("collect", help="run records -> metrics.csv")
    _add_settings(command)
    command.add_argument("--output", type=Path, required=True)
    command.set_defaults(command=_collect)

    command = commands.add_parser("estimate", help="GPU-hours and disk of a configuration")
    _add_settings(command)
    command.add_argument("--throughputs", type=Path, help="table of images per second")
    command.set_defaults(command=_estimate)

    for name, help_text, function in (
        ("statistics", "metrics.csv -> statistics.csv", _statistics),
        ("claims", "metrics.csv -> claims.csv", _claims),
    ):
        command = commands.add_parser(name, help=help_text)
        command.add_argument("metrics", type=Path)
        command.add_argument("--output", type=Path, required=True)
        command.set_defaults(command=function)

    command = commands.add_parser("compare", help="verdicts for records made elsewhere")
    command.add_argument("--metrics", type=Path, required=True, help="table, see docs/verdicts.md")
    command.set_defaults(command=_compare)

    command = commands.add_parser("figure", help="draw one figure as PDF and PNG")
    command.add_argument("name")
    command.add_argument("--results", type=Path, required=True, help="folder, results/<scale>")
    command.add_argument(
        "--references",
        type=Path,
        nargs="*",
        default=[],
        metavar="FOLDER",
        help="other folders of results, for a figure of all claims",
    )
    command.set_defaults(command=_figure)

    command = commands.add_parser("atlas", help="the survey of losses: statements and figures")
    command.add_argument("--output", type=Path, required=True, help="folder for all its files")
    command.set_defaults(command=_atlas)

    command = commands.add_parser("report", help="report.pdf, report.html and summary.md")
    _add_settings(command)
    command.set_defaults(command=_report)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, not {text!r}")
    return int(text)


def _add_settings(command: argparse.ArgumentParser) -> None:
    """The configuration, as Snakemake takes it."""
    chosen = command.add_mutually_exclusive_group()
    chosen.add_argument("--configfile", type=Path, help="a configuration; see config/README.md")
    chosen.add_argument(
        "--scale", choices=SCALES, default=SCALES[0], help="the one that comes with a scale"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key of it, e.g. --set seeds=2 --set 'overrides={epochs: 1}'",
    )
    command.add_argument("--results", help="short for --set results=...")
    command.add_argument("--epochs", help="short for --set 'overrides={epochs: ...}'")


def _settings(options: argparse.Namespace) -> Settings:
    path = options.configfile or CONFIGURATIONS[options.scale]
    config = read_config(path)
    for assignment in options.set:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment}: give KEY=VALUE, for example seeds=2")
        config[key] = read_value(value)
    if options.results is not None:
        config["results"] = options.results
    if options.epochs is not None:
        config["overrides"] = config.get("overrides", {}) | {"epochs": read_value(options.epochs)}
    return check_settings(config, (path,))


def _losses(options: argparse.Namespace) -> None:
    from polyrepro.plan import Plan
    from polyrepro.running.losses import check_losses

    losses = {run.variant.name: run.variant.loss for run in Plan(_settings(options)).runs}
    check_losses(losses)
    for name, loss in losses.items():
        print(f"{name}: {loss.label}")


def _train(options: argparse.Namespace) -> None:
    from polyrepro.running.launch import start
    from polyrepro.running.progress import failure_noted

    settings = _settings(options)
    with failure_noted(Path(settings.results), options.runs):
        start(settings.processes_per_run, settings.device, lambda: _train_here(options, settings))


def _train_here(options: argparse.Namespace, settings: Settings) -> None:
    """The training itself, in this process, alone or as one of several."""
    import torch

    from polyrepro.running.execution import Execution
    from polyrepro.running.interruption import Interruption
    from polyrepro.running.jobs import train_batch
    from polyrepro.running.processes import joined

    torch.set_num_threads(settings.cpus_per_process)
    with Interruption() as interruption, joined(settings.device, options.timeout) as processes:
        execution = Execution(
            processes,
            interruption,
            deterministic=settings.deterministic,
            # One CPU of several drives the training itself.
            workers=settings.cpus_per_process - 1,
        )
        train_batch(settings, options.runs, execution, receipt=options.receipt)


def _status(options: argparse.Namespace) -> None:
    from polyrepro.plan import Plan
    from polyrepro.running.status_screen import show_status

    show_status(Plan(_settings(options)), options.runs, options.watch)


def _select(options: argparse.Namespace) -> None:
    from polyrepro.analysis.selection import write_selection
    from polyrepro.plan import Plan

    write_selection(Plan(_settings(options)), options.selection)


def _collect(options: argparse.Namespace) -> None:
    from polyrepro.analysis.metrics_table import collect
    from polyrepro.analysis.selection import check_selections
    from polyrepro.files import write_atomically
    from polyrepro.plan import Plan

    plan = Plan(_settings(options))
    table = collect(plan)
    check_selections(plan)
    write_atomically(options.output, table.to_csv(index=False))


def _estimate(options: argparse.Namespace) -> None:
    from polyrepro.estimate import GIVEN, describe, estimate, read_throughputs
    from polyrepro.plan import Plan

    plan = Plan(_settings(options))
    print(describe(estimate(plan, read_throughputs(options.throughputs or GIVEN))))


def _statistics(options: argparse.Namespace) -> None:
    from polyrepro.analysis.metrics_table import read_metrics
    from polyrepro.analysis.statistics import summarise
    from polyrepro.files import write_atomically

    write_atomically(options.output, summarise(read_metrics(options.metrics)).to_csv(index=False))


def _claims(options: argparse.Namespace) -> None:
    from polyrepro.analysis.claims import evaluate_claims
    from polyrepro.analysis.metrics_table import read_metrics
    from polyrepro.files import write_atomically

    table = evaluate_claims(read_metrics(options.metrics), options.metrics.parent)
    write_atomically(options.output, table.to_csv(index=False))


def _compare(options: argparse.Namespace) -> None:
    from polyrepro.analysis.comparison import verdict_table

    print(verdict_table(options.metrics))


def _figure(options: argparse.Namespace) -> None:
    from polyrepro.figures import draw

    draw(options.name, options.results, options.references)


def _atlas(options: argparse.Namespace) -> None:
    from polyrepro.atlas import write_atlas

    write_atlas(options.output)


def _report(options: argparse.Namespace) -> None:
    from polyrepro.plan import Plan
    from polyrepro.report import write_report

    write_report(Plan(_settings(options)))
