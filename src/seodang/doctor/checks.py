"""All checks, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seodang.doctor import environment, machine, project, services
from seodang.doctor.findings import Finding
from seodang.i18n import _
from seodang.paths import Paths


def run_checks(paths: Paths) -> Iterator[Finding]:
    """Yield what the checks find; a check that fails itself is a finding, too.

    Nothing is changed, and no program is started but git and nvidia-smi.
    """
    checks: list[Callable[[], Iterator[Finding]]] = [
        environment.check_python,
        lambda: environment.check_packages(paths.root),
        environment.check_temporary_folder,
        lambda: machine.check_disks(paths),
        machine.check_memory,
        lambda: machine.check_gpu(paths),
        lambda: project.check_params(paths),
        lambda: project.check_git(paths),
        lambda: project.check_workspace(paths),
        lambda: project.check_dvc_files(paths),
        lambda: project.check_remote(paths),
        services.check_prefect,
        services.check_ports,
        lambda: services.check_store(paths),
    ]
    for check in checks:
        try:
            yield from check()
        except OSError as error:
            text = _("cannot be checked ({error})", error=error)
            yield Finding(_("system"), "warning", text)
