// The table of calls (calls/*.json): read it, fill it in, run it through a client, compare the answers. The same as
// ../table.py.

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

export type Values = Record<string, string>;

/** What a step expects: the members that `gives` names, or an error. */
export interface Expectation {
  gives?: JsonValue;
  refused?: JsonObject;
}

interface Call extends Expectation {
  name: string;
  call: string;
  as: string;
  with: JsonObject;
  within?: number;
  keep?: Record<string, string>;
}

interface Post {
  name: string;
  post: string;
  with: JsonObject;
}

interface Get {
  name: string;
  get: string;
  gives: JsonObject;
}

interface Raw extends Expectation {
  name: string;
  call: string;
  as: string;
  hex: string;
}

/** An error as a client shows it: `reason` and `metadata` of ErrorInfo, `fields` of BadRequest. */
export class Refusal {
  constructor(
    readonly code: string,
    readonly message: string,
    readonly reason = "",
    readonly fields: readonly string[] = [],
    readonly metadata: Readonly<Record<string, string>> = {},
  ) {}
}

export type Answer = JsonValue | Refusal;

/** A client of the service: `service.Name/Method`, proto JSON in and out, and an API key or none. */
export interface Client {
  name: string;
  call(method: string, request: JsonObject, key: string | undefined): Promise<Answer>;
}

/** A client that can send bytes that are no message. */
export interface RawClient extends Client {
  send(method: string, body: Uint8Array, key: string | undefined): Promise<Answer>;
}

const FOLDER = new URL("../../", import.meta.url);
const CALLS = readdirSync(new URL("calls/", FOLDER))
  .sort()
  .flatMap((name) => read(`calls/${name}`) as (Call | Post | Get)[]);
const RAW = read("raw.json") as Raw[];
const PAUSE_MS = 50;
const HTTP_MS_MAX = 30_000;

/** Every step of the table in order, each a subtest, in an organization of its own; the values that were kept. */
export async function run(client: Client, service: Values, t: TestContext): Promise<Values> {
  const name = `${client.name.replaceAll(" ", "-")}-${randomBytes(4).toString("hex")}`;
  const values: Values = { ...service, run: name };
  for (const step of CALLS) {
    await t.test(step.name, () => {
      if ("post" in step) return post(step, values);
      return "get" in step ? get(step, values) : take(client, step, values);
    });
  }
  return values;
}

/** Every body of the table that is no message. */
export async function runRaw(client: RawClient, values: Values, t: TestContext): Promise<void> {
  for (const step of RAW) {
    await t.test(step.name, async () => {
      const answer = await client.send(step.call, Buffer.from(step.hex, "hex"), keyOf(step.as, values));
      demand(faults(step, answer, values), answer);
    });
  }
}

async function post(step: Post, values: Values): Promise<void> {
  const response = await fetch(filled(step.post, values), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(fill(step.with, values)),
    signal: AbortSignal.timeout(HTTP_MS_MAX),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
}

/** What a plain GET answers; of the content as much as the step expects. */
async function get(step: Get, values: Values): Promise<void> {
  const response = await fetch(filled(step.get, values), { signal: AbortSignal.timeout(HTTP_MS_MAX) });
  const content = Buffer.from(await response.arrayBuffer());
  const { begins } = step.gives;
  const answer = {
    status: response.status,
    type: response.headers.get("content-type")?.split(";")[0] ?? "",
    begins: content.toString("latin1", 0, typeof begins === "string" ? begins.length : 0),
  };
  demand(differences(fill(step.gives, values), answer, ""), answer);
}

async function take(client: Client, step: Call, values: Values): Promise<void> {
  const request = fill(step.with, values) as JsonObject;
  const end = performance.now() + (step.within ?? 0) * 1000;
  for (;;) {
    const answer = await client.call(step.call, request, keyOf(step.as, values));
    const found = faults(step, answer, values);
    if (found.length > 0 && performance.now() < end) {
      await sleep(PAUSE_MS);
      continue;
    }
    demand(found, answer);
    for (const [name, path] of Object.entries(step.keep ?? {})) values[name] = textAt(answer as JsonValue, path);
    return;
  }
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));
}

function demand(found: readonly string[], answer: Answer): void {
  if (found.length > 0) throw new Error(`${found.join("\n")}\n${JSON.stringify(answer)}`);
}

function keyOf(as: string, values: Values): string | undefined {
  return as === "none" ? undefined : valueOf(as, values);
}

function valueOf(name: string, values: Values): string {
  const value = values[name];
  if (value === undefined) throw new Error(`nothing was kept as ${name}`);
  return value;
}

/** `template` with `${name}` replaced, and `{"$times": n, "$of": x}` written out: a longer text, or a list. */
export function fill(template: JsonValue, values: Values): JsonValue {
  if (typeof template === "string") return filled(template, values);
  if (Array.isArray(template)) return template.map((item) => fill(item, values));
  if (!isObject(template)) return template;
  const { $times: times, $of: of } = template;
  if (typeof times === "number" && of !== undefined) {
    const one = fill(of, values);
    return typeof one === "string" ? one.repeat(times) : Array<JsonValue>(times).fill(one);
  }
  return Object.fromEntries(Object.entries(template).map(([name, value]) => [name, fill(value, values)]));
}

function filled(text: string, values: Values): string {
  return text.replace(/\$\{(\w+)\}/g, (_, name: string) => valueOf(name, values));
}

/** What is not as the step expects it; an answer may have more than is expected. */
export function faults(step: Expectation, answer: Answer, values: Values): string[] {
  if (step.refused === undefined) {
    if (step.gives === undefined) throw new Error("the step expects nothing");
    if (answer instanceof Refusal) return ["refused"];
    return differences(fill(step.gives, values), answer, "");
  }
  if (!(answer instanceof Refusal)) return ["not refused"];
  const expected = fill(step.refused, values) as JsonObject;
  const found = (["code", "reason", "message"] as const)
    .filter((name) => name in expected && expected[name] !== answer[name])
    .map((name) => `${name} is ${show(answer[name])} instead of ${show(expected[name])}`);
  const { field } = expected;
  if (field !== undefined && !answer.fields.includes(field as string)) {
    found.push(`${show(field)} is not among the fields ${show(answer.fields)}`);
  }
  return [...found, ...differences(expected["metadata"] ?? {}, answer.metadata, "metadata")];
}

/** `"*"` stands for anything that is there, null for what is not; lists have the same length. */
export function differences(expected: JsonValue, actual: JsonValue | undefined, path: string): string[] {
  if (expected === null) return actual === undefined || actual === null ? [] : [`${path} is there: ${show(actual)}`];
  if (expected === "*") {
    return actual === undefined || actual === null || actual === "" ? [`${path} is missing`] : [];
  }
  if (isObject(expected) && isObject(actual)) {
    return Object.entries(expected).flatMap(([name, value]) => differences(value, actual[name], `${path}.${name}`));
  }
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    return expected.flatMap((value, i) => differences(value, actual[i], `${path}.${i}`));
  }
  return isDeepStrictEqual(expected, actual) ? [] : [`${path} is ${show(actual)} instead of ${show(expected)}`];
}

/** The text at `results.0.usageEventName`. */
function textAt(answer: JsonValue, path: string): string {
  let found: JsonValue | undefined = answer;
  for (const part of path.split(".")) {
    found = Array.isArray(found) ? found[Number(part)] : isObject(found) ? found[part] : undefined;
  }
  if (typeof found !== "string") throw new Error(`there is no text at ${path}`);
  return found;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "missing";
}
