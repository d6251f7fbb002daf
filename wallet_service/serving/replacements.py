"""How often a process of a fleet was replaced, where each process of it finds the number: whichever is asked tells it."""

from pathlib import Path
from typing import Final, Literal

from prometheus_client.mmap_dict import MmapedDict, mmap_key

_NAME: Final = "wallet_api_processes_replaced"
_HELP: Final = "Processes of this port that had ended, or hung, and were replaced"


class Replacements:
    """`wallet_api_processes_replaced_total` by `why`, in the folder in which the Prometheus client keeps its numbers."""

    def __init__(self, folder: Path) -> None:
        # This process serves no metrics, and its Prometheus client was set up without a folder.
        self._file = MmapedDict(str(folder / "counter_fleet.db"))
        self._counts = {"ended": 0, "hung": 0}
        for why in self._counts:
            self._write(why)

    def count(self, why: Literal["ended", "hung"]) -> None:
        self._counts[why] += 1
        self._write(why)

    def close(self) -> None:
        self._file.close()

    def _write(self, why: str) -> None:
        key = mmap_key(_NAME, f"{_NAME}_total", ["why"], [why], _HELP)
        self._file.write_value(key, self._counts[why], 0.0)  # pyright: ignore[reportUnknownMemberType]
