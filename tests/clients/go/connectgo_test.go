package clients

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/wallet-service/wallet/gen/go/billing/v1/billingv1connect"
	"github.com/wallet-service/wallet/gen/go/wallet/v1/walletv1connect"
)

const (
	alias = "aes."
	// What does not fit into a URL is sent by POST.
	getBytesMax = 8192
)

func TestConnectGo(t *testing.T) {
	for _, variant := range []struct {
		name    string
		options []connect.ClientOption
	}{
		{"connect", nil},
		{"connect json get", []connect.ClientOption{
			connect.WithProtoJSON(), connect.WithHTTPGet(), connect.WithHTTPGetMaxURLSize(getBytesMax, true),
		}},
		{"grpc", []connect.ClientOption{connect.WithGRPC()}},
		{"grpc-web", []connect.ClientOption{connect.WithGRPCWeb()}},
	} {
		t.Run(variant.name, func(t *testing.T) { run(t, newConnectGo(variant.name, variant.options)) })
	}
}

// connectGo has the clients that protoc-gen-connect-go generates, by service.
type connectGo struct {
	label   string
	http    *http.Client
	options []connect.ClientOption
	clients map[string]any
}

func newConnectGo(name string, options []connect.ClientOption) *connectGo {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	h2c := &http.Client{Transport: &http.Transport{Protocols: &protocols}}
	published := &http.Client{Transport: publishedPath{h2c.Transport}}
	base := instance["url"]
	return &connectGo{
		label:   "go connect-go " + name,
		http:    h2c,
		options: options,
		clients: map[string]any{
			"billing.v1.AccountService":               billingv1connect.NewAccountServiceClient(h2c, base, options...),
			"billing.v1.CatalogService":               billingv1connect.NewCatalogServiceClient(h2c, base, options...),
			"billing.v1.LedgerService":                billingv1connect.NewLedgerServiceClient(h2c, base, options...),
			"billing.v1.PromotionService":             billingv1connect.NewPromotionServiceClient(h2c, base, options...),
			"billing.v1.TestClockService":             billingv1connect.NewTestClockServiceClient(h2c, base, options...),
			"billing.v1.UsageService":                 billingv1connect.NewUsageServiceClient(h2c, base, options...),
			"wallet.v1.CreditService":                 walletv1connect.NewCreditServiceClient(h2c, base, options...),
			"wallet.v1.WalletService":                 walletv1connect.NewWalletServiceClient(h2c, base, options...),
			"wallet.v1.WebhookService":                walletv1connect.NewWebhookServiceClient(h2c, base, options...),
			alias + walletv1connect.WalletServiceName: walletv1connect.NewWalletServiceClient(published, base, options...),
		},
	}
}

// publishedPath calls by the path that clients of the published SDK use.
type publishedPath struct{ next http.RoundTripper }

func (p publishedPath) RoundTrip(request *http.Request) (*http.Response, error) {
	aliased := request.Clone(request.Context())
	aliased.URL.Path = "/" + alias + strings.TrimPrefix(request.URL.Path, "/")
	return p.next.RoundTrip(aliased)
}

// serverStream is a *connect.ServerStreamForClient[T], of which the table takes the first message.
type serverStream interface {
	Receive() bool
	Err() error
	Close() error
}

func (c *connectGo) name() string { return c.label }

func (c *connectGo) call(ctx context.Context, method, request, key string) (string, *refusal) {
	service, name, _ := strings.Cut(method, "/")
	generated := reflect.ValueOf(c.clients[service]).MethodByName(name)
	// A *connect.Request[T], whose Msg is a *T.
	wrapped := reflect.New(generated.Type().In(1).Elem())
	message := reflect.New(wrapped.Elem().FieldByName("Msg").Type().Elem())
	if err := protojson.Unmarshal([]byte(request), message.Interface().(proto.Message)); err != nil {
		return "", &refusal{message: err.Error()}
	}
	wrapped.Elem().FieldByName("Msg").Set(message)
	authorize(wrapped.Interface().(connect.AnyRequest).Header(), key)
	results := generated.Call([]reflect.Value{reflect.ValueOf(ctx), wrapped})
	if err, failed := results[1].Interface().(error); failed {
		return "", connectRefusal(err)
	}
	var first any
	if stream, streams := results[0].Interface().(serverStream); streams {
		defer stream.Close()
		if !stream.Receive() {
			return "", connectRefusal(stream.Err())
		}
		first = results[0].MethodByName("Msg").Call(nil)[0].Interface()
	} else {
		first = results[0].Interface().(connect.AnyResponse).Any()
	}
	answer, err := protojson.Marshal(first.(proto.Message))
	if err != nil {
		return "", &refusal{message: err.Error()}
	}
	return string(answer), nil
}

func (c *connectGo) send(ctx context.Context, method string, body []byte, key string) *refusal {
	options := append([]connect.ClientOption{}, c.options...)
	raw := connect.NewClient[[]byte, []byte](c.http, instance["url"]+"/"+method, append(options, connect.WithCodec(rawBytes{}))...)
	request := connect.NewRequest(&body)
	authorize(request.Header(), key)
	if _, err := raw.CallUnary(ctx, request); err != nil {
		return connectRefusal(err)
	}
	return nil
}

func authorize(header http.Header, key string) {
	if key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
}

func connectRefusal(err error) *refusal {
	var failed *connect.Error
	if !errors.As(err, &failed) {
		return &refusal{message: err.Error()}
	}
	found := &refusal{code: failed.Code().String(), message: failed.Message()}
	for _, detail := range failed.Details() {
		if message, err := detail.Value(); err == nil {
			found.add(message)
		}
	}
	return found
}

// add takes what a detail tells.
func (r *refusal) add(detail proto.Message) {
	switch detail := detail.(type) {
	case *errdetails.ErrorInfo:
		r.reason = detail.GetReason()
		r.metadata = map[string]any{}
		for name, value := range detail.GetMetadata() {
			r.metadata[name] = value
		}
	case *errdetails.BadRequest:
		for _, violation := range detail.GetFieldViolations() {
			r.fields = append(r.fields, violation.GetField())
		}
	}
}

// rawBytes sends bytes as they are where a message is expected; what comes back may be a message: the status of a failure.
type rawBytes struct{}

func (rawBytes) Name() string { return "proto" }

func (rawBytes) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }

func (rawBytes) Unmarshal(text []byte, message any) error {
	if status, ok := message.(proto.Message); ok {
		return proto.Unmarshal(text, status)
	}
	*message.(*[]byte) = append([]byte{}, text...)
	return nil
}
