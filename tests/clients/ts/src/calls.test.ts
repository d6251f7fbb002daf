// The table through connect-node on every protocol, against the service that ../serve.py started.

import { test, type TestContext } from "node:test";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { ConnectNode } from "./connect_node.js";
import { run, runRaw, type Values } from "./table.js";

const VARIABLE = "WALLET_CLIENT_TEST";

const facts = process.env[VARIABLE];
if (facts === undefined) throw new Error(`${VARIABLE} is not set: run \`npm test\`, which starts the service`);
const service = JSON.parse(facts) as Values & { url: string };
const baseUrl = service.url;

async function runAll(client: ConnectNode, t: TestContext): Promise<void> {
  const values = await run(client, service, t);
  await runRaw(client, values, t);
}

test("connect", async (t) => {
  const sessionManager = new Http2SessionManager(baseUrl);
  t.after(() => sessionManager.abort());
  const transport = createConnectTransport({ baseUrl, httpVersion: "2", sessionManager });
  await runAll(new ConnectNode("ts connect", transport), t);
});

test("connect in JSON over HTTP/1.1, reads by GET", async (t) => {
  const options = { baseUrl, httpVersion: "1.1", useBinaryFormat: false } as const;
  const reads = createConnectTransport({ ...options, useHttpGet: true });
  await run(new ConnectNode("ts connect json get", createConnectTransport(options), reads), service, t);
});

test("grpc", async (t) => {
  const sessionManager = new Http2SessionManager(baseUrl);
  t.after(() => sessionManager.abort());
  const transport = createGrpcTransport({ baseUrl, sessionManager });
  await runAll(new ConnectNode("ts grpc", transport), t);
});

test("grpc-web over HTTP/1.1", async (t) => {
  const transport = createGrpcWebTransport({ baseUrl, httpVersion: "1.1" });
  await runAll(new ConnectNode("ts grpc web", transport), t);
});
