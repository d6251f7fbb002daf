package clients

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	billingv1 "github.com/wallet-service/wallet/gen/go/billing/v1"
	walletv1 "github.com/wallet-service/wallet/gen/go/wallet/v1"
)

func TestGrpcGo(t *testing.T) {
	dial := func(options ...grpc.DialOption) *grpc.ClientConn {
		options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
		connection, err := grpc.NewClient(instance["target"], options...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = connection.Close() })
		return connection
	}
	connection := dial()
	run(t, &grpcGo{
		connection: connection,
		clients: map[string]any{
			"billing.v1.AccountService":       billingv1.NewAccountServiceClient(connection),
			"billing.v1.CatalogService":       billingv1.NewCatalogServiceClient(connection),
			"billing.v1.LedgerService":        billingv1.NewLedgerServiceClient(connection),
			"billing.v1.PromotionService":     billingv1.NewPromotionServiceClient(connection),
			"billing.v1.TestClockService":     billingv1.NewTestClockServiceClient(connection),
			"billing.v1.UsageService":         billingv1.NewUsageServiceClient(connection),
			"wallet.v1.CreditService":         walletv1.NewCreditServiceClient(connection),
			"wallet.v1.WalletService":         walletv1.NewWalletServiceClient(connection),
			"wallet.v1.WebhookService":        walletv1.NewWebhookServiceClient(connection),
			alias + "wallet.v1.WalletService": walletv1.NewWalletServiceClient(dial(grpc.WithUnaryInterceptor(byPublishedPath))),
		},
	})
}

// grpcGo has the clients that protoc-gen-go-grpc generates, by service.
type grpcGo struct {
	connection *grpc.ClientConn
	clients    map[string]any
}

// byPublishedPath calls by the path that clients of the published SDK use.
func byPublishedPath(
	ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	return invoke(ctx, "/"+alias+strings.TrimPrefix(method, "/"), request, answer, connection, options...)
}

func (c *grpcGo) name() string { return "go grpc-go" }

func (c *grpcGo) call(ctx context.Context, method, request, key string) (string, *refusal) {
	service, name, _ := strings.Cut(method, "/")
	generated := reflect.ValueOf(c.clients[service]).MethodByName(name)
	message := reflect.New(generated.Type().In(1).Elem())
	if err := protojson.Unmarshal([]byte(request), message.Interface().(proto.Message)); err != nil {
		return "", &refusal{message: err.Error()}
	}
	results := generated.Call([]reflect.Value{reflect.ValueOf(withKey(ctx, key)), message})
	if err, failed := results[1].Interface().(error); failed {
		return "", grpcRefusal(err)
	}
	if _, streams := results[0].Interface().(grpc.ClientStream); streams {
		results = results[0].MethodByName("Recv").Call(nil)
		if err, failed := results[1].Interface().(error); failed {
			return "", grpcRefusal(err)
		}
	}
	answer, err := protojson.Marshal(results[0].Interface().(proto.Message))
	if err != nil {
		return "", &refusal{message: err.Error()}
	}
	return string(answer), nil
}

func (c *grpcGo) send(ctx context.Context, method string, body []byte, key string) *refusal {
	var answer []byte
	err := c.connection.Invoke(withKey(ctx, key), "/"+method, &body, &answer, grpc.ForceCodec(rawBytes{}))
	if err != nil {
		return grpcRefusal(err)
	}
	return nil
}

func withKey(ctx context.Context, key string) context.Context {
	if key == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
}

func grpcRefusal(err error) *refusal {
	failed := status.Convert(err)
	// The codes are the same numbers; connect has the names of the table.
	found := &refusal{code: connect.Code(failed.Code()).String(), message: failed.Message()}
	for _, detail := range failed.Details() {
		if message, ok := detail.(proto.Message); ok {
			found.add(message)
		}
	}
	return found
}
