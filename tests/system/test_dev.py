"""`wallet dev`: starts with one command, is usable at once, stops without leftovers, and says why when it cannot go on."""

import json
import os
import re
import signal
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.system.instance import ROOT, SECONDS_MAX, Dev, environment, is_alive, lines, until


def printed_commands(dev: Dev) -> list[str]:
    return [line.strip() for line in dev.out.splitlines() if re.match(r"\s+(\S*buf curl|curl) ", line)]


def paste(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )


def test_the_three_printed_lines_work_when_pasted(dev: Dev):
    balance, top_up, usage = printed_commands(dev)
    first = paste(balance, dev.folder)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["currency"] == "USD"
    second = paste(top_up, dev.folder)
    answer = json.loads(second.stdout)
    assert answer["topUp"]["state"] == "PENDING", second
    third = paste(usage, dev.folder)
    assert json.loads(third.stdout), third
    # The page that is printed beside them takes the money of the top-up that was made.
    [page] = re.findall(r"^(http\S+)<client secret>", dev.out, re.MULTILINE)
    shown = httpx.get(page + answer["clientSecret"], trust_env=False)
    assert (shown.status_code, "50.00" in shown.text) == (200, True)


def test_the_printed_curl_lines_also_work_elsewhere(dev: Dev, tmp_path: Path):
    for command in printed_commands(dev)[1:]:
        done = paste(command, tmp_path)
        assert "code" not in json.loads(done.stdout), done


def test_keys_are_in_files_of_their_owner_alone(dev: Dev):
    for name in ("dev-api-key", "dev-operator-key"):
        assert stat.S_IMODE((dev.data / name).stat().st_mode) == 0o600
        assert re.fullmatch(r"wk_test_\S+\n", (dev.data / name).read_text())
    assert dev.api_key in dev.out
    assert (dev.data / "dev-operator-key").read_text().strip() not in dev.out


def test_a_top_up_by_card_is_credited_by_its_webhook(dev: Dev):
    before, _ = dev.balance()
    method = "wallet.v1.WalletService/CreateStripeTopUpIntent"
    made = dev.call(method, walletName="organizations/my-org/wallets/default", amountMinor=2500, idempotencyKey="t")
    top_up = made["topUp"]
    assert isinstance(top_up, dict)
    [stripe] = re.findall(r"Stripe +simulated at (\S+)", dev.out)
    paid = httpx.post(
        f"{stripe}/_sim/payment_intents/{top_up['externalId']}/pay",
        json={"payment_method": "pm_card_visa"},
        trust_env=False,
    )
    assert paid.status_code == 200, paid.text
    until(lambda: dev.balance()[0] == before + 2500, "the credit")


def test_a_second_instance_says_what_is_taken(dev: Dev, tmp_path: Path):
    port = dev.url.rpartition(":")[2]
    other = Dev(
        tmp_path,
        Path(dev._settings["WALLET_POSTGRES_BIN_DIR"]),  # pyright: ignore[reportPrivateUsage]
        WALLET_STRIPE_SIMULATOR_PORT=port,
    )
    other.launch()
    assert other.process.wait(SECONDS_MAX) == 1
    [line] = lines(other.err)
    assert line.startswith(f"wallet: port {port} of the Stripe simulator is taken")


@pytest.mark.parametrize("how", ["SIGTERM", "Ctrl-C"])
def test_it_stops_all_it_started_and_keeps_the_data(own_dev: Dev, how: str):
    own_dev.start()
    first_key = own_dev.api_key
    below = own_dev.descendants()
    assert any("envoy" in command for command in below.values()), below
    assert any("postgres" in command for command in below.values()), below
    status = own_dev.stop() if how == "SIGTERM" else own_dev.interrupt()
    assert status == 0, own_dev.err
    assert lines(own_dev.out)[-1] == "stopping"
    assert "Traceback" not in own_dev.err
    assert [command for pid, command in below.items() if is_alive(pid)] == []
    # Everything is there again at the second start.
    own_dev.start()
    assert own_dev.api_key == first_key
    assert own_dev.balance() == (0, "0")


def test_a_revoked_development_key_is_replaced(own_dev: Dev):
    own_dev.start()
    own_dev.stop()
    key_file = own_dev.data / "dev-api-key"
    key_file.write_text("wk_test_nonsense\n")
    own_dev.start()
    assert own_dev.api_key != "wk_test_nonsense"
    assert own_dev.balance() == (0, "0")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def test_a_signal_while_it_starts_ends_it_without_leftovers(own_dev: Dev):
    own_dev.launch()
    below = until(lambda: own_dev.descendants() or None, "the first process that it starts")
    assert own_dev.stop() in (128 + signal.SIGTERM, -signal.SIGTERM, 0)
    until(lambda: not any(map(is_alive, below)), f"the end of {below}")
    assert "Traceback" not in own_dev.err
    own_dev.start()
    assert own_dev.balance() == (0, "0")


def test_it_ends_with_a_reason_when_its_database_dies(own_dev: Dev):
    own_dev.start()
    below = own_dev.descendants()
    os.kill(own_dev.postgres_pid(), signal.SIGKILL)
    assert own_dev.process.wait(SECONDS_MAX) == 1
    assert lines(own_dev.err)[-1].startswith("wallet: PostgreSQL ended by itself with status -9; its reason stands in ")
    until(lambda: not any(map(is_alive, below)), f"the end of {below}")
    own_dev.start()
    assert own_dev.balance() == (0, "0")


def test_it_ends_with_a_reason_when_its_server_dies(own_dev: Dev):
    own_dev.start()
    below = own_dev.descendants()
    [envoy] = [pid for pid, command in below.items() if "envoy" in command]
    os.kill(envoy, signal.SIGKILL)
    assert own_dev.process.wait(SECONDS_MAX) == 1
    assert lines(own_dev.err)[-1] == "wallet: the server ended by itself: Envoy ended with status -9"
    until(lambda: not any(map(is_alive, below)), f"the end of {below}")


def test_a_killed_instance_leaves_nothing_running(own_dev: Dev):
    own_dev.start()
    own_dev.kill()
    own_dev.start()
    assert own_dev.balance() == (0, "0")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, postgres_binaries):
    (tmp_path / "data").write_text("not a folder")
    instance = Dev(tmp_path, postgres_binaries.bin_dir)
    instance.launch()
    assert instance.process.wait(SECONDS_MAX) == 1
    [line] = lines(instance.err)
    assert line.startswith("wallet: ")
    assert str(tmp_path / "data") in line


def test_make_run_starts_it():
    shown = subprocess.run(["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "wallet dev" in shown.stdout
