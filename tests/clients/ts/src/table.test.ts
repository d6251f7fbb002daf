// What compares answers with the table finds what is wrong. The same as ../test_table.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { differences, faults, fill, Refusal } from "./table.js";

const REFUSED = new Refusal("not_found", "it was not found", "RESOURCE_NOT_FOUND", ["name"], { name: "it" });

test("templates", () => {
  const template = {
    a: "x ${b} ${c}",
    d: { $times: 2, $of: { e: "${b}" } },
    f: { $times: 3, $of: "x" },
    g: 1,
  };
  const filled = { a: "x 1 2", d: [{ e: "1" }, { e: "1" }], f: "xxx", g: 1 };
  assert.deepEqual(fill(template, { b: "1", c: "2" }), filled);
  assert.throws(() => fill("${d}", { b: "1" }), /nothing was kept as d/);
});

const DIFFERENT: [JsonValue, JsonValue][] = [
  [{ a: 1 }, { a: 2 }],
  [{ a: 1 }, {}],
  [{ a: null }, { a: 1 }],
  [{ a: "*" }, {}],
  [{ a: [1] }, { a: [1, 2] }],
  [{ a: [{ b: "x" }] }, { a: [{ b: "y" }] }],
  [{ a: { b: 1 } }, { a: 1 }],
];
for (const [expected, actual] of DIFFERENT) {
  test(`${JSON.stringify(expected)} is not ${JSON.stringify(actual)}`, () => {
    assert.equal(differences(expected, actual, "").length, 1);
  });
}

test("what is not asked for does not matter", () => {
  assert.deepEqual(differences({ a: [{ b: "*" }], c: null }, { a: [{ b: 1, x: 2 }], y: 3 }, ""), []);
});

const OTHERS: JsonObject[] = [
  { code: "internal" },
  { code: "not_found", reason: "INTERNAL" },
  { code: "not_found", message: "other words" },
  { code: "not_found", field: "wallet_name" },
  { code: "not_found", metadata: { name: "another" } },
];
for (const refused of OTHERS) {
  test(`a refusal that is not ${JSON.stringify(refused)} is a fault`, () => {
    assert.equal(faults({ refused }, REFUSED, {}).length, 1);
  });
}

test("a refusal is no answer, and an answer no refusal", () => {
  assert.deepEqual(faults({ gives: {} }, REFUSED, {}), ["refused"]);
  assert.deepEqual(faults({ refused: { code: "not_found" } }, {}, {}), ["not refused"]);
});
