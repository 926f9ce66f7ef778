"""The commands that the workflow's rules call; a person can paste any of them.

Heavy imports stay inside the commands, so that `--help` and planning are quick.
"""

import argparse
import sys
from pathlib import Path

from polyrepro.data.commands import add_data_commands
from polyrepro.errors import PolyreproError
from polyrepro.running.interruption import EXIT_STATUS, InterruptedTrainingError
from polyrepro.runs import InitialWeights
from polyrepro.settings import CONFIGURATIONS, Overrides, Settings, check_settings, read_config
from polyrepro.studies import SCALES, STUDIES


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

    command = commands.add_parser("train", help="train runs that have no finished record yet")
    command.add_argument("runs", nargs="+", metavar="RUN", help="recipe/variant/seedN")
    _add_results(command)
    _add_overrides(command)
    _add_weights(command)
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    command.add_argument(
        "--processes", type=_positive, default=1, help="spread each run over so many devices"
    )
    command.add_argument(
        "--cpus", type=_positive, default=1, help="threads, or readers of images, per process"
    )
    command.add_argument(
        "--not-deterministic", action="store_true", help="on a GPU: faster, other bits every time"
    )
    command.add_argument(
        "--timeout",
        type=_positive,
        default=600,
        metavar="SECONDS",
        help="a process gives up on one that does not answer for so long (default 600)",
    )
    command.add_argument("--receipt", type=Path, help="write the ids of the finished runs here")
    command.set_defaults(command=_train)

    command = commands.add_parser("select", help="choose a variant on validation accuracy")
    command.add_argument("selection")
    _add_plan(command)
    command.set_defaults(command=_select)

    command = commands.add_parser("collect", help="run records -> metrics.csv")
    _add_plan(command)
    command.add_argument("--output", type=Path, required=True)
    command.set_defaults(command=_collect)

    command = commands.add_parser("estimate", help="GPU-hours and disk of a configuration")
    chosen = command.add_mutually_exclusive_group()
    chosen.add_argument("--scale", choices=SCALES, default=SCALES[0], help="its configuration")
    chosen.add_argument("--configfile", type=Path, help="a configuration of your own")
    command.add_argument("--studies", nargs="+", help="only these")
    command.add_argument("--seeds", type=_positive, help="seeds per variant")
    _add_overrides(command)
    _add_weights(command)
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

    command = commands.add_parser("figure", help="draw one figure as PDF and PNG")
    command.add_argument("name")
    _add_results(command)
    command.set_defaults(command=_figure)

    command = commands.add_parser("atlas", help="the survey of losses: statements and figures")
    command.add_argument("--output", type=Path, required=True, help="folder for all its files")
    command.set_defaults(command=_atlas)

    command = commands.add_parser("report", help="report.pdf and summary.md")
    _add_plan(command)
    command.set_defaults(command=_report)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, not {text!r}")
    return int(text)


def _add_results(command: argparse.ArgumentParser) -> None:
    command.add_argument("--results", type=Path, required=True, help="folder, results/<scale>")


def _add_overrides(command: argparse.ArgumentParser) -> None:
    command.add_argument("--epochs", type=_positive, help="override the recipe's epochs")
    command.add_argument("--train-images", type=_positive, help="use only so many images")
    command.add_argument("--dataset", help="override the recipe's data set")
    command.add_argument(
        "--images-per-device", type=_positive, help="images of one forward pass of a classifier"
    )


def _add_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--weights",
        nargs=3,
        action="append",
        default=[],
        metavar=("RECIPE", "PATH", "SHA256"),
        help="weights that stand in for the runs of a pre-training recipe",
    )


def _add_plan(command: argparse.ArgumentParser) -> None:
    _add_results(command)
    command.add_argument("--scale", choices=SCALES, default=SCALES[0])
    command.add_argument("--studies", nargs="+", choices=list(STUDIES), default="all")
    command.add_argument("--seeds", type=_positive, required=True, help="seeds per variant")
    _add_overrides(command)
    _add_weights(command)


def _overrides(options: argparse.Namespace) -> Overrides:
    return Overrides(**{name: getattr(options, name) for name in Overrides.model_fields})


def _plan(options: argparse.Namespace):
    from polyrepro.plan import Plan

    settings = check_settings(
        {
            "scale": options.scale,
            "studies": options.studies,
            "seeds": options.seeds,
            "runs_per_job": 1,
            "results": str(options.results),
            "overrides": _overrides(options).model_dump(),
            "weights": _weights(options),
        }
    )
    return Plan(settings)


def _weights(options: argparse.Namespace) -> dict[str, dict]:
    return {name: {"path": path, "sha256": sha256} for name, path, sha256 in options.weights}


def plan_options(settings: Settings) -> str:
    """The options of `select`, `collect` and `report` that stand for these settings."""
    words = [f"--results {settings.results} --scale {settings.scale} --seeds {settings.seeds}"]
    words += ["--studies", *settings.studies, *_what_options(settings)]
    return " ".join(words)


def train_options(settings: Settings) -> str:
    """The options of `train` that stand for these settings."""
    words = [f"--results {settings.results} --device {settings.device}"]
    words += [f"--processes {settings.processes_per_run} --cpus {settings.cpus_per_process}"]
    words += [] if settings.deterministic else ["--not-deterministic"]
    return " ".join([*words, *_what_options(settings)])


def _what_options(settings: Settings) -> list[str]:
    """What belongs to the runs themselves: overrides and weights."""
    given = settings.overrides.model_dump(exclude_none=True)
    words = [f"--{name.replace('_', '-')} {value}" for name, value in given.items()]
    return words + [f"--weights {n} {w.path} {w.sha256}" for n, w in settings.weights.items()]


def _train(options: argparse.Namespace) -> None:
    from polyrepro.running.launch import start

    start(options.processes, options.device, lambda: _train_here(options))


def _train_here(options: argparse.Namespace) -> None:
    """The training itself, in this process, alone or as one of several."""
    import torch

    from polyrepro.running.execution import Execution
    from polyrepro.running.interruption import Interruption
    from polyrepro.running.jobs import train_batch
    from polyrepro.running.processes import joined

    torch.set_num_threads(options.cpus)
    weights = {name: InitialWeights(**entry) for name, entry in _weights(options).items()}
    with Interruption() as interruption, joined(options.device, options.timeout) as processes:
        execution = Execution(
            processes,
            interruption,
            deterministic=not options.not_deterministic,
            # One CPU of several drives the training itself.
            workers=options.cpus - 1,
        )
        train_batch(
            options.results,
            options.runs,
            _overrides(options),
            execution,
            weights=weights,
            receipt=options.receipt,
        )


def _select(options: argparse.Namespace) -> None:
    from polyrepro.analysis.selection import write_selection

    write_selection(_plan(options), options.selection)


def _collect(options: argparse.Namespace) -> None:
    from polyrepro.analysis.metrics_table import collect
    from polyrepro.files import write_atomically

    write_atomically(options.output, collect(_plan(options)).to_csv(index=False))


def _estimate(options: argparse.Namespace) -> None:
    from polyrepro.estimate import GIVEN, describe, estimate, read_throughputs
    from polyrepro.plan import Plan

    path = options.configfile or CONFIGURATIONS[options.scale]
    given = {"studies": options.studies, "seeds": options.seeds, "weights": _weights(options)}
    given["overrides"] = _overrides(options).model_dump(exclude_none=True)
    config = read_config(path)
    config |= {name: value for name, value in given.items() if value}
    plan = Plan(check_settings(config, (path,)))
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

    table = evaluate_claims(read_metrics(options.metrics))
    write_atomically(options.output, table.to_csv(index=False))


def _figure(options: argparse.Namespace) -> None:
    from polyrepro.figures import draw

    draw(options.name, options.results)


def _atlas(options: argparse.Namespace) -> None:
    from polyrepro.atlas import write_atlas

    write_atlas(options.output)


def _report(options: argparse.Namespace) -> None:
    from polyrepro.report import write_report

    write_report(_plan(options))
