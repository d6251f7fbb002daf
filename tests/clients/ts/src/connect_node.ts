// connect-node as a client of the table: the generated descriptors, on every protocol that it speaks.

import {
  create,
  fromJson,
  toJson,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  type JsonObject,
  type Message,
} from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { createClient, type CallOptions, type Transport } from "@connectrpc/connect";
import { AccountService } from "@wallet-service/wallet/billing/v1/account_service_pb.js";
import { CatalogService } from "@wallet-service/wallet/billing/v1/catalog_service_pb.js";
import { LedgerService } from "@wallet-service/wallet/billing/v1/ledger_service_pb.js";
import { PromotionService } from "@wallet-service/wallet/billing/v1/promotion_service_pb.js";
import { TestClockService } from "@wallet-service/wallet/billing/v1/test_clock_service_pb.js";
import { UsageService } from "@wallet-service/wallet/billing/v1/usage_service_pb.js";
import { CreditService } from "@wallet-service/wallet/wallet/v1/credit_service_pb.js";
import { WalletService } from "@wallet-service/wallet/wallet/v1/wallet_service_pb.js";
import { WebhookService } from "@wallet-service/wallet/wallet/v1/webhook_service_pb.js";
import { refusalOf } from "./refusal.js";
import type { Answer, RawClient } from "./table.js";

/** In front of our path stands the path of the published SDK. */
const ALIAS = "aes.";
const MS_MAX = 60_000;
/** What does not fit into a URL is sent by POST. */
const GET_CHARACTERS_MAX = 8192;

const SERVICES = new Map(
  [
    AccountService,
    CatalogService,
    CreditService,
    LedgerService,
    PromotionService,
    TestClockService,
    UsageService,
    WalletService,
    WebhookService,
    published(WalletService),
  ].map((service: DescService) => [service.typeName, service]),
);

type Callable = DescMethodUnary | DescMethodServerStreaming;
type Call = (request: Message, options: CallOptions) => Promise<Message> | AsyncIterable<Message>;

/** The service under the path that clients of the published SDK use. */
function published(service: DescService): DescService {
  const alias = { ...service, typeName: `${ALIAS}${service.typeName}` };
  alias.methods = service.methods.map((method) => ({ ...method, parent: alias }));
  return alias;
}

export class ConnectNode implements RawClient {
  /** Reads go through `reads`, if it is given and they fit into a URL. */
  constructor(
    readonly name: string,
    private readonly transport: Transport,
    private readonly reads?: Transport,
  ) {}

  call(name: string, request: JsonObject, key: string | undefined): Promise<Answer> {
    const method = methodOf(name);
    const isRead = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
    const isShort = () => JSON.stringify(request).length < GET_CHARACTERS_MAX;
    const transport = this.reads !== undefined && isRead && isShort() ? this.reads : this.transport;
    return send(transport, method, fromJson(method.input, request), key);
  }

  /** The bytes stand behind an empty message as a field that it does not know, which is written as it is. */
  send(name: string, body: Uint8Array, key: string | undefined): Promise<Answer> {
    const method = methodOf(name);
    const reader = new BinaryReader(body);
    const [no, wireType] = reader.tag();
    const message = create(method.input);
    message.$unknown = [{ no, wireType, data: body.subarray(reader.pos) }];
    return send(this.transport, method, message, key);
  }
}

async function send(
  transport: Transport,
  method: Callable,
  request: Message,
  key: string | undefined,
): Promise<Answer> {
  const client = createClient(method.parent, transport) as unknown as Record<string, Call>;
  const call = client[method.localName];
  if (call === undefined) throw new Error(`the client has no ${method.localName}`);
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  let answer: Message;
  try {
    answer = await firstOf(call(request, { headers, timeoutMs: MS_MAX }));
  } catch (error) {
    return refusalOf(error);
  }
  return toJson(method.output, answer);
}

/** Of a stream, the table takes the first message. */
async function firstOf(answer: Promise<Message> | AsyncIterable<Message>): Promise<Message> {
  if (answer instanceof Promise) return answer;
  for await (const message of answer) return message;
  throw new Error("the stream was empty");
}

function methodOf(name: string): Callable {
  const [service, rest] = name.split("/");
  const method = SERVICES.get(service ?? "")?.methods.find((candidate) => candidate.name === rest);
  if (method?.methodKind !== "unary" && method?.methodKind !== "server_streaming") throw new Error(`there is no ${name}`);
  return method as Callable;
}
