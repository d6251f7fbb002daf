"""How to reach the embedded server."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL


@dataclass(frozen=True)
class ConnectionInfo:
    """Where the server listens and as whom to connect; authentication is the right to enter `socket_dir`."""

    socket_dir: Path
    user: str
    database: str
    server_major: int
    is_owner: bool
    """Whether this process started the server; False when it attached to another process's."""

    @property
    def url(self) -> str:
        """The URL of the service's database for SQLAlchemy with asyncpg."""
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        """The URL of another database on the same server."""
        return URL.create(
            "postgresql+asyncpg",
            username=self.user,
            database=database,
            query={"host": str(self.socket_dir)},
        ).render_as_string()
