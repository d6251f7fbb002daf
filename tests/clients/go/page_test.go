package clients

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"testing"
	"time"

	"connectrpc.com/connect"

	walletv1 "github.com/wallet-service/wallet/gen/go/wallet/v1"
	"github.com/wallet-service/wallet/gen/go/wallet/v1/walletv1connect"
)

const walletName = "organizations/my-org/wallets/default"

// recorder is the page's httpClient: it adds the API key, and notes how each call ended.
type recorder struct {
	ended []string
}

func (r *recorder) Do(request *http.Request) (*http.Response, error) {
	request.Header.Set("Authorization", "Bearer "+instance["my_org"])
	answer, err := http.DefaultClient.Do(request)
	if err == nil {
		r.ended = append(r.ended, fmt.Sprintf("%s %d", path.Base(request.URL.Path), answer.StatusCode))
	}
	return answer, err
}

func ptr[T any](value T) *T { return &value }

// TestPage has the snippets of the page "Go SDK: Wallet & billing" as they stand there, except that the answer of a call is
// read through .Msg, without which Go does not compile them.
func TestPage(t *testing.T) {
	httpClient := &recorder{}
	base := instance["url"]
	ctx := context.Background()
	end := time.Now().Unix()
	start := end - 86400
	invoiceName := "organizations/my-org/invoices/2026-01"

	wallet := walletv1connect.NewWalletServiceClient(httpClient, base)

	count := 0
	snippet := func(name string, code func(t *testing.T), ended ...string) {
		if t.Run(name, func(t *testing.T) {
			httpClient.ended = nil
			code(t)
			if fmt.Sprint(httpClient.ended) != fmt.Sprint(ended) {
				t.Errorf("the calls ended as %v instead of %v", httpClient.ended, ended)
			}
		}) {
			count++
		}
	}

	snippet("attach the card that the page speaks of", func(t *testing.T) {
		_, err := wallet.AttachPaymentMethod(ctx, connect.NewRequest(&walletv1.AttachPaymentMethodRequest{
			Name:                  "organizations/my-org/payment-methods/pm_abc",
			BillingAccountName:    "organizations/my-org/billing-accounts/default",
			StripePaymentMethodId: "pm_card_visa",
		}))
		check(t, err)
	}, "AttachPaymentMethod 200")

	snippet("balance", func(t *testing.T) {
		resp, err := wallet.GetWalletBalance(ctx, connect.NewRequest(
			&walletv1.GetWalletBalanceRequest{
				Name: "organizations/my-org/wallets/default",
			},
		))
		check(t, err)
		balanceMinor := resp.Msg.GetBalanceMinor()
		if balanceMinor != 0 {
			t.Errorf("the balance of a new wallet is %d", balanceMinor)
		}
	}, "GetWalletBalance 200")

	snippet("forecast", func(t *testing.T) {
		wallet.GetCostForecast(ctx, connect.NewRequest(
			&walletv1.GetCostForecastRequest{WalletName: walletName},
		))
	}, "GetCostForecast 200")

	snippet("usage", func(t *testing.T) {
		usage, err := wallet.QueryUsage(ctx, connect.NewRequest(
			&walletv1.QueryUsageRequest{
				ProjectName:   "projects/my-app",
				StartTimeUnix: start,
				EndTimeUnix:   end,
				GroupBy:       walletv1.UsageGroupBy_USAGE_GROUP_BY_CATEGORY,
			},
		))
		check(t, err)
		if len(usage.Msg.GetRows()) != 0 {
			t.Errorf("there is usage: %v", usage.Msg)
		}
	}, "QueryUsage 200")

	snippet("top up by card", func(t *testing.T) {
		intent, err := wallet.CreateStripeTopUpIntent(ctx, connect.NewRequest(
			&walletv1.CreateStripeTopUpIntentRequest{
				WalletName:        "organizations/my-org/wallets/default",
				AmountMinor:       5000,
				PaymentMethodName: "organizations/my-org/payment-methods/pm_abc",
			},
		))
		check(t, err)
		// The saved card was charged at once: nothing is left to complete in the browser.
		if intent.Msg.GetClientSecret() != "" || intent.Msg.GetTopUp().GetState() != "SUCCEEDED" {
			t.Errorf("the top-up is not done: %v", intent.Msg)
		}
	}, "CreateStripeTopUpIntent 200")

	snippet("checkout by crypto", func(t *testing.T) {
		checkout, err := wallet.CreateCoinbaseTopUpCheckout(ctx, connect.NewRequest(
			&walletv1.CreateCoinbaseTopUpCheckoutRequest{
				WalletName:  "organizations/my-org/wallets/default",
				AmountMinor: 5000,
			},
		))
		check(t, err)
		if checkout.Msg.GetHostedUrl() == "" || checkout.Msg.GetTopUp().GetState() != "PENDING" {
			t.Errorf("there is nowhere to pay: %v", checkout.Msg)
		}
	}, "CreateCoinbaseTopUpCheckout 200")

	snippet("auto-recharge and alerts", func(t *testing.T) {
		wallet.ConfigureAutoRecharge(ctx, connect.NewRequest(
			&walletv1.ConfigureAutoRechargeRequest{
				WalletName:        "organizations/my-org/wallets/default",
				Enabled:           true,
				ThresholdMinor:    1000,
				AmountMinor:       5000,
				PaymentMethodName: "organizations/my-org/payment-methods/pm_abc",
			},
		))
		wallet.ConfigureWalletAlerts(ctx, connect.NewRequest(
			&walletv1.ConfigureWalletAlertsRequest{
				WalletName:         walletName,
				BalanceAlertMinor:  ptr(int64(1000)),
				DaysRemainingAlert: ptr(int32(7)),
			},
		))
	}, "ConfigureAutoRecharge 200", "ConfigureWalletAlerts 200")

	snippet("invoices", func(t *testing.T) {
		wallet.ListInvoices(ctx, connect.NewRequest(&walletv1.ListInvoicesRequest{
			BillingAccountName: "organizations/my-org/billing-accounts/default",
		}))
		wallet.DownloadInvoicePDF(ctx, connect.NewRequest(&walletv1.DownloadInvoicePDFRequest{
			Name: invoiceName,
		}))
	}, "ListInvoices 200", "DownloadInvoicePDF 404")

	snippet("public pricing", func(t *testing.T) {
		wallet.ListPublicMeterRates(ctx, connect.NewRequest(
			&walletv1.ListPublicMeterRatesRequest{},
		))
	}, "ListPublicMeterRates 200")

	snippet("balance after the top-up", func(t *testing.T) {
		resp, err := wallet.GetWalletBalance(ctx, connect.NewRequest(
			&walletv1.GetWalletBalanceRequest{
				Name: "organizations/my-org/wallets/default",
			},
		))
		check(t, err)
		if resp.Msg.GetBalanceMinor() != 5000 {
			t.Errorf("the balance is %d", resp.Msg.GetBalanceMinor())
		}
	}, "GetWalletBalance 200")

	passed = append(passed, fmt.Sprintf("%-32s %d snippets passed", "go page", count))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
