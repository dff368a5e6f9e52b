"""The implementation under test as a process: one line in, one line out, within a time limit."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from typing import IO, Final, NoReturn, Self

from conformance.protocol import MAX_LINE_BYTES, Json, ProtocolError, encode, parse, shortened

_STDERR_LINES: Final = 20
_WAIT_S: Final = 2.0


class ChildError(Exception):
    """The implementation did not answer: it crashed, was silent, or said what makes no sense."""


class Child:
    """A running implementation. A context manager; leaving it ends the process and its children.

    Args:
        command: Program and arguments.
        timeout_s: Seconds that one answer may take.

    Raises:
        ChildError: The program cannot be started.
    """

    def __init__(self, command: Sequence[str], timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._errors: deque[bytes] = deque(maxlen=_STDERR_LINES)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ChildError(f"cannot start {command[0]!r}: {error}") from None
        self._threads = [
            threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._overhear, args=(self._process.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, request: Json) -> Json:
        """Send a request and return the answer to it.

        Raises:
            ChildError: There is none in time, or it is malformed, or not to this request. The
                process must not be asked again.
        """
        if not self._lines.empty():
            self._no_answer(self._lines.get(), "before it was asked, ")
        self._send(encode(request))
        try:
            line = self._lines.get(timeout=self._timeout_s)
        except queue.Empty:
            raise ChildError(f"no answer within {self._timeout_s:g} s") from None
        if line is None:
            self._no_answer(None)
        try:
            answer = parse(line)
        except ProtocolError as error:
            raise ChildError(f"malformed answer: {error}") from None
        if answer.get("id") != request.get("id"):
            raise ChildError(f"an answer to another request: {shortened(repr(answer.get('id')))}")
        if (answer["reply"] == "hello") != (request["cmd"] == "hello"):
            raise ChildError(f"{answer['reply']!r} is no answer to {request['cmd']!r}")
        return answer

    def close(self, patience_s: float = _WAIT_S) -> None:
        """End the process, and all it has started; the process gets some time to end itself."""
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        self._kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(_WAIT_S)
        for pipe in (self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _send(self, line: bytes) -> None:
        """Write in another thread: an implementation that doesn't read must not stop the runner."""
        failed: list[Exception] = []

        def write() -> None:
            try:
                if self._process.stdin:
                    self._process.stdin.write(line)
                    self._process.stdin.flush()
            except (OSError, ValueError) as error:
                failed.append(error)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        writer.join(self._timeout_s)
        if writer.is_alive():
            self._kill()
            raise ChildError(f"did not read a request within {self._timeout_s:g} s")
        if failed:
            self._no_answer(None)

    def _no_answer(self, line: bytes | None, when: str = "") -> NoReturn:
        if line is not None:
            raise ChildError(f"{when}it said {shortened(repr(line))}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_WAIT_S)
        self._threads[1].join(_WAIT_S)
        status = self._process.returncode
        last = self._errors[-1].decode("utf-8", "replace").strip() if self._errors else ""
        ended = "closed its output" if status is None else f"ended with status {status}"
        raise ChildError(f"{when}it {ended}{': ' + shortened(last) if last else ''}")

    def _listen(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := pipe.readline(MAX_LINE_BYTES + 1):
                self._lines.put(line)
                if len(line) > MAX_LINE_BYTES:
                    break
        self._lines.put(None)

    def _overhear(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := pipe.readline(MAX_LINE_BYTES):
                self._errors.append(line)
