// An error of connect-node, with the details of google.rpc that the service puts into it.

import { createFileRegistry, fromJson, type DescMessage, type Message } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { Refusal } from "./table.js";

type ErrorInfo = Message & { reason: string; metadata: Record<string, string> };
type BadRequest = Message & { fieldViolations: { field: string }[] };

const text = (name: string, number: number) => ({ name, number, label: "LABEL_OPTIONAL", type: "TYPE_STRING" });
const list = (name: string, number: number, typeName: string) => ({
  name,
  number,
  label: "LABEL_REPEATED",
  type: "TYPE_MESSAGE",
  typeName,
});

// What we read of google/rpc/error_details.proto; no package on npm that we know has it generated for Protobuf-ES.
const details = createFileRegistry(
  fromJson(FileDescriptorProtoSchema, {
    name: "google/rpc/error_details.proto",
    package: "google.rpc",
    syntax: "proto3",
    messageType: [
      {
        name: "ErrorInfo",
        field: [text("reason", 1), text("domain", 2), list("metadata", 3, ".google.rpc.ErrorInfo.MetadataEntry")],
        nestedType: [{ name: "MetadataEntry", options: { mapEntry: true }, field: [text("key", 1), text("value", 2)] }],
      },
      {
        name: "BadRequest",
        field: [list("field_violations", 1, ".google.rpc.BadRequest.FieldViolation")],
        nestedType: [{ name: "FieldViolation", field: [text("field", 1), text("description", 2)] }],
      },
    ],
  }),
  () => undefined,
);
const ErrorInfoSchema = message("google.rpc.ErrorInfo");
const BadRequestSchema = message("google.rpc.BadRequest");

function message(name: string): DescMessage {
  const found = details.getMessage(name);
  if (found === undefined) throw new Error(`${name} is not described`);
  return found;
}

/** `error` as the table expects it; what is no answer of the service is thrown again. */
export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof ConnectError)) throw error;
  const info = error.findDetails(ErrorInfoSchema)[0] as ErrorInfo | undefined;
  const bad = error.findDetails(BadRequestSchema)[0] as BadRequest | undefined;
  const fields = bad?.fieldViolations.map((violation) => violation.field);
  return new Refusal(codeToString(error.code), error.rawMessage, info?.reason, fields, info?.metadata);
}
