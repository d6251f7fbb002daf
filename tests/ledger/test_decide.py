"""`decide` as tables of steps and outcomes: what each operation does, and which refusal wins."""

import pytest

from ledger.accounts import holds_account_id
from ledger.commands import prepare
from ledger.model import Posted
from ledger.posting import decide
from tests.ledger.script import Script

TABLES = {
    "transfer": """
        topup k1 1000                          -> posted 1000 | wallet 1000 0
        transfer k2 wallet revenue 300         -> posted 300 | wallet 700 0
        transfer k3 wallet revenue 701         -> insufficient wallet 700 | wallet 700 0
        transfer k4 wallet second 700          -> posted 700 | wallet 0 0 | second 700 0
        transfer k5 wallet revenue 1           -> insufficient wallet 0
        transfer k6 fees clearing 30           -> posted 30
    """,
    "deposit, withdraw, hold": """
        topup k1 1000                          -> posted 1000
        transfer k2 wallet revenue 300         -> posted 300
        hold k3 wallet 200                     -> posted 200 | wallet 500 200
        hold k4 wallet 900                     -> insufficient wallet 500 | wallet 500 200
    """,
    "keys": """
        topup k1 1000                          -> posted 1000
        topup k1 1000                          -> duplicate of k1 | wallet 1000 0
        topup k1 1001                          -> reused | wallet 1000 0
        transfer k1 wallet revenue 1           -> reused
        transfer k2 wallet revenue 1 rent      -> posted 1
        transfer k2 wallet revenue 1           -> reused
        transfer k2 wallet revenue 1 rent      -> duplicate of k2
    """,
    "a refusal does not use up the key": """
        transfer k1 wallet revenue 10          -> insufficient wallet 0
        topup k2 10                            -> posted 10
        transfer k1 wallet revenue 10          -> posted 10 | wallet 0 0
        transfer k1 wallet revenue 10          -> duplicate of k1
        transfer k3 wallet revenue 99          -> insufficient wallet 0
        topup k3 5                             -> posted 5 | wallet 5 0
        capture k4 nothing revenue all         -> unknown hold
        topup k4 5                             -> posted 5 | wallet 10 0
    """,
    "the key comes before everything": """
        topup k1 100                           -> posted 100
        transfer k2 wallet revenue 100         -> posted 100
        close wallet                           -> done
        transfer k2 wallet revenue 100         -> duplicate of k2
        transfer k2 nothing revenue 100        -> reused
        transfer k3 wallet revenue 100         -> closed wallet
    """,
    "which refusal of an account wins": """
        close second                           -> done
        transfer k1 wallet nothing 1           -> unknown account nothing
        transfer k1 nothing foreign 1          -> unknown account nothing
        transfer k1 foreign nothing 1          -> unknown account foreign
        transfer k1 holds nothing 1            -> unknown account nothing
        transfer k1 euro holds 1               -> unpostable holds
        transfer k1 second euro 1              -> other currency euro
        transfer k1 euro second 1              -> other currency second
        transfer k1 second revenue 1           -> closed second
        transfer k1 wallet second 1            -> closed second
        transfer k1 wallet revenue 1           -> insufficient wallet 0
        entry k1 wallet:5 second:-4 euro:-1    -> other currency euro
    """,
    "entry of several legs": """
        topup k1 100                           -> posted 100
        entry k2 wallet:60 revenue:-50 fees:-10 -> posted 60 | wallet 40 0
        entry k3 wallet:41 second:-41          -> insufficient wallet 40 | wallet 40 0 | second 0 0
        entry k4 wallet:90 wallet:-50 revenue:-40 -> posted 90 | wallet 0 0
        entry k5 wallet:10 wallet:-10          -> posted 10 | wallet 0 0
        entry k6 wallet:2 second:1 revenue:-3  -> insufficient wallet 0
        entry k7 clearing:7 wallet:-7          -> posted 7 | wallet 7 0
    """,
    "draw": """
        topup k1 30                            -> posted 30
        transfer k2 clearing second 50         -> posted 50
        draw k3 wallet,second revenue 60       -> posted 60 from (30, 30) | wallet 0 0 | second 20 0
        draw k4 wallet,second revenue 21       -> insufficient second 20 | second 20 0
        draw k5 wallet,second revenue 21 partial -> posted 20 from (0, 20) | second 0 0
        draw k6 wallet,second revenue 1 partial -> insufficient second 0
        draw k7 wallet,receivable revenue 9    -> posted 9 from (0, 9)
        accrue k8 wallet 5                     -> posted 5 | wallet -5 0
        draw k9 wallet,receivable revenue 9    -> posted 9 from (0, 9) | wallet -5 0
        draw k10 euro,wallet revenue 1         -> other currency wallet
    """,
    "hold, capture, release": """
        topup k1 1000                          -> posted 1000
        hold h1 wallet 400                     -> posted 400 | wallet 600 400
        capture k2 h1 revenue 150 keep         -> posted 150 | wallet 600 250
        capture k3 h1 revenue 251              -> exceeds 250
        capture k4 h1 revenue 100              -> posted 100 | wallet 750 0
        capture k5 h1 revenue 1                -> not open: captured
        release k6 h1                          -> not open: captured
        hold h2 wallet 50                      -> posted 50
        release k7 h2                          -> posted 50 | wallet 750 0
        release k7 h2                          -> duplicate of k7
        capture k8 h2 revenue all              -> not open: released
        hold h3 wallet 50                      -> posted 50
        capture k9 h3 revenue all              -> posted 50 | wallet 700 0
        hold h4 wallet 50                      -> posted 50
        capture k10 h4 revenue 10 keep         -> posted 10
        release k11 h4                         -> posted 40 | wallet 690 0
        extend k12 h4 99                       -> not open: captured
        hold h1 wallet 400                     -> duplicate of h1
    """,
    "what a hold may not": """
        topup k1 100                           -> posted 100
        hold h1 revenue 10                     -> unpostable revenue
        hold h1 holds 10                       -> unpostable holds
        hold h1 foreign 10                     -> unknown account foreign
        hold h1 wallet 100                     -> posted 100 | wallet 0 100
        capture k2 h1 nothing all              -> unknown account nothing
        capture k2 h1 wallet all               -> unpostable wallet
        capture k2 h1 euro_revenue all         -> other currency euro_revenue
        capture k2 nohold nothing all          -> unknown hold
        transfer k3 wallet revenue 1           -> insufficient wallet 0
        accrue k4 wallet 30                    -> posted 30 | wallet -30 100
        capture k5 h1 revenue 100              -> posted 100 | wallet -30 0
    """,
    "expiry": """
        topup k1 100                           -> posted 100
        hold h1 wallet 60 10                   -> posted 60
        hold h2 wallet 40                      -> posted 40 | wallet 0 100
        expire k2 h1                           -> not due
        expire k3 h2                           -> not due
        wait 9                                 -> done
        extend k4 h1 20                        -> posted 0
        extend k4 h1 20                        -> duplicate of k4
        wait 10                                -> done
        expire k5 h1                           -> not due
        wait 1                                 -> done
        capture k6 h1 revenue all              -> not open: expired
        extend k7 h1 99                        -> not open: expired
        expire k8 h1                           -> posted 60 | wallet 60 40
        expire k9 h1                           -> not open: expired
        extend k10 h2 21                       -> posted 0
        wait 5                                 -> done
        release k11 h2                         -> posted 40 | wallet 100 0
    """,
    "reversal": """
        topup k1 1000                          -> posted 1000
        transfer k2 wallet revenue 600         -> posted 600
        reverse k3 k2 100                      -> posted 100 | wallet 500 0
        reverse k3 k2 100                      -> duplicate of k3
        reverse k4 k2 501                      -> exceeds 500
        reverse k5 k2                          -> posted 500 | wallet 1000 0
        reverse k6 k2                          -> exceeds 0
        reverse k7 k2 1                        -> exceeds 0
        reverse k8 nowhere 1                   -> unknown entry
        transfer k9 wallet revenue 700         -> posted 700
        reverse k10 k1                         -> insufficient wallet 300
        reverse k10 k1 1000 receivable         -> posted 1000 | wallet 0 0
        reverse k11 k10                        -> posted 1000 | wallet 300 0
        reverse k12 k10                        -> exceeds 0
    """,
    "reversal and its accounts": """
        topup k1 100                           -> posted 100
        reverse k2 k1 1 second                 -> unpostable second
        reverse k2 k1 1 nothing                -> unknown account nothing
        reverse k2 k1 1 euro_revenue           -> other currency euro_revenue
        hold h1 wallet 30                      -> posted 30
        reverse k3 h1                          -> not reversible
        capture k4 h1 revenue 20               -> posted 20 | wallet 80 0
        reverse k5 k4 21                       -> exceeds 20
        reverse k5 k4                          -> posted 20 | wallet 100 0
        transfer k6 wallet second 100          -> posted 100
        close wallet                           -> done
        reverse k7 k6                          -> closed wallet
        reverse k7 k6 101                      -> closed wallet
    """,
    "a part of several legs returns from the end": """
        topup k1 30                            -> posted 30
        transfer k2 clearing second 50         -> posted 50
        draw k3 wallet,second revenue 80       -> posted 80 from (30, 50) | wallet 0 0 | second 0 0
        reverse k4 k3 40                       -> posted 40 | wallet 0 0 | second 40 0
        reverse k5 k3 20                       -> posted 20 | wallet 10 0 | second 50 0
        reverse k6 k3                          -> posted 20 | wallet 30 0 | second 50 0
    """,
    "exact accrual": """
        topup k1 10                            -> posted 10
        accrue k2 wallet 0.4                   -> posted 0 | wallet 10 0
        accrue k2 wallet 0.40                  -> duplicate of k2 | wallet 10 0
        accrue k3 wallet 0.59999999999         -> posted 0 | wallet 10 0
        accrue k4 wallet 0.00000000001         -> posted 1 | wallet 9 0
        accrue k5 wallet 12.5                  -> posted 12 | wallet -3 0
        accrue k6 wallet -0.5                  -> posted 0 | wallet -3 0
        accrue k7 wallet -0.25                 -> posted 1 | wallet -2 0
        accrue k8 wallet -10.75                -> posted 10 | wallet 8 0
        accrue k9 wallet 0                     -> posted 0
        accrue k10 revenue 1                   -> unpostable revenue
        transfer k11 clearing second 1         -> posted 1
        close second                           -> done
        accrue k12 second 1                    -> closed second
    """,
    "below zero only usage goes": """
        accrue k1 wallet 5                     -> posted 5 | wallet -5 0
        transfer k2 wallet revenue 1           -> insufficient wallet -5
        hold k3 wallet 1                       -> insufficient wallet -5
        entry k4 wallet:1 revenue:-1           -> insufficient wallet -5
        topup k5 3                             -> posted 3 | wallet -2 0
        entry k6 wallet:1 wallet:-2 clearing:1 -> posted 2 | wallet -1 0
        reverse k7 k5 1                        -> insufficient wallet -1
        reverse k7 k5 1 receivable             -> posted 1 | wallet -1 0
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_table(name: str) -> None:
    """The outcomes are as written, and the ledger is sound at the end."""
    script = Script()
    script.run(TABLES[name])
    ledger = script.ledger
    for row in ledger.entries:
        assert sum(amount for _, amount in ledger.legs(row[1])) == 0
    assert [row[1] for row in ledger.entries] == list(range(1, len(ledger.entries) + 1))
    for wallet in ledger.wallets.values():
        holds_id = holds_account_id(wallet.account_id)
        open_holds = [hold for hold in ledger.holds.values() if hold.wallet_id == wallet.account_id]
        assert wallet.available_minor == ledger.balance(wallet.account_id)
        assert wallet.held_minor == ledger.balance(holds_id) == sum(h.remaining_minor for h in open_holds)


def test_a_batch_decides_in_order() -> None:
    """A credit makes room for a later debit; a refused debit leaves its money for the next; keys count at once."""
    script = Script()
    steps = [
        "transfer k1 wallet revenue 10",
        "topup k2 10",
        "transfer k1 wallet revenue 10",
        "transfer k3 wallet revenue 11",
        "topup k4 5",
        "transfer k1 wallet revenue 10",
        "transfer k1 wallet revenue 9",
        "transfer k5 wallet revenue 5",
        "transfer k6 wallet revenue 1",
    ]
    outcomes = script.ledger.post(*(script.request(step) for step in steps))
    script.posted["k1"] = posted = outcomes[2]  # type: ignore[assignment]
    assert isinstance(posted, Posted)
    assert [script.words(outcome) for outcome in outcomes] == [
        "insufficient wallet 0",
        "posted 10",
        "posted 10",
        "insufficient wallet 0",
        "posted 5",
        "duplicate of k1",
        "reused",
        "posted 5",
        "insufficient wallet 0",
    ]
    change = posted.wallets[0]
    assert (change.available_before_minor, change.available_minor) == (10, 0)


def test_the_same_arguments_give_the_same_rows() -> None:
    script = Script()
    commands = [prepare(script.request(step)) for step in ("topup k1 10", "hold h1 wallet 4", "accrue k2 wallet 1.5")]
    state = script.ledger.state()
    first = decide(commands, state, script.ledger.now, mark=1)
    again = decide(commands, state, script.ledger.now, mark=1)
    assert first == again
    assert state.wallets[script.accounts["wallet"]].available_minor == 0


def test_time_never_runs_backwards_in_a_journal() -> None:
    script = Script()
    script.ledger.wait(60)
    later = script.ledger.now
    script.run("topup k1 1 -> posted 1")
    script.ledger.wait(-30)
    script.run("topup k2 1 -> posted 1")
    assert script.posted["k2"].recorded_at == later
    first, second = script.posted["k1"].entry_id, script.posted["k2"].entry_id
    assert first is not None
    assert second is not None
    assert first < second
