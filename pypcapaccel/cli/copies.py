# SPDX-License-Identifier: BSD-3-Clause
"""Several copies of a program: started together, signals handed on, one exit code.

Signals are blocked and waited for, so that none is lost between two looks. One that the terminal sends
reaches the copies by itself, as they are in the same process group, and is not handed on a second time.

Threads: the main one.
"""

from __future__ import annotations

import os
import signal

from . import CommandError

__all__ = ["run_copies"]

HANDED_ON = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGALRM, signal.SIGWINCH, signal.SIGCONT,
)  # fmt: skip
_SI_KERNEL = 0x80  # si_code of what the terminal sends; sigaction(2)


def _start(path: str, words: list[str], environ: dict[str, str], mask: set[signal.Signals]) -> int:
    return os.posix_spawn(path, words, environ, setsigmask=mask)


def _code(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _reap(alive: set[int]) -> list[int]:
    """Exit codes of the copies that have ended."""
    codes: list[int] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return codes
        if pid == 0:
            return codes
        if pid in alive:
            alive.remove(pid)
            codes.append(_code(status))


def _send(alive: set[int], number: int) -> None:
    for pid in alive:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def _wait(alive: set[int]) -> int:
    failure = 0
    while alive:
        info = signal.sigwaitinfo([*HANDED_ON, signal.SIGCHLD])
        if info.si_signo == signal.SIGCHLD:
            for code in _reap(alive):
                failure = failure or code
        elif info.si_code != _SI_KERNEL:
            _send(alive, info.si_signo)
    return failure


def run_copies(path: str, each: list[list[str]], environ: dict[str, str]) -> int:
    """Run them to their ends. 0, or the code of the first that failed; 126 or 127 if one could not be
    started: those that were get SIGTERM."""
    before = {
        signal.Signals(n)
        for n in signal.pthread_sigmask(signal.SIG_BLOCK, [*HANDED_ON, signal.SIGCHLD])
    }
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, children would vanish
    alive: set[int] = set()
    try:
        for words in each:
            alive.add(_start(path, words, environ, before))
        return _wait(alive)
    except OSError as error:
        _send(alive, signal.SIGTERM)
        _wait(alive)
        raise CommandError(
            f"{path}: {error.strerror}", 127 if isinstance(error, FileNotFoundError) else 126
        ) from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
