"""Whether a board takes a bundle, before anything is sent: pure."""

from edgekit.bundle import Bundle
from edgekit.daemon.deploy_control.messages import BoardReport, BundleReport
from edgekit.deploy.ssh.bootstrap import updates_table
from edgekit.deploy.ssh.layout import Layout
from edgekit.errors import BundleError, ConfigError, InputError
from edgekit.update.release import version_key


def check_settings(report: BoardReport, layout: Layout, *, destination: str) -> None:
    """Refuses a board that does not look at what is pushed.

    Raises:
        InputError: there are no settings, or updates come from elsewhere.
        ConfigError: they have mistakes.
    """
    if not report.has_settings:
        raise InputError(
            f"{destination}: has no {layout.config}; give one with --bootstrap --config"
        )
    if report.mistakes:
        raise ConfigError(f"{destination}: {layout.config}", report.mistakes)
    if report.repository is None:
        table = updates_table(layout).strip().replace("\n", "; ")
        raise InputError(
            f"{destination}: {layout.config} has no table [updates], so that the board follows no "
            f"deploys; add the lines: {table}; and restart edgekitd"
        )
    if report.folder is None:
        raise InputError(
            f"{destination}: takes its updates from {report.repository}; publish there with "
            "`edgekit repository add`, or name a folder in the board's [updates]"
        )


def check_bundle(report: BoardReport, bundle: Bundle, *, destination: str) -> None:
    """Refuses what the board would refuse.

    Raises:
        InputError: no pipeline runs it, the version is lower than the installed one, or an operator
            left it by a rollback.
        BundleError: the engine is missing there, or the board rolled this version back before.
    """
    name, version = bundle.manifest.name, bundle.manifest.version
    wanted = {artifact.engine for artifact in bundle.artifacts()}
    if not wanted & set(report.engines):
        raise BundleError(
            f"{destination}: {name} {version} needs {' or '.join(sorted(wanted))}, which the board "
            f"does not have (it has {', '.join(report.engines) or 'none'}); install it there, or "
            "build a bundle for the board's engine"
        )
    found = _of(report, name)
    if found is None:
        if report.missing:
            return
        runs = ", ".join(each.name for each in report.bundles) or "none"
        raise InputError(
            f"{destination}: no pipeline of the board runs a bundle {name} (it runs {runs}); "
            "name it in its edgekit.toml first"
        )
    if found.installed and version_key(version) < version_key(found.installed):
        raise InputError(
            f"{destination}: {name} {version} is lower than the installed {found.installed}; "
            "a board goes back only to what it committed before, with `edgekit rollback`"
        )
    if found.refused == version and found.back == version:
        raise InputError(
            f"{destination}: {name} {version} was rolled back on this board before "
            f"({found.reason}); `edgekit rollback` returns to it"
        )
    if found.refused == version:
        raise BundleError(
            f"{destination}: {name} {version} was rolled back on this board before "
            f"({found.reason}); mend it and give it a new version"
        )


def is_running(report: BoardReport, name: str) -> str | None:
    """The version of a bundle that the board starts with."""
    found = _of(report, name)
    return None if found is None else found.installed


def _of(report: BoardReport, name: str) -> BundleReport | None:
    return next((each for each in report.bundles if each.name == name), None)
