"""A key that is revoked at one process works at none a second later."""

import time

import httpx

from tests.fuzz.world import SERVERS, World


def test_a_revoked_key_works_nowhere_a_second_later(world: World) -> None:
    organization = world.values["org"]
    first, second = (world.servers[kind].url for kind in SERVERS)
    with httpx.Client(timeout=30, trust_env=False) as client:

        def call(url: str, method: str, body: dict[str, str], key: str) -> httpx.Response:
            return client.post(f"{url}/{method}", json=body, headers={"authorization": f"Bearer {key}"})

        wanted = {"organizationName": organization, "displayName": "short", "role": "ROLE_VIEWER"}
        made = call(first, "billing.v1.AccountService/CreateApiKey", wanted, world.keys["operator"]).json()
        read, name = "billing.v1.AccountService/GetOrganization", {"name": organization}
        assert [call(url, read, name, made["secret"]).status_code for url in (first, second)] == [200, 200]
        revoked = {"name": made["apiKey"]["name"]}
        answer = call(first, "billing.v1.AccountService/RevokeApiKey", revoked, world.keys["operator"])
        assert answer.status_code == 200
        time.sleep(1.0)
        assert [call(url, read, name, made["secret"]).status_code for url in (first, second)] == [401, 401]
