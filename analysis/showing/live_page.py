"""The report of a running study, served on loopback: the page loads itself again when something was recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

from ablative.analysis.errors import AnalysisError
from ablative.analysis.showing.report import Live
from ablative.analysis.showing.report import render_report
from ablative.analysis.views.results import load
from ablative.orchestrator.errors import StoreError

LOOPBACK = "127.0.0.1"


class LivePage:
    """The page of one study and the version of the records that it shows."""

    def __init__(self, uri: str, study: str, version: Callable[[], str], *, every: float) -> None:
        self._uri, self._study, self._version, self._every = uri, study, version, every
        self._shown = ""
        self._page = ""
        self._lock = threading.Lock()

    def version(self) -> str:
        """Return what changes whenever something is recorded."""
        return self._version()

    def page(self) -> str:
        """Return the report of what is recorded by now; made again only if that has changed."""
        with self._lock:
            now = self._version()
            if now != self._shown:
                self._page = render_report(
                    load(self._uri, self._study), self._study, live=Live(version=now, every=self._every)
                )
                self._shown = now
            return self._page


class ServedPage:
    """A page on loopback, served by a thread from when it is made until `close`."""

    def __init__(self, page: LivePage, port: int = 0) -> None:
        """Serve `page` on `port`, a free one if 0; raises `AnalysisError` where it is taken."""
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), _answering(page))
        except OSError as error:
            raise AnalysisError(f"port {port}: {error}; choose another with --port, or 0 for a free one") from error
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self._server.server_port}/"

    def wait(self) -> None:
        """Return when the page is no longer served."""
        self._thread.join()

    def close(self) -> None:
        """Serve it no longer."""
        self._server.shutdown()
        self._server.server_close()


def _answering(page: LivePage) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if not self._is_ours():
                self._answer(HTTPStatus.FORBIDDEN, "text/plain", "this page is only for the machine that serves it")
            elif path not in ("/", "/version"):
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", "only / and /version exist")
            else:
                self._answer_from_records(path)

        def _answer_from_records(self, path: str) -> None:
            try:
                if path == "/":
                    self._answer(HTTPStatus.OK, "text/html", page.page())
                else:
                    self._answer(HTTPStatus.OK, "text/plain", page.version())
            except (AnalysisError, StoreError) as error:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", str(error))

        def _is_ours(self) -> bool:
            """Refuse names that a foreign page may have bound to this address."""
            return (self.headers.get("Host") or "").rpartition(":")[0] in (LOOPBACK, "localhost")

        def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            with suppress(ConnectionError):  # the browser has reloaded the page, or left
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Leave the terminal alone."""

    return Answering
